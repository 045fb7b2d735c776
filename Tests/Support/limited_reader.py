"""Reads and maps parts of files of a mount at random, and compares them.

    python limited_reader.py MOUNTED SOURCE SEED COUNT
"""

import os, random, sys, mmap
place, source, seed = sys.argv[1:4]
draw = random.Random(int(seed))
names = sorted(os.listdir(source))
for turn in range(int(sys.argv[4])):
    name = draw.choice(names)
    count = draw.choice((4096, 300_000, 2_000_000))
    with open(f"{source}/{name}", "rb") as right, open(f"{place}/{name}", "rb") as file:
        offset = draw.randrange(os.fstat(right.fileno()).st_size - count)
        wanted = os.pread(right.fileno(), count, offset)
        if draw.random() < 0.3:
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                found = mapped[offset:offset + count]
        else:
            found = os.pread(file.fileno(), count, offset)
        if found != wanted:
            raise SystemExit(f"wrong bytes in {name} at {offset}")
        os.posix_fadvise(right.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
print("right")
