"""Readers of a mount that check every byte while its workers end, and how long they had to wait."""

import json
import math
import os
import statistics
import threading
import time

from suite import TOP, Failure, equal, expect

# Whether stalls are held to their bars, which takes a release build and a quiet machine.
HAS_BARS = bool(os.environ.get("MODELFS_TAKEOVER_BARS"))
MEDIAN_MAX, LONGEST_MAX = 0.1, 0.25

with open(os.path.join(TOP, "Tests/Support/checking_reader.py"), encoding="utf-8") as script:
    READER = script.read()


class Load:
    """Readers that check every byte, until they are told to end."""

    def __init__(self, stage, place, kinds):
        self.readers = [stage.python(READER, place, stage.path("source"), kind, str(seed))
                        for seed, kind in enumerate(kinds)]
        for reader in self.readers:
            equal(reader.stdout.readline(), "ready\n")

    def check(self):
        for reader in self.readers:
            if reader.poll() is not None:
                raise Failure(f"a reader has ended: {reader.communicate()}")

    def end(self):
        """Gives what they saw: rounds, and stalls as (beginning, seconds, kind of reader)."""
        rounds, stalls = 0, []
        for reader in self.readers:
            said, errors = reader.communicate(timeout=30)
            equal(reader.returncode, 0, "a reader", said, errors[-500:])
            seen = json.loads(said)
            rounds += seen["rounds"]
            stalls += [(begin, seconds, seen["kind"]) for begin, seconds in seen["stalls"]]
        return rounds, stalls


class Arrival:
    """When all of the large files was in the disk cache; what stalls before waits for the Hub."""

    def __init__(self, paths, size):
        self.size = str(size).encode()
        self.paths = paths
        self.time = None

    def look(self):
        if self.time is None and all(
                os.getxattr(path, "user.modelfs.cached") == self.size
                for path in self.paths):
            self.time = time.monotonic()
        return self.time


def tell(what, rounds, stalls, arrival, ends):
    """Says how long readers waited, and of the longest how long after a worker's end."""
    # A short run may end before all of the files are here.
    begin = math.inf if arrival.time is None else arrival.time
    cached = sorted((stall for stall in stalls if stall[0] >= begin), key=lambda stall: -stall[1])
    longest = cached[0][1] if cached else 0
    median = statistics.median([seconds for _, seconds, _ in cached] or [0])
    fetched = max((stall[1] for stall in stalls if stall[0] < begin), default=0)
    print(f"         {what}: {rounds} rounds, {len(cached)} stalls over 20 ms, median "
          f"{median * 1000:.0f} ms, longest {longest * 1000:.0f} ms; longest while the files came "
          f"{fetched * 1000:.0f} ms", flush=True)
    for start, seconds, kind in cached[:5]:
        end = max((end for end in ends if end < start + seconds), default=begin)
        print(f"         {kind}: {seconds * 1000:.0f} ms, from {(start - end) * 1000:.0f} ms "
              f"after the end of a worker, {start - begin:.1f} s after the files were here",
              flush=True)
    expect(rounds > 100, "hardly anything was read")
    expect(max(longest, fetched) < 20, "a reader waited too long")
    if HAS_BARS:
        expect(cached, "nothing was read from the disk cache")
        expect(median < MEDIAN_MAX, "the median of the stalls", median)
        expect(longest < LONGEST_MAX, "the longest stall", longest)


class Switching:
    """Has what lies flat packed again and again; who reads it makes it flat again."""

    def __init__(self, stage, mount):
        self.stage, self.mount, self.is_over = stage, mount, threading.Event()
        self.count = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_over.wait(2):
            # The daemon may die in the middle of it.
            self.stage.modelfs("cache", "cool", "--cache", self.mount.cache, code=None)
            self.count += 1

    def end(self):
        self.is_over.set()
        self.thread.join(30)
