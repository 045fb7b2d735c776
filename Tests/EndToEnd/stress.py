#!/usr/bin/env python3
# seconds: 150
"""Never a stuck queue: 64 threads in 8 processes fault at random on 20 files while the Hub stalls a
tenth of its answers, and what is in the disk cache is read meanwhile as if nothing were.

The cache holds less than half of the files, and pages are dropped again and again, so the network
is needed until the end. MODELFS_STRESS_SECONDS (10) is how long; from a minute on the Hub stalls
for 20 s, and the reads' p99 may be twice that of the quiet mount and no more. In the short form, in
which a busy machine's own pauses weigh more, it may be 40 ms in any case.
"""

import json
import os
import random
import subprocess
import threading
import time

from suite import Failure, PLAIN, TOP, XET, drop_pages, equal, expect, main, promise, run

NAME, KEPT = "acme/stress", "acme/kept"
SECONDS = float(os.environ.get("MODELFS_STRESS_SECONDS") or 10)
IS_LONG = SECONDS >= 60
STALL_SECONDS = 20 if IS_LONG else 4
FILES, PROCESSES, THREADS = 20, 8, 8
MEBI = 1 << 20
# Over 10 MiB each, below which a Hub keeps them in git.
FILE_BYTES = (32 if IS_LONG else 12) * MEBI
CACHED_BYTES = 32 * MEBI
# Room for the file that stays, and for a third of the others.
CACHE_SIZE = CACHED_BYTES * 3 // 2 + FILES * FILE_BYTES // 3
# What 64 threads leave to a reader of the processors: they are to wait for the network, not for us.
PAUSE_MICROSECONDS = 2000
BANDWIDTH = "20MB/s"
READ_BYTES = 65_536
QUIET_READS = 1500
SHORT_FLOOR_SECONDS = 0.040
# A stalled connection is given up, and asked for again, well before it would go on by itself.
TOUCH_SECONDS = 3 * STALL_SECONDS + 20


def numbered(path, number, size):
    """A file whose pages say which they are."""
    noise = random.Random(number).randbytes(MEBI)
    with open(path, "wb") as file:
        for start in range(0, size, MEBI):
            piece = bytearray(noise)
            for place in range(0, MEBI, 4096):
                piece[place:place + 16] = (number.to_bytes(8, "little")
                                           + ((start + place) // 4096).to_bytes(8, "little"))
            file.write(piece)


def prepare(stage):
    folder = stage.path("source")
    os.makedirs(folder)
    for number in range(FILES):
        # Not named like weights: what is touched comes, and nothing else.
        numbered(f"{folder}/file-{number:02}.dat", number, FILE_BYTES)
    kept = stage.path("kept")
    os.makedirs(kept)
    numbered(f"{kept}/cached.dat", FILES, CACHED_BYTES)
    stage.server = stage.hub()
    stage.server.add(NAME, folder, "--tag", "v1")
    stage.server.add(KEPT, kept, "--tag", "v1")
    stage.server.start(xet=True)
    stage.faults = stage.path("faults")
    run("cc", "-O2", "-pthread", "-o", stage.faults,
        os.path.join(TOP, "Tests", "Support", "faults.c"))


class Reader(threading.Thread):
    """Reads pieces of a cached file whose pages are dropped before each; notes how long it took."""

    def __init__(self, path, below, count=None):
        super().__init__(daemon=True)
        self.path, self.below, self.count = path, below, count
        self.seconds, self.wrong, self.ended = [], 0, threading.Event()

    def run(self):
        order = random.Random(9)
        while not self.ended.is_set() and len(self.seconds) != self.count:
            if len(self.seconds) % 100 == 0:
                for path in [self.path, *self.below]:
                    drop_pages(path)
            place = order.randrange(CACHED_BYTES // READ_BYTES) * READ_BYTES
            descriptor = os.open(self.path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
            began = time.monotonic()
            data = os.pread(descriptor, READ_BYTES, place)
            self.seconds.append(time.monotonic() - began)
            os.close(descriptor)
            drop_pages(self.path)
            if (len(data) != READ_BYTES or int.from_bytes(data[:8], "little") != FILES
                    or int.from_bytes(data[8:16], "little") != place // 4096):
                self.wrong += 1
            time.sleep(0.002)

    def late(self):
        """The p99 of what was read."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


@promise("S48", "Readers of cached bytes do not wait for the network", seconds=SECONDS + 100,
         ways=(PLAIN,))
def faults_while_the_hub_stalls(stage):
    stress(stage, "plain")


@promise("S48", "Readers of cached bytes do not wait for the network", seconds=SECONDS + 100,
         ways=(XET,))
def faults_while_the_hub_stalls_xorbs(stage):
    stress(stage, "xet")


def stress(stage, way):
    server = stage.server
    mount = stage.mount(server, name=f"mount-{way}", cache=f"cache-{way}")
    # Every read is the daemon's to answer, so that it is this that is measured.
    mount.start("--check-reads", "--cache-size", str(CACHE_SIZE), **stage.way)
    folder = f"{mount.path}/{NAME}@v1"
    cached = f"{mount.path}/{KEPT}@v1/cached.dat"
    with open(cached, "rb") as file:
        equal(sum(len(part) for part in iter(lambda: file.read(MEBI), b"")), CACHED_BYTES)
    stage.modelfs("cache", "pin", "--cache", mount.cache, f"{KEPT}@v1")
    below = [os.path.join(place, name) for place, _, names in os.walk(mount.cache + "/flat")
             for name in names]
    quiet = Reader(cached, below, QUIET_READS if IS_LONG else QUIET_READS // 5)
    quiet.start()
    quiet.join()
    equal(quiet.wrong, 0, "wrong reads of a quiet mount")

    server.weather(bandwidth=BANDWIDTH)
    server.data_faults(f"stall={STALL_SECONDS},rate=0.1")
    paths = [f"{folder}/file-{number:02}.dat" for number in range(FILES)]
    processes = [subprocess.Popen(
        [stage.faults, str(SECONDS), str(seed), str(THREADS), str(PAUSE_MICROSECONDS), *paths],
        stdout=subprocess.PIPE, text=True) for seed in range(PROCESSES)]
    stage.processes += processes
    before = server.data_bytes()
    reader = Reader(cached, below)
    reader.start()
    deadline = time.monotonic() + SECONDS + TOUCH_SECONDS
    while any(process.poll() is None for process in processes):
        expect(time.monotonic() < deadline, "threads hang in page faults")
        time.sleep(0.5)
        for path in paths:
            drop_pages(path)
    reader.ended.set()
    reader.join()
    server.faults()
    server.weather(bandwidth="off")
    judge(processes, reader, quiet, server.data_bytes() - before)
    mount.end()
    mount.forget()


def judge(processes, reader, quiet, fetched):
    said = []
    for process in processes:
        equal(process.returncode, 0, "a process that faults")
        said.append(json.loads(process.communicate()[0]))
    touches = sum(each["touches"] for each in said)
    longest = max(each["longest"] for each in said)
    fewest = min(each["fewest"] for each in said)
    print(f"         {touches} touches, {fetched >> 20} MiB fetched, longest touch {longest:.1f} s,"
          f" fewest of a thread {fewest}; {len(reader.seconds)} cached reads, p99"
          f" {reader.late() * 1e3:.1f} ms, quiet {quiet.late() * 1e3:.1f} ms", flush=True)
    equal(sum(each["wrong"] for each in said), 0, "wrong pages")
    equal(reader.wrong, 0, "wrong reads of what is cached")
    expect(longest <= TOUCH_SECONDS, "the longest touch took", longest)
    expect(fewest > 0, "a thread came nowhere")
    expect(fetched > 8 * MEBI, "the network was hardly needed:", fetched)
    wanted = 2 * quiet.late()
    if not IS_LONG:
        wanted = max(wanted, SHORT_FLOOR_SECONDS)
    if reader.late() > wanted:
        raise Failure(f"p99 of cached reads {reader.late() * 1e3:.1f} ms, quiet"
                      f" {quiet.late() * 1e3:.1f} ms")


main(__name__, prepare)
