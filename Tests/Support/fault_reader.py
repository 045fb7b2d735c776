"""Reads files of a mount at random in four ways, compares every byte, and notes every error.

    python fault_reader.py MOUNTED SOURCE SEED

Ends with the end of its input; prints JSON: how many reads, what went wrong, the longest read.
"""

import json
import mmap
import os
import random
import signal
import sys
import time

place, source, seed = sys.argv[1:4]
draw = random.Random(seed)
names = sorted(os.path.relpath(os.path.join(top, name), source)
               for top, _, found in os.walk(source) for name in found)
wrong, errors, rounds, longest = [], [], 0, 0.0
# A fault of a mapping that cannot be served would end the process: say so before.
signal.signal(signal.SIGBUS, signal.SIG_DFL)


def compare(name, offset, found, wanted):
    if found != wanted:
        wrong.append(f"{name} at {offset}: {len(found)} bytes")


def part(name):
    size = os.stat(f"{source}/{name}").st_size
    count = min(size, draw.choice((1, 4096, 200_000, 1_500_000)))
    offset = draw.randrange(size - count + 1)
    with open(f"{source}/{name}", "rb") as right:
        return offset, count, os.pread(right.fileno(), count, offset)


def read_part(name):
    offset, count, wanted = part(name)
    with open(f"{place}/{name}", "rb") as file:
        if draw.random() < 0.5:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        found = b""
        while len(found) < count:
            found += os.pread(file.fileno(), count - len(found), offset + len(found))
        compare(name, offset, found, wanted)


def map_part(name):
    offset, count, wanted = part(name)
    with open(f"{place}/{name}", "rb") as file:
        # What cannot be had is an error here and a signal below; a part that can comes alone.
        position = offset
        while position < offset + count:
            position += len(os.pread(file.fileno(), offset + count - position, position))
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            compare(name, offset, mapped[offset:offset + count], wanted)


def read_whole(name):
    with open(f"{place}/{name}", "rb") as file, open(f"{source}/{name}", "rb") as right:
        compare(name, 0, file.read(), right.read())


def look(name):
    wanted = os.stat(f"{source}/{name}").st_size
    if os.stat(f"{place}/{name}").st_size != wanted:
        wrong.append(f"size of {name}")
    if os.path.basename(name) not in os.listdir(os.path.dirname(f"{place}/{name}")):
        wrong.append(f"{name} is not listed")


os.set_blocking(0, False)
print("ready", flush=True)
while True:
    try:
        os.read(0, 1)
        break
    except BlockingIOError:
        pass
    work = draw.choice((read_part, read_part, map_part, read_whole, look))
    name = draw.choice(names)
    began = time.monotonic()
    try:
        work(name)
    except OSError as error:
        errors.append(f"{time.strftime('%H:%M:%S')} {work.__name__} {name}: {error.strerror} "
                      f"after {time.monotonic() - began:.1f} s")
    took = time.monotonic() - began
    longest = max(longest, took)
    rounds += 1
    # Others want the processors too.
    time.sleep(draw.random() * 0.02)
print(json.dumps({"rounds": rounds, "wrong": wrong, "errors": errors, "longest": longest}),
      flush=True)
