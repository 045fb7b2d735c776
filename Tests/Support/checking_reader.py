"""Reads files of a mount again and again, in one of four ways, and compares every byte.

    python checking_reader.py MOUNTED SOURCE cold|warm|mapped|names SEED

Ends with the end of its input and prints what it saw as JSON, or at a wrong byte or an error.
Stalls are pairs of when a round began, by the clock that all processes share, and its seconds.
"""

import json, mmap, os, random, sys, time
place, source, kind, seed = sys.argv[1:5]
draw = random.Random(int(seed))
large = [f"large{index}.bin" for index in range(3)]
small = [f"small/{index}.txt" for index in range(40)]
data = {}
for name in large + small:
    with open(f"{source}/{name}", "rb") as file:
        data[name] = file.read()
stalls, rounds = [], 0
print("ready", flush=True)
files = {name: os.open(f"{place}/{name}", os.O_RDONLY) for name in large}
maps = {name: mmap.mmap(files[name], 0, prot=mmap.PROT_READ) for name in large}

def check(name, offset, found, wanted):
    if found != wanted:
        raise SystemExit(f"{kind}: wrong bytes in {name} at {offset}, {len(found)} bytes")

def step():
    name = draw.choice(large)
    count = draw.choice((1, 4096, 65536, 300_000))
    offset = draw.randrange(len(data[name]) - count)
    wanted = data[name][offset:offset + count]
    if kind == "cold":
        os.posix_fadvise(files[name], 0, 0, os.POSIX_FADV_DONTNEED)
        check(name, offset, os.pread(files[name], count, offset), wanted)
    elif kind == "warm":
        check(name, offset, os.pread(files[name], count, offset), wanted)
    elif kind == "mapped":
        if draw.random() < 0.1:
            maps[name].madvise(mmap.MADV_DONTNEED)
            os.posix_fadvise(files[name], 0, 0, os.POSIX_FADV_DONTNEED)
        check(name, offset, maps[name][offset:offset + count], wanted)
    else:
        name = draw.choice(small + large)
        with open(f"{place}/{name}", "rb") as file:
            if name in small:
                check(name, 0, file.read(), data[name])
            else:
                file.seek(offset)
                check(name, offset, file.read(100), data[name][offset:offset + 100])
        if draw.random() < 0.1 and sorted(os.listdir(f"{place}/small")) != sorted(
                name.removeprefix("small/") for name in small):
            raise SystemExit("wrong names")

# Ends when its input does, and looks for that without waiting.
os.set_blocking(0, False)
while True:
    try:
        os.read(0, 1)
        break
    except BlockingIOError:
        pass
    start = time.monotonic()
    step()
    took = time.monotonic() - start
    if took > 0.02:
        stalls.append((start, took))
    rounds += 1
    time.sleep(draw.random() * 0.004)
print(json.dumps({"kind": kind, "rounds": rounds, "stalls": stalls}), flush=True)
