#!/usr/bin/env python3
# seconds: 240
"""Many readers on one mount for a while, with a slow Hub that goes away and comes back, and a
cache that is too small for what is read.

Asserts that no byte is ever wrong, that a read fails only while the Hub is away, that a killed
reader is gone within a second, that no read takes longer than the deadline, that the daemon's
memory stays bounded, and that at the end everything reads again. MODELFS_SOAK_SECONDS (15) is how
long; MODELFS_SOAK_SEED replays a run. `make soak` is the long form.
"""

import errno
import mmap
import multiprocessing
import os
import random
import signal
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from programs import LocalHub, Mount, Programs  # noqa: E402

REPOSITORY = "soak/model"
REVISIONS = ("v1", "v2")
READERS = 6
# What a reader waits at most before it gets an error, as the mount is told; and what it may take
# on a machine whose processors are shared by all readers.
DEADLINE_SECONDS = 10
SLACK_SECONDS = 10
# The Hub is away this long, every so often.
OUTAGE_SECONDS, BETWEEN_OUTAGES_SECONDS = 1.5, 6.0
# Smaller than all contents together, so that eviction is at work all the time.
CACHE_SIZE = "64MB"
# The daemon's budget: the page cache is not part of it.
RESIDENT_MAX = 400 << 20


def make_contents(folder, generator):
    """Files of all sizes that matter: empty, around pages and blocks, and some large ones."""
    sizes = [0, 1, 4095, 4096, 4097, 131071, 131072, 131073, 1 << 20, (1 << 20) + 1, 5_000_003]
    sizes += [generator.randrange(1, 200_000) for _ in range(30)]
    sizes += [generator.randrange(8 << 20, 20 << 20) for _ in range(8)]
    contents = {}
    for revision in REVISIONS:
        top = os.path.join(folder, revision)
        for index, size in enumerate(sizes):
            name = f"part-{index % 5}/file-{index:03}.bin"
            path = os.path.join(top, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            # Every third file differs between the revisions; the others are one content.
            seed = f"{index} {revision if index % 3 == 0 else ''}"
            with open(path, "wb") as file:
                file.write(random.Random(seed).randbytes(size))
            contents[f"{revision}/{name}"] = path
    return contents


class Reader:
    """One process that reads at random and compares with the originals."""

    def __init__(self, mount, contents, seed, away, failures, counts):
        self.mount, self.contents, self.away = mount, contents, away
        self.random = random.Random(seed)
        self.failures, self.counts = failures, counts

    def run(self, until):
        names = sorted(self.contents)
        while time.monotonic() < until:
            name = self.random.choice(names)
            revision, path = name.split("/", 1)
            target = f"{self.mount}/{REPOSITORY}@{revision}/{path}"
            work = self.random.choice((self.read_range, self.read_range, self.map, self.whole,
                                       self.look))
            began = time.monotonic()
            away_before = self.away.value
            try:
                work(target, self.contents[name])
            except OSError as error:
                # The outage may have begun before the read or during it, and its end is learned
                # by the daemon a little later.
                calm = not away_before and not self.away.value
                if error.errno != errno.EIO or calm:
                    self.fail(f"{work.__name__} {name}: {error.strerror}")
            seconds = time.monotonic() - began
            if seconds > DEADLINE_SECONDS + SLACK_SECONDS:
                self.fail(f"{work.__name__} {name}: {seconds:.1f} s")
            with self.counts.get_lock():
                self.counts.value += 1

    def fail(self, text):
        self.failures.put(text)

    def compare(self, found, original, offset, what):
        with open(original, "rb") as file:
            file.seek(offset)
            expected = file.read(len(found))
        if found != expected:
            self.fail(f"{what}: WRONG BYTES at {offset} in {original}")

    def read_range(self, target, original):
        size = os.stat(original).st_size
        offset = self.random.randrange(size + 1)
        length = self.random.randrange(1, 300_000)
        descriptor = os.open(target, os.O_RDONLY)
        try:
            self.forget_pages(descriptor)
            found = os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)
        if len(found) != min(length, size - offset):
            self.fail(f"read {len(found)} of {min(length, size - offset)} bytes of {target}")
        self.compare(found, original, offset, "read")

    def forget_pages(self, descriptor):
        """Mostly drops the kernel's pages, so that the daemon is asked."""
        if self.random.random() < 0.7:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def map(self, target, original):
        """Maps, but reads the range first: a fault that fails is a signal."""
        size = os.stat(original).st_size
        if size == 0:
            return
        with open(target, "rb") as file:
            offset = self.random.randrange(size)
            length = min(self.random.randrange(1, 100_000), size - offset)
            self.forget_pages(file.fileno())
            os.pread(file.fileno(), length, offset)
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                self.compare(mapped[offset:offset + length], original, offset, "map")

    def whole(self, target, original):
        if os.stat(original).st_size > 2 << 20:
            return
        with open(target, "rb") as file:
            self.compare(file.read(), original, 0, "whole")

    def look(self, target, original):
        if os.stat(target).st_size != os.stat(original).st_size:
            self.fail(f"stat: another size of {target}")
        if os.path.basename(target) not in os.listdir(os.path.dirname(target)):
            self.fail(f"listdir: {target} is missing")


def reader_process(arguments, until):
    # Processes of this script end with it, whatever happens to it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Reader(*arguments).run(until)


def kill_one(mount, names, generator):
    """Starts a reader of a large file, kills it at once, and gives the seconds until it is gone."""
    target = f"{mount}/{REPOSITORY}@{generator.choice(names)}"
    child = os.fork()
    if child == 0:
        try:
            with open(target, "rb") as file:
                while file.read(1 << 20):
                    pass
        finally:
            os._exit(0)
    time.sleep(generator.random() * 0.1)
    began = time.monotonic()
    os.kill(child, signal.SIGKILL)
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() - began > DEADLINE_SECONDS:
            return DEADLINE_SECONDS
        time.sleep(0.002)
    return time.monotonic() - began


def resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
    return 0


def soak(seconds, seed):
    generator = random.Random(seed)
    programs = Programs(os.environ["MODELFS_BIN"], os.environ["MODELFS_SCRATCH"])
    folder = os.path.join(programs.scratch, "original")
    contents = make_contents(folder, generator)
    hub = LocalHub(programs)
    for revision in REVISIONS:
        hub.add(REPOSITORY, os.path.join(folder, revision), "--tag", revision)
    hub.start("--latency", "5ms", "--bandwidth", "200MB/s")
    mount = Mount(programs, hub.endpoint).start(
        "--read-deadline", f"{DEADLINE_SECONDS}s", "--cache-size", CACHE_SIZE)
    for revision in REVISIONS:
        os.listdir(f"{mount.path}/{REPOSITORY}@{revision}")

    daemon = mount.status()["processID"]
    away = multiprocessing.Value("b", 0)
    failures = multiprocessing.SimpleQueue()
    counts = multiprocessing.Value("q", 0)
    until = time.monotonic() + seconds
    readers = []
    for number in range(READERS):
        arguments = (mount.path, contents, f"{seed} {number}", away, failures, counts)
        readers.append(multiprocessing.Process(target=reader_process, args=(arguments, until),
                                               daemon=True))
        readers[-1].start()
    large = [name for name, path in contents.items() if os.stat(path).st_size > 8 << 20]
    slowest_kill, resident, outages, problems = 0.0, 0, 0, []
    next_outage = time.monotonic() + BETWEEN_OUTAGES_SECONDS / 2
    while time.monotonic() < until:
        if time.monotonic() >= next_outage:
            away.value = 1
            hub.stop()
            time.sleep(OUTAGE_SECONDS)
            hub.start("--latency", "5ms", "--bandwidth", "200MB/s")
            # While it was away the daemon may have slowed its questions; give it time to learn.
            time.sleep(OUTAGE_SECONDS)
            away.value = 0
            outages += 1
            next_outage = time.monotonic() + BETWEEN_OUTAGES_SECONDS
        slowest_kill = max(slowest_kill, kill_one(mount.path, large, generator))
        resident = max(resident, resident_bytes(daemon))
        time.sleep(0.2)
    for reader in readers:
        reader.join(2 * (DEADLINE_SECONDS + SLACK_SECONDS))
        if reader.is_alive():
            problems.append(f"reader {reader.pid} hangs")
    while not failures.empty():
        problems.append(failures.get())
    check = Reader(mount.path, contents, seed, away, failures, counts)
    for name, original in contents.items():
        revision, path = name.split("/", 1)
        with open(f"{mount.path}/{REPOSITORY}@{revision}/{path}", "rb") as file:
            check.compare(file.read(), original, 0, "at the end")
    while not failures.empty():
        problems.append(failures.get())
    if slowest_kill > 1.0:
        problems.append(f"a killed reader was there for {slowest_kill:.2f} s")
    if resident == 0 or resident > RESIDENT_MAX:
        problems.append(f"the daemon used {resident >> 20} MiB")
    print(f"{counts.value} operations by {READERS} readers, {outages} outages, slowest kill"
          f" {slowest_kill * 1e3:.0f} ms, daemon at most {resident >> 20} MiB")
    mount.stop()
    hub.stop()
    return problems


def main():
    seconds = float(os.environ.get("MODELFS_SOAK_SECONDS", "15"))
    seed = os.environ.get("MODELFS_SOAK_SEED", "1")
    print(f"seed {seed}, {seconds:.0f} s", flush=True)
    problems = soak(seconds, seed)
    for problem in problems[:50]:
        print(problem)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
