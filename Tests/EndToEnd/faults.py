#!/usr/bin/env python3
# seconds: 150
"""Mixed reading from a Hub that does everything wrong at random, for a while.

5xx, 429 with waits, resets, cut bodies, wrong lengths, flipped bytes, expired URLs, drips, stalls
of 60 seconds, and times at which it is not there. Every byte is compared; no read may fail; what is
cached is read as fast as without faults; each kind of fault is counted in `modelfs status`.
MODELFS_FAULT_SECONDS (20) is how long, MODELFS_FAULT_SEED replays a run; `make soak` is 15 minutes.
"""

import json
import os
import random
import statistics
import time

from suite import (PLAIN, TOP, XET, alive, drop_pages, equal, expect, main, noise, promise, read,
                   says, wait_for, write)

SECONDS = float(os.environ.get("MODELFS_FAULT_SECONDS") or 20)
SEED = os.environ.get("MODELFS_FAULT_SEED") or "1"
IS_LONG = SECONDS > 120
NAME = "acme/faults"
MIB = 1 << 20
FILES, READERS = (24, 3) if IS_LONG else (14, 2)
# Smaller than the contents together, so that they are fetched again and again; but with room for
# all that readers wait for at once, which has to be there as a whole where it is proven first.
CACHE_SIZE = "110MB" if IS_LONG else "64MB"
# How long the Hub is away, and how often.
AWAY_SECONDS, BETWEEN_SECONDS = (60, 240) if IS_LONG else (3, 8)
# Of a daemon, without the pages that the kernel keeps.
RESIDENT_MAX = 400 << 20
# A machine whose processors are shared by all readers.
SLOWER_MAX, SLACK_SECONDS = 4, 0.1
KINDS = {"status=503": "5xx", "status=500": "5xx", "status=429": "429", "reset": "closed early",
         "truncate": "closed early", "length": "wrong answer"}
with open(os.path.join(TOP, "Tests/Support/fault_reader.py"), encoding="utf-8") as script:
    READER = script.read()


def weather(scale, flips):
    """All faults at their rates; flips only where every file is proven before it is seen."""
    def rule(kind, rate, path="*"):
        return f"{kind},rate={min(1, rate * scale):.4f},path={path}"
    # What has no checksum over it comes through TLS in the world.
    data = ("/_data/*", "/_xorb/*")
    rules = [rule("status=503", 0.02), rule("status=500", 0.01), rule("status=429:1", 0.01),
             rule("reset", 0.02), rule("truncate", 0.02), rule("stall=60", 0.004)]
    for path in data:
        rules += [rule("length", 0.02, path), rule("expire", 0.02, path),
                  rule("drip=4KB/s", 0.005, path)]
        if flips:
            rules.append(rule("flip", 0.004, path))
    return rules


def prepare(stage):
    folder = stage.path("source")
    draw = random.Random(f"faults {SEED}")
    for index in range(FILES):
        write(f"{folder}/large{index}.bin",
              noise(f"{SEED} {index}", draw.randrange(3 * MIB, 9 * MIB)))
    for index in range(30):
        write(f"{folder}/small/{index}.txt", noise(f"{SEED} s{index}", draw.randrange(1, 60_000)))
    write(stage.path("hot", "hot.bin"), noise("hot", 3 * MIB))
    stage.servers = []
    for flips in (False, True):
        hub = stage.hub(f"hub{int(flips)}")
        hub.add(NAME, folder, "--tag", "v1")
        hub.add("acme/hot", stage.path("hot"), "--tag", "v1")
        stage.servers.append((hub, flips))


def options(hub_seed, faults):
    words = ["--latency", "2ms", "--seed", str(hub_seed)]
    for fault in faults:
        words += ["--fault", fault]
    return words


class Run:
    """A mount with a cache, its readers and what they saw."""

    def __init__(self, stage, hub, label, flips, way):
        self.stage, self.hub, self.label, self.way = stage, hub, label, way
        self.mount = stage.mount(hub, name=f"m-{label}", cache=f"c-{label}")
        words = ["--cache-size", CACHE_SIZE] + (["--proof", "first"] if flips else [])
        self.mount.start(*words, **way)
        self.place = f"{self.mount.path}/{NAME}@v1"
        self.hot = f"{self.mount.path}/acme/hot@v1/hot.bin"
        equal(read(self.hot), noise("hot", 3 * MIB))
        stage.modelfs("cache", "pin", "acme/hot@v1", "--cache", self.mount.cache)
        os.listdir(self.place)
        os.listdir(self.place + "/small")
        self.pid, self.most = self.mount.daemon(), 0
        self.alone = statistics.median(self.hot_seconds() for _ in range(15))
        self.beside = []

    def begin(self):
        self.readers = [self.stage.python(READER, self.place, self.stage.path("source"),
                                          f"{SEED} {self.label} {number}")
                        for number in range(READERS)]
        for reader in self.readers:
            equal(reader.stdout.readline(), "ready\n")

    def hot_seconds(self):
        drop_pages(self.hot)
        began = time.monotonic()
        data = read(self.hot)
        took = time.monotonic() - began
        expect(data == noise("hot", 3 * MIB), self.label, "wrong bytes in hot.bin")
        return took

    def look(self):
        self.beside.append(self.hot_seconds())
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            resident = [int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS:")]
        self.most = max(self.most, *resident)

    def end(self):
        for reader in self.readers:
            reader.stdin.close()
            reader.stdin = None
        problems = []
        rounds, longest = 0, 0.0
        for reader in self.readers:
            # Who waits for a Hub that stalls has until its deadline.
            reader.wait(timeout=130)
            said = json.loads(reader.stdout.read() or "{}")
            expect(said, self.label, "a reader ended:", reader.returncode,
                   reader.stderr.read()[-500:], self.mount.log()[-4000:])
            rounds, longest = rounds + said["rounds"], max(longest, said["longest"])
            problems += [f"{self.label}: WRONG {each}" for each in said["wrong"]]
            problems += [f"{self.label}: {each}" for each in said["errors"]]
        beside = statistics.median(self.beside)
        status = self.mount.status()["fileSystem"]
        counted = status["hubFailures"]
        print(f"         {self.label}: {rounds} reads, the longest {longest:.1f} s, "
              f"{status['bytesFetched'] >> 20} MiB fetched; 3 MB from the cache "
              f"{self.alone * 1000:.1f} ms alone, {beside * 1000:.1f} ms beside; "
              f"at most {self.most >> 20} MiB\n"
              f"         {self.label}: counted {counted}, wrong chunks "
              f"{status['cache']['wrongXetChunks']}, proven wrong "
              f"{status['cache']['proofFailures']}", flush=True)
        if problems:
            print(self.mount.log()[-12000:], flush=True)
        expect(alive(self.pid) and self.mount.daemon() == self.pid, "the daemon has died")
        if beside > self.alone * SLOWER_MAX + SLACK_SECONDS:
            problems.append(f"{self.label}: cached bytes are slow, {beside} against {self.alone}")
        if not 0 < self.most < RESIDENT_MAX:
            problems.append(f"{self.label}: {self.most >> 20} MiB resident")
        return problems, counted, status

    def check_all(self):
        source = self.stage.path("source")
        for top, _, names in os.walk(source):
            for name in names:
                path = os.path.join(top, name)
                shown = f"{self.place}/{os.path.relpath(path, source)}"
                drop_pages(shown)
                expect(read(shown) == read(path), self.label, "at the end, wrong bytes:", shown)
        self.stage.modelfs("cache", "verify", "--cache", self.mount.cache)
        self.mount.end()


@promise("S112", "Each fault of the network is counted and none is seen", seconds=140 + 2 * SECONDS)
def everything_goes_wrong_at_random(stage):
    print(f"         seed {SEED}, {SECONDS:.0f} s", flush=True)
    scale = 1 if IS_LONG else 3
    runs = []
    for hub, flips in stage.servers:
        hub.start(xet=True)
        for way in ((XET, PLAIN) if IS_LONG else ((PLAIN,) if flips else (XET,))):
            label = ("xet" if way is XET else "plain") + ("-proven" if flips else "")
            runs.append(Run(stage, hub, label, flips, way))
        hub.weather(latency="2ms", faults=weather(scale, flips), seed=int(SEED))
    for each in runs:
        each.begin()
    until = time.monotonic() + SECONDS
    next_outage = time.monotonic() + BETWEEN_SECONDS / 2
    made, outages = {}, 0

    def note(hub):
        for kind, count in hub.stats()["faultsByKind"].items():
            made[kind] = made.get(kind, 0) + count

    while time.monotonic() < until:
        time.sleep(0.3)
        for each in runs:
            each.look()
        if time.monotonic() < next_outage:
            continue
        hub, flips = stage.servers[(outages + int(SEED)) % len(stage.servers)]
        note(hub)
        hub.stop()
        back = time.monotonic() + AWAY_SECONDS
        while time.monotonic() < back:
            time.sleep(0.3)
            for each in runs:
                each.look()
        outages += 1
        hub.start("--seed", str(int(SEED) + outages), xet=True)
        hub.weather(latency="2ms", faults=weather(scale, flips))
        next_outage = time.monotonic() + BETWEEN_SECONDS
    for hub, _ in stage.servers:
        note(hub)
        hub.weather(latency="off", faults=[])
    print(f"         made {dict(sorted(made.items()))}, {outages} times away", flush=True)
    problems, counted = [], {}
    for each in runs:
        found, faults, status = each.end()
        problems += found
        for kind, count in faults.items():
            counted[kind] = counted.get(kind, 0) + count
        counted["wrong"] = (counted.get("wrong", 0) + status["cache"]["wrongXetChunks"]
                            + status["cache"]["proofFailures"])
    equal(problems[:20], [], len(problems), "problems")
    for kind, count in made.items():
        told = KINDS.get(kind)
        if told:
            expect(counted.get(told), kind, "was made", count, "times and never counted:", counted)
    if IS_LONG:
        for kind in ("5xx", "429", "closed early", "stalled", "wrong answer", "no connection",
                     "expired URL", "wrong"):
            expect(counted.get(kind), kind, "was never counted:", counted)
    says(stage.modelfs("status", "--cache", runs[0].mount.cache), "of them failed:")
    for each in runs:
        each.check_all()


main(__name__, prepare)
