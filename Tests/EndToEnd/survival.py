#!/usr/bin/env python3
# seconds: 260
# needs: root
"""What a machine does to a daemon: a full disk, locked databases, another date, no descriptors,
little memory, very many requests, a stopped process, a suspended group, an unmount in the middle.

Each is survived with nothing lost: after it every byte reads right, `verify` finds the cache sound,
and what was cached is there without a Hub. A disk that turns read-only is in cache.py. With
MODELFS_SURVIVAL_LONG=1 (make soak) processes are stopped for a minute, and 100,000 requests wait.
"""

import contextlib
import glob
import os
import resource
import shutil
import signal
import subprocess
import time

from suite import (PLAIN, TOP, XET, Attempt, Skip, alive, drop_names, drop_pages, equal,
                   expect, kernel_nodes, main, noise, promise, read, run, wait_for, within, write)

NAME = "acme/survival"
MIB = 1 << 20
LARGE, SMALL = 8, 30


def script(name):
    with open(os.path.join(TOP, "Tests/Support", name), encoding="utf-8") as file:
        return file.read()


QUEUE, MEMORY_READER = script("queued_reads.py"), script("limited_reader.py")
IS_LONG = bool(os.environ.get("MODELFS_SURVIVAL_LONG"))
# How long a process stays stopped, and after how long its keeper takes it for dead.
STOP_SECONDS = 60 if IS_LONG else 5
SILENCE = {} if IS_LONG else {"MODELFS_SILENCE_SECONDS": "3"}


def large(index):
    return noise(index, 3 * MIB + index)


def small(index):
    return noise(1000 + index, 9_000 + index)


def prepare(stage):
    folder = stage.path("source")
    for index in range(LARGE):
        write(f"{folder}/large{index}.bin", large(index))
    for index in range(SMALL):
        write(f"{folder}/small/{index}.txt", small(index))
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.start(xet=True)
    stage.server = hub


def start(stage, name, *options, **variables):
    mount = stage.mount(stage.server, name=name, cache=f"cache-{name}")
    return mount.start(*options, **variables)


def place_of(mount):
    return f"{mount.path}/{NAME}@v1"


def check(place, *indexes):
    for index in indexes:
        equal(read(f"{place}/large{index}.bin"), large(index), f"large{index}.bin")


def check_cached(place, *indexes):
    for index in indexes:
        drop_pages(f"{place}/large{index}.bin")
    check(place, *indexes)


def nothing_lost(stage, mount, *indexes):
    """All that was read is in the cache, sound, and there without a Hub."""
    check(place_of(mount), *range(LARGE))
    for index in range(SMALL):
        equal(read(f"{place_of(mount)}/small/{index}.txt"), small(index))
    wait_for(lambda: not mount.status()["fileSystem"]["fetches"], 20, "the last fetches")
    time.sleep(1.2)
    stage.modelfs("cache", "verify", "--cache", mount.cache)
    mount.restart(HF_HUB_OFFLINE="1")
    check_cached(place_of(mount), *(indexes or range(LARGE)))
    mount.end()


# MARK: Disks

@promise("S50", "The cache stays within its limit", seconds=60)
def a_disk_that_was_full_takes_bytes_again(stage):
    image, disk = stage.path("small-disk.img"), stage.path("small-disk")
    os.makedirs(disk)
    with open(image, "wb") as file:
        file.truncate(96 * MIB)
    for words in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, disk]):
        if subprocess.run(words, check=False, capture_output=True, timeout=20).returncode != 0:
            raise Skip("no disk can be made here")
    stage.actions.append(lambda: subprocess.run(["umount", "-l", disk], check=False, timeout=10,
                                                capture_output=True))
    mount = stage.mount(stage.server, name="full", cache="small-disk/cache").start()
    place = place_of(mount)
    check(place, 0)
    time.sleep(1.2)
    filler = os.path.join(disk, "others")
    with contextlib.suppress(OSError), open(filler, "wb", 0) as file:
        while True:
            file.write(bytes(65536))
    with contextlib.suppress(OSError), open(filler, "ab", 0) as file:
        while True:
            file.write(bytes(1024))
    check(place, 1, 2, 3)
    for index in range(10):
        equal(read(f"{place}/small/{index}.txt"), small(index), "past a full disk")
    check_cached(place, 0)
    expect(mount.problems(), "nobody is told that the disk is full")
    # A successor has no room either.
    pid = mount.daemon()
    os.kill(pid, signal.SIGKILL)
    check_cached(place, 0)
    check(place, 4)
    os.unlink(filler)
    check_cached(place, *range(LARGE))
    nothing_lost(stage, mount)


# MARK: Databases

LOCKER = """
import sqlite3, sys
held = []
for path in sys.argv[1:]:
    database = sqlite3.connect(path, isolation_level=None, timeout=20)
    database.execute("BEGIN IMMEDIATE")
    held.append(database)
print("locked", flush=True)
sys.stdin.read()
"""


@promise("S110", "What a machine lacks for a while costs time and nothing else", seconds=90)
def databases_that_somebody_else_locks(stage):
    mount = start(stage, "locked")
    place = place_of(mount)
    check(place, 0)
    equal(sorted(os.listdir(place + "/small")), sorted(f"{each}.txt" for each in range(SMALL)))
    time.sleep(1.2)
    pid = mount.daemon()
    locker = stage.python(LOCKER, f"{mount.cache}/catalog.db", f"{mount.cache}/store.db")
    equal(locker.stdout.readline(), "locked\n")
    began = time.monotonic()
    with within(2, "what is cached, beside locked databases"):
        check_cached(place, 0)
    check(place, 1, 2)
    for index in range(5):
        equal(read(f"{place}/small/{index}.txt"), small(index), "beside locked databases")
    # Longer than a connection waits for a lock.
    while time.monotonic() - began < (40 if IS_LONG else 8):
        check_cached(place, 0, 1, 2)
        time.sleep(0.2)
    expect(mount.is_served(), "the daemon does not answer")
    equal(mount.daemon(), pid, "the daemon")
    locker.communicate(timeout=10)
    nothing_lost(stage, mount)


@promise("S110", "What a machine lacks for a while costs time and nothing else", seconds=60)
def a_successor_waits_for_locked_databases(stage):
    mount = start(stage, "locked-again")
    place = place_of(mount)
    check(place, 0)
    time.sleep(1.2)
    locker = stage.python(LOCKER, f"{mount.cache}/catalog.db", f"{mount.cache}/store.db")
    equal(locker.stdout.readline(), "locked\n")
    drop_pages(f"{place}/large0.bin")
    os.kill(mount.daemon(), signal.SIGKILL)
    reader = Attempt(f"{place}/large1.bin")
    time.sleep(8)
    locker.communicate(timeout=10)
    equal(reader.result(30), large(1), "a read that waited")
    check_cached(place, 0)
    nothing_lost(stage, mount)


# MARK: Time

def shifted(stage, seconds):
    """The variables of a daemon with a clock of its own, and what sets it."""
    library, clock = stage.preloaded("shifted_clock"), stage.path("clock")
    write(clock, str(seconds))

    def set_clock(shift):
        write(clock + ".new", str(shift))
        os.rename(clock + ".new", clock)
    return {"LD_PRELOAD": library, "MODELFS_TEST_CLOCK": clock}, set_clock


@promise("S110", "What a machine lacks for a while costs time and nothing else",
         ways=(PLAIN, XET))
def a_clock_that_is_set_back_a_day(stage):
    name = f"acme/clock-{'plain' if stage.way is PLAIN else 'xet'}"
    folder = stage.path("clock-source")
    write(folder + "/version.txt", "1")
    stage.server.add(name, folder)
    variables, set_clock = shifted(stage, 0)
    label = "clock" + ("-plain" if stage.way is PLAIN else "-xet")
    mount = start(stage, label, "--ref-ttl", "2s", **variables, **stage.way)
    place, moving = place_of(mount), f"{mount.path}/{name}/version.txt"
    check(place, 0)
    equal(read(moving), b"1")
    before = os.stat(f"{place}/large0.bin")
    set_clock(-86_400)
    check_cached(place, 0)
    check(place, 1)
    write(folder + "/version.txt", "2")
    stage.server.add(name, folder)
    wait_for(lambda: read(moving) == b"2", 8, "a ref that moved, seen yesterday")
    after = os.stat(f"{place}/large0.bin")
    equal((after.st_ino, after.st_mtime_ns), (before.st_ino, before.st_mtime_ns))
    os.kill(mount.daemon(), signal.SIGKILL)
    check_cached(place, 0, 1)
    check(place, 2)
    set_clock(86_400)
    check_cached(place, 0, 1, 2)
    check(place, 3)
    write(folder + "/version.txt", "3")
    stage.server.add(name, folder)
    wait_for(lambda: read(moving) == b"3", 8, "a ref that moved, seen tomorrow")
    set_clock(0)
    write(folder + "/version.txt", "4")
    stage.server.add(name, folder)
    wait_for(lambda: read(moving) == b"4", 8, "a ref that moved, seen today")
    nothing_lost(stage, mount)


# MARK: Descriptors and memory

def limit_descriptors(pid, room):
    """As many more as `room` may be opened; None takes the limit away. Gives what it was."""
    numbers = [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    soft = hard if room is None else len(numbers) + room
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@promise("S110", "What a machine lacks for a while costs time and nothing else", seconds=90)
def no_descriptors_are_left(stage):
    mount = start(stage, "descriptors", "--check-reads")
    place = place_of(mount)
    check(place, 0, 1)
    for index in range(5):
        read(f"{place}/small/{index}.txt")
    time.sleep(1.2)
    pid = mount.daemon()
    # New ones get the lowest free numbers, so the highest that is in use says nothing.
    limit_descriptors(pid, 0)
    for _ in range(3):
        check_cached(place, 0, 1)
    readers = [Attempt(f"{place}/large{index}.bin") for index in range(2, 6)]
    readers += [Attempt(f"{place}/small/{index}.txt") for index in range(5, 12)]
    time.sleep(6)
    check_cached(place, 0, 1)
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        ticks = sum(int(each) for each in file.read().rpartition(")")[2].split()[11:13])
    time.sleep(1)
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        busy = sum(int(each) for each in file.read().rpartition(")")[2].split()[11:13]) - ticks
    expect(busy < 60, "it turns in circles:", busy, "of 100 ticks of a processor")
    expect(all(reader.error is None for reader in readers), [reader.error for reader in readers])
    limit_descriptors(pid, None)
    for reader in readers[:4]:
        equal(reader.result(30), large(int(reader.path[-5])), reader.path)
    for reader in readers[4:]:
        number = int(os.path.basename(reader.path)[:-4])
        equal(reader.result(30), small(number), reader.path)
    expect(mount.is_served())
    equal(mount.daemon(), pid, "the daemon")
    nothing_lost(stage, mount)


@contextlib.contextmanager
def group(stage, controller, name):
    """A control group of its own: its folder. Skips where none can be made."""
    top = f"/sys/fs/cgroup/{controller}"
    if not os.path.isdir(top):
        raise Skip(f"there is no control group for {controller}")
    folder = f"{top}/modelfs-{os.getpid()}-{name}"
    try:
        os.mkdir(folder)
    except OSError as error:
        raise Skip(f"no control group can be made: {error.strerror}") from error

    def leave():
        if not os.path.isdir(folder):
            return
        with contextlib.suppress(OSError):
            write(folder + "/freezer.state", "THAWED")
        for _ in range(50):
            for pid in read(folder + "/cgroup.procs").decode().split():
                with contextlib.suppress(OSError):
                    write(top + "/cgroup.procs", pid)
            with contextlib.suppress(OSError):
                os.rmdir(folder)
                return
            time.sleep(0.1)
    stage.actions.append(leave)
    try:
        yield folder
    finally:
        leave()


@promise("S110", "What a machine lacks for a while costs time and nothing else", seconds=100)
def a_memory_limit_of_256_mib(stage):
    source = stage.path("big-source")
    for index in range(3):
        write(f"{source}/big{index}.bin", noise(50 + index, 160 * MIB))
    hub = stage.hub("big-hub")
    hub.add("acme/big", source, "--tag", "v1")
    hub.start()
    mount = stage.mount(hub, name="limited", cache="cache-limited").start()
    with group(stage, "memory", "limit") as folder:
        write(folder + "/memory.limit_in_bytes", str(256 * MIB))
        pids = [mount.keeper(), mount.daemon()]
        for pid in pids:
            write(folder + "/cgroup.procs", str(pid))
        place = f"{mount.path}/acme/big@v1"
        readers = [stage.python(MEMORY_READER, place, source, str(seed), "60")
                   for seed in range(8)]
        for index in range(3):
            with open(f"{place}/big{index}.bin", "rb") as file:
                with open(f"{source}/big{index}.bin", "rb") as right:
                    while wanted := right.read(4 * MIB):
                        equal(file.read(len(wanted)) == wanted, True, "bytes of a large file")
        for reader in readers:
            said, errors = reader.communicate(timeout=60)
            equal(said, "right\n", errors[-800:])
        most = int(read(folder + "/memory.max_usage_in_bytes"))
        killed = dict(line.split() for line in
                      read(folder + "/memory.oom_control").decode().splitlines())
        with open(f"/proc/{mount.daemon()}/status", encoding="ascii") as file:
            own = [line.split()[1] for line in file if line.startswith("VmHWM")][0]
        print(f"         480 MiB through a daemon of 256 MiB: at most {most >> 20} MiB with its "
              f"pages, {int(own) >> 10} MiB its own; killed for memory: "
              f"{killed.get('oom_kill', 0)}", flush=True)
        equal(int(killed.get("oom_kill", 0)), 0, "processes killed for want of memory")
        equal([mount.keeper(), mount.daemon()], pids)
        stage.modelfs("cache", "verify", "--cache", mount.cache, seconds=60)
        mount.end()
    hub.stop()
    shutil.rmtree(source)
    shutil.rmtree(mount.cache)


# MARK: Very many requests

def begin(process):
    """Has it send all that it has."""
    process.stdin.write("go\n")
    process.stdin.flush()
    equal(process.stdout.readline(), "sent\n")


def stop(pid):
    """Stops a process, and waits until none of its threads does anything more."""
    os.kill(pid, signal.SIGSTOP)

    def look():
        return {read(path).rpartition(b")")[2].split()[0]
                for path in glob.glob(f"/proc/{pid}/task/*/stat")} == {b"T"}
    wait_for(look, 10, "a stopped process")


# What the kernel lets wait in the background of one connection is a number of 16 bits.
READS = 65_000 if IS_LONG else 40_000
FILES = 40_000 if IS_LONG else 0


def connection_of(stage, mount):
    """The folder in which the kernel tells of the mount's connection."""
    top = stage.path("fusectl")
    os.makedirs(top, exist_ok=True)
    if not os.path.ismount(top):
        if subprocess.run(["mount", "-t", "fusectl", "fusectl", top], check=False,
                          capture_output=True, timeout=10).returncode != 0:
            raise Skip("fusectl cannot be mounted")
        stage.actions.append(lambda: run("umount", "-l", top))
    folder = f"{top}/{os.stat(mount.path).st_dev & 0xfffff}"
    if not os.path.isdir(folder):
        raise Skip("the kernel tells nothing of the connection")
    return folder


@promise("S110", "What a machine lacks for a while costs time and nothing else", seconds=180)
def very_many_requests_wait(stage):
    many = "acme/many-names"
    if FILES:
        folder = stage.path("many-source")
        for index in range(FILES):
            write(f"{folder}/{index // 1000}/{index}", str(index))
        stage.server.programs.run(stage.server.programs.hub, "add", many, folder,
                                  "--root", stage.server.root)
    mount = start(stage, "many", "--check-reads")
    place = place_of(mount)
    check(place, 0)
    connection = connection_of(stage, mount)
    if FILES:
        names = sum(len(files) for _, _, files in os.walk(f"{mount.path}/{many}"))
        equal(names, FILES, "names")
        for top, _, files in os.walk(f"{mount.path}/{many}"):
            for name in files:
                os.stat(os.path.join(top, name))
    write(connection + "/max_background", "65535")
    write(connection + "/congestion_threshold", "65535")
    pid = mount.daemon()
    process = stage.python(QUEUE, f"{place}/large0.bin", str(READS), "512",
                           stage.path("source/large0.bin"))
    said = process.stdout.readline()
    if said != "ready\n":
        raise Skip(process.communicate()[1].strip()[-200:])
    before = mount.messages()
    stop(pid)
    try:
        begin(process)
        most = [0]

        def look():
            most[0] = max(most[0], int(read(connection + "/waiting")))
            return most[0] if most[0] >= READS else None
        waiting = wait_for(look, 60, "requests that wait, of", READS, most)
        if FILES:
            known = kernel_nodes()
            drop_names()
            forgotten = known - kernel_nodes()
    finally:
        os.kill(pid, signal.SIGCONT)
    began = time.monotonic()
    equal(process.stdout.readline(), "right\n", process.poll() is not None
          and process.communicate()[1])
    seconds = time.monotonic() - began
    forgets = lambda: sum(count - before.get(name, 0) for name, count in mount.messages().items()
                          if "FORGET" in name)
    if FILES:
        # Thousands of names are one message.
        expect(forgotten > FILES * 0.9, "names that wait to be forgotten", forgotten)
        wait_for(forgets, 20, "messages that tell of them")
    equal(mount.daemon(), pid, "the daemon")
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        own = [line.split()[1] for line in file if line.startswith("VmHWM")][0]
    names = f" and {forgotten} forgotten names" if FILES else ""
    print(f"         {waiting} reads{names} waited; all "
          f"answered in {seconds:.1f} s, the daemon took at most {int(own) >> 10} MiB", flush=True)
    expect(int(own) < 400 << 10, "memory of the daemon")
    # And the same from a worker that dies with all of them.
    process = stage.python(QUEUE, f"{place}/large0.bin", str(READS), "512",
                           stage.path("source/large0.bin"))
    process.stdout.readline()
    stop(pid)
    begin(process)
    os.kill(pid, signal.SIGKILL)
    equal(process.stdout.readline(), "right\n")
    wait_for(lambda: mount.is_served() and mount.daemon() != pid, 10, "a successor")
    nothing_lost(stage, mount)


# MARK: Stopped, suspended, unmounted

@promise("S110", "What a machine lacks for a while costs time and nothing else",
         seconds=60 + 2 * STOP_SECONDS)
def a_hub_and_a_keeper_that_are_stopped(stage):
    mount = start(stage, "stopped", **SILENCE)
    place = place_of(mount)
    check(place, 0)
    pid, keeper = mount.daemon(), mount.keeper()
    stopped = [stage.server.process.pid, keeper]
    for each in stopped:
        os.kill(each, signal.SIGSTOP)
    try:
        readers = [Attempt(f"{place}/large{index}.bin") for index in range(1, 5)]
        until = time.monotonic() + STOP_SECONDS
        while time.monotonic() < until:
            with within(1, "what is cached"):
                check_cached(place, 0)
            time.sleep(0.1)
    finally:
        for each in stopped:
            os.kill(each, signal.SIGCONT)
    for index, reader in enumerate(readers, 1):
        equal(reader.result(40), large(index))
    equal((mount.keeper(), mount.daemon()), (keeper, pid))
    # And the worker itself: another one follows.
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    reader = Attempt(f"{place}/large5.bin")
    equal(reader.result(STOP_SECONDS + 20), large(5))
    print(f"         a read from a stopped worker took {time.monotonic() - began:.1f} s",
          flush=True)
    expect(mount.daemon() != pid)
    nothing_lost(stage, mount)


@promise("S110", "What a machine lacks for a while costs time and nothing else",
         seconds=60 + STOP_SECONDS)
def a_group_that_is_suspended(stage):
    mount = start(stage, "suspended", **SILENCE)
    place = place_of(mount)
    check(place, 0)
    pids = [mount.keeper(), mount.daemon()]
    with group(stage, "freezer", "suspend") as folder:
        for pid in pids + [stage.server.process.pid]:
            write(folder + "/cgroup.procs", str(pid))
        stage.server.weather(bandwidth="4MB/s")
        readers = [Attempt(f"{place}/large{index}.bin") for index in range(1, 5)]
        wait_for(lambda: mount.status()["fileSystem"]["fetches"], 10, "a fetch")
        write(folder + "/freezer.state", "FROZEN")
        wait_for(lambda: read(folder + "/freezer.state") == b"FROZEN\n", 10, "a suspended group")
        time.sleep(STOP_SECONDS)
        expect(any(reader.is_alive() for reader in readers), "nobody waits")
        write(folder + "/freezer.state", "THAWED")
        stage.server.weather(bandwidth="off")
        for index, reader in enumerate(readers, 1):
            equal(reader.result(30), large(index))
        time.sleep(2)
        equal([mount.keeper(), mount.daemon()], pids, "after a sleep")
    nothing_lost(stage, mount)


@promise("S68", "With --proof first no byte is seen before its file is proven", seconds=80)
def what_is_evicted_under_its_reader_comes_again(stage):
    folder = stage.path("evicted-source")
    sizes = {"first.bin": 24 * MIB, **{f"other{index}.bin": 16 * MIB for index in range(4)}}
    for name, size in sizes.items():
        write(f"{folder}/{name}", noise(name, size))
    hub = stage.hub("evicting-hub")
    hub.add("acme/evicted", folder, "--tag", "v1")
    hub.start()
    mount = stage.mount(hub, name="evicted", cache="cache-evicted")
    mount.start("--proof", "first", "--cache-size", "64MB", **PLAIN)
    place = f"{mount.path}/acme/evicted@v1"
    # Half of it comes, and then nothing more.
    hub.faults("truncate,count=3,path=/_data/*/first.bin", "stall=600,path=/_data/*/first.bin")
    reader = Attempt(f"{place}/first.bin")

    def cached():
        return int(os.getxattr(f"{place}/first.bin", "user.modelfs.cached"))
    came = wait_for(lambda: (count := cached()) > 8 * MIB and count, 15, "a half of it")
    for name in sorted(sizes)[1:]:
        expect(read(f"{place}/{name}") == noise(name, sizes[name]), name)
    left = cached()
    expect(left < came, "nothing of it was evicted:", left, "of", came)
    hub.faults()
    began = time.monotonic()
    expect(reader.result(50) == noise("first.bin", sizes["first.bin"]), "first.bin")
    print(f"         {came - left} bytes were evicted; all were there "
          f"{time.monotonic() - began:.1f} s after the Hub went on", flush=True)
    mount.end()
    hub.stop()


@promise("S111", "An unmount in the middle of a fetch loses nothing")
def an_unmount_during_a_fetch(stage):
    mount = start(stage, "unmounted")
    place = place_of(mount)
    check(place, 0)
    time.sleep(1.2)
    pid = mount.daemon()
    stage.server.weather(bandwidth="2MB/s")
    paths = [f"{place}/large{index}.bin" for index in range(1, 4)]
    readers = [stage.python("import sys\nprint('reading', flush=True)\n"
                            "print(len(open(sys.argv[1], 'rb').read()))", path) for path in paths]
    for reader in readers:
        equal(reader.stdout.readline(), "reading\n")
    wait_for(lambda: mount.status()["fileSystem"]["fetches"], 10, "a fetch")
    said = stage.modelfs("umount", mount.path, "--cache", mount.cache, code=11)
    expect("in use" in said, said)
    with within(10, "a lazy unmount during fetches"):
        stage.modelfs("umount", "--lazy", mount.path, "--cache", mount.cache)
        wait_for(lambda: not alive(pid), 10, "the daemon's end")
    stage.server.weather(bandwidth="off")
    for path, reader in zip(paths, readers):
        said, errors = reader.communicate(timeout=10)
        size = str(os.path.getsize(stage.path("source", os.path.basename(path))))
        # Who has all bytes has the right number; who has not was told: by the daemon, or by the
        # kernel, whose mount has gone.
        expect(said.strip() == size or "Error: [Errno " in errors, said, errors[-300:])
    expect(not os.path.ismount(mount.path))
    stage.modelfs("cache", "verify", "--cache", mount.cache)
    mount.start(HF_HUB_OFFLINE="1")
    check_cached(place, 0)
    mount.restart(HF_HUB_OFFLINE=None)
    nothing_lost(stage, mount)


main(__name__, prepare)
