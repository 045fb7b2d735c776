"""Has very many reads of a file wait at once, past the page cache, and compares what they bring.

    python queued_reads.py PATH COUNT BYTES RIGHT

Says `ready`, waits for a line, sends all, says `sent`, and `right` when all came.
"""

import ctypes, os, sys
path, count, size, wanted = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
file = os.open(path, os.O_RDONLY | os.O_DIRECT)
length = os.fstat(file).st_size
class Block(ctypes.Structure):
    _fields_ = [("data", ctypes.c_uint64), ("key", ctypes.c_uint32), ("rw", ctypes.c_int32),
                ("opcode", ctypes.c_uint16), ("priority", ctypes.c_int16),
                ("file", ctypes.c_uint32), ("buffer", ctypes.c_uint64),
                ("count", ctypes.c_uint64), ("offset", ctypes.c_int64),
                ("reserved", ctypes.c_uint64), ("flags", ctypes.c_uint32),
                ("event", ctypes.c_uint32)]
class Event(ctypes.Structure):
    _fields_ = [("data", ctypes.c_uint64), ("block", ctypes.c_uint64),
                ("result", ctypes.c_int64), ("result2", ctypes.c_int64)]
SETUP, GET, SUBMIT = 206, 208, 209
ring = ctypes.c_uint64(0)
if libc.syscall(SETUP, ctypes.c_long(count), ctypes.byref(ring)) != 0:
    raise SystemExit(f"no ring: {os.strerror(ctypes.get_errno())}")
room = (ctypes.c_ubyte * (count * size))()
base = ctypes.addressof(room)
offsets = [(number * 7919 * size) % (length - size) for number in range(count)]
blocks = (Block * count)()
for number in range(count):
    blocks[number] = Block(number, 0, 0, 0, 0, file, base + number * size, size, offsets[number])
print("ready", flush=True)
sys.stdin.readline()
sent = 0
while sent < count:
    batch = min(500, count - sent)
    pointers = (ctypes.c_uint64 * batch)(*(ctypes.addressof(blocks[sent + number])
                                           for number in range(batch)))
    done = libc.syscall(SUBMIT, ctypes.c_uint64(ring.value), ctypes.c_long(batch), pointers)
    if done <= 0:
        raise SystemExit(f"not taken: {os.strerror(ctypes.get_errno())}")
    sent += done
print("sent", flush=True)
events = (Event * 1000)()
left = count
with open(wanted, "rb") as source:
    right = source.read()
while left:
    got = libc.syscall(GET, ctypes.c_uint64(ring.value), ctypes.c_long(1), ctypes.c_long(1000),
                       events, ctypes.c_void_p(0))
    for number in range(got):
        event = events[number]
        if event.result != size:
            raise SystemExit(f"request {event.data}: {event.result}")
        offset = offsets[event.data]
        found = bytes(room[event.data * size:event.data * size + size])
        if found != right[offset:offset + size]:
            raise SystemExit(f"wrong bytes at {offset}")
    left -= got
print("right", flush=True)
