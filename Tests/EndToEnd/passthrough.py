#!/usr/bin/env python3
# seconds: 240
# needs: root
"""Files that the kernel reads by itself: which, when, how fast, and what outlives the daemon."""

import mmap
import os
import random
import subprocess
import threading
import time

from suite import (Skip, drop_pages, equal, expect, main, noise, promise, read, says, wait_for,
                   write)

NAME = "acme/flat"
MIB = 1 << 20
WEIGHTS = noise(70, 8 * MIB + 123)
OTHERS = [noise(80 + index, 3 * MIB + index) for index in range(6)]
# Where a process may look at a file without a READ.
SILENT = {"OPEN", "RELEASE", "LOOKUP", "GETATTR", "FORGET", "BATCH_FORGET", "GETXATTR"}


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/model.safetensors", WEIGHTS)
    write(folder + "/config.json", "{}")
    for index, data in enumerate(OTHERS):
        write(f"{folder}/part-{index}.bin", data)
    stage.server = stage.hub()
    stage.server.add(NAME, folder, "--tag", "v1")
    stage.server.start()
    stage.tree = stage.mount(stage.server).start("--cache-size", "1GB")
    stage.top = f"{stage.tree.path}/{NAME}@v1"
    if not reading(stage.tree)["isByKernel"]:
        raise Skip(f"no passthrough on this machine: {reading(stage.tree)['reason']}")


def reading(mount):
    return mount.status()["fileSystem"]["reading"]


def way(mount, name):
    """How a file is or was read, as status tells it."""
    for entry in reading(mount)["files"]:
        if entry["file"] in (f"{NAME}@{each}/{name}" for each in ("main", "v1")):
            return entry
    return None


def proven(path):
    """Reads all of a file, and waits until that is known to be right."""
    data = read(path)
    wait_for(lambda: os.getxattr(path, "user.modelfs.verified").endswith(b"sha256"), 10, "proof")
    return data


def sent(mount, action):
    """The messages that the kernel sends meanwhile, by kind."""
    before = mount.messages()
    action()
    time.sleep(0.1)
    after = mount.messages()
    return {kind: after[kind] - before.get(kind, 0) for kind in after
            if after[kind] != before.get(kind, 0)}


@promise("S69", "The kernel reads what is complete and proven by itself")
def a_proven_file_costs_no_read(stage):
    path = stage.top + "/model.safetensors"
    equal(proven(path), WEIGHTS)

    def use():
        for _ in range(3):
            file = os.open(path, os.O_RDONLY)
            mapped = mmap.mmap(file, 0, prot=mmap.PROT_READ)
            equal(mapped[:], WEIGHTS, "mapped")
            equal(os.pread(file, MIB, 5 * MIB + 7), WEIGHTS[5 * MIB + 7:6 * MIB + 7])
            os.close(file)
            mapped.close()

    counts = sent(stage.tree, use)
    expect(set(counts) <= SILENT, counts)
    equal((counts.get("OPEN"), counts.get("RELEASE")), (3, 3), counts)
    told = way(stage.tree, "model.safetensors")
    equal((told["isByKernel"], told["openCount"]), (True, 0))
    page = stage.modelfs("status", "--cache", stage.tree.cache)
    says(page, "reads files by itself", f"{NAME}@v1/model.safetensors by the kernel")


@promise("S69", "The kernel reads what is complete and proven by itself")
def what_is_not_proven_is_read_through_the_daemon(stage):
    path = stage.top + "/part-0.bin"
    file = os.open(path, os.O_RDONLY)
    equal(os.pread(file, 100, 0), OTHERS[0][:100])
    told = way(stage.tree, "part-0.bin")
    equal((told["isByKernel"], told["openCount"]), (False, 1))
    expect("not all of it was cached" in told["reason"], told)
    equal(proven(path), OTHERS[0])
    # As long as it is open that way, all open it that way.
    again = os.open(path, os.O_RDONLY)
    equal(os.pread(again, 100, MIB), OTHERS[0][MIB:MIB + 100])
    expect(not way(stage.tree, "part-0.bin")["isByKernel"])
    os.close(file)
    os.close(again)
    wait_for(lambda: way(stage.tree, "part-0.bin")["openCount"] == 0, 5, "RELEASE")
    equal(read(path), OTHERS[0])
    expect(way(stage.tree, "part-0.bin")["isByKernel"], way(stage.tree, "part-0.bin"))
    small = stage.top + "/config.json"
    equal(read(small), b"{}")
    expect(not way(stage.tree, "config.json")["isByKernel"])


@promise("S22", "A hot file sends no message")
def a_hot_file_in_packs_sends_what_opens_and_closes_it(stage):
    small = stage.top + "/config.json"

    def use():
        for _ in range(20):
            file = os.open(small, os.O_RDONLY)
            equal(os.read(file, 10), b"{}")
            os.close(file)

    use()
    counts = sent(stage.tree, use)
    expect(set(counts) <= SILENT and counts["OPEN"] == counts["RELEASE"] == 20, counts)


@promise("S70", "A file is read one way at a time, and changes it between uses")
def any_order_of_opens_mappings_closes_and_changes(stage):
    paths = [f"{stage.top}/part-{index}.bin" for index in range(len(OTHERS))]
    stop = threading.Event()
    wrong = []

    def use(seed):
        order = random.Random(seed)
        held = []
        while not stop.is_set() and not wrong:
            index = order.randrange(len(paths))
            start = order.randrange(len(OTHERS[index]) - 4096)
            wanted = OTHERS[index][start:start + 4096]
            try:
                action = order.randrange(4)
                if action == 0 and len(held) < 8:
                    held.append((index, os.open(paths[index], os.O_RDONLY), None))
                elif action == 1 and len(held) < 8:
                    file = os.open(paths[index], os.O_RDONLY)
                    held.append((index, None, mmap.mmap(file, 0, prot=mmap.PROT_READ)))
                    os.close(file)
                elif action == 2 and held:
                    _, file, mapped = held.pop(order.randrange(len(held)))
                    mapped.close() if mapped else os.close(file)
                else:
                    with open(paths[index], "rb", buffering=0) as file:
                        file.seek(start)
                        equal(file.read(4096), wanted, paths[index])
                for index, file, mapped in held:
                    start = order.randrange(len(OTHERS[index]) - 4096)
                    got = mapped[start:start + 4096] if mapped else os.pread(file, 4096, start)
                    equal(got, OTHERS[index][start:start + 4096], paths[index])
            except Exception as error:  # pylint: disable=broad-except
                wrong.append(error)
        for _, file, mapped in held:
            mapped.close() if mapped else os.close(file)

    readers = [threading.Thread(target=use, args=(seed,)) for seed in range(8)]
    for reader in readers:
        reader.start()
    ways = set()
    deadline = time.monotonic() + 12
    order = random.Random(0)
    while time.monotonic() < deadline and not wrong:
        command = order.choice(("cool", "evict", "none", "none"))
        if command != "none":
            stage.modelfs("cache", command, *([NAME] if command == "evict" else []),
                          "--cache", stage.tree.cache, code=None)
        time.sleep(order.random())
        ways |= {entry["isByKernel"] for entry in reading(stage.tree)["files"]}
    stop.set()
    for reader in readers:
        reader.join(timeout=20)
    expect(not wrong, wrong)
    equal(ways, {True, False}, "ways that were seen")
    wait_for(lambda: all(entry["openCount"] == 0 for entry in reading(stage.tree)["files"]), 10,
             "all is closed")


@promise("S70", "A file is read one way at a time, and changes it between uses")
def what_is_evicted_stays_readable_where_it_is_open(stage):
    path = stage.top + "/part-1.bin"
    # What was evicted is fetched again only if its pages are not in memory.
    drop_pages(path)
    proven(path)

    def is_flat_again():
        # It may have been packed just now, and becomes flat again by being read from the cache.
        drop_pages(path)
        read(path)
        return way(stage.tree, "part-1.bin")["isByKernel"]

    wait_for(is_flat_again, 20, "a use that the kernel serves")
    file = os.open(path, os.O_RDONLY)
    mapped = mmap.mmap(file, 0, prot=mmap.PROT_READ)
    expect(way(stage.tree, "part-1.bin")["isByKernel"])
    stage.modelfs("cache", "evict", NAME, "--cache", stage.tree.cache)
    equal(int(os.getxattr(path, "user.modelfs.cached")), 0, "cached after an eviction")
    before = stage.server.data_bytes()
    equal(os.pread(file, len(OTHERS[1]), 0), OTHERS[1], "an open file")
    equal(mapped[:], OTHERS[1], "a mapping")
    equal(read(path), OTHERS[1], "a further open")
    equal(stage.server.data_bytes(), before, "fetched while it was held")
    os.close(file)
    mapped.close()
    wait_for(lambda: way(stage.tree, "part-1.bin")["openCount"] == 0, 5, "RELEASE")
    equal(read(path), OTHERS[1], "after the last close")
    expect(stage.server.data_bytes() > before, "it was not fetched again")
    expect(not way(stage.tree, "part-1.bin")["isByKernel"])


@promise("S71", "What the kernel reads by itself outlives the daemon")
def a_killed_daemon_is_not_noticed(stage):
    mount = stage.mount(stage.server, name="killed", cache="cache-killed").start()
    path = f"{mount.path}/{NAME}@v1/model.safetensors"
    proven(path)
    read(path)
    file = os.open(path, os.O_RDONLY)
    mapped = mmap.mmap(file, 0, prot=mmap.PROT_READ)
    expect(way(mount, "model.safetensors")["isByKernel"])
    flat = subprocess.run(["find", mount.cache + "/flat", "-size", "+8M"], check=True,
                          capture_output=True, text=True, timeout=10).stdout.split()
    mount.kill()
    for name in flat:
        drop_pages(name)
    equal(os.pread(file, len(WEIGHTS), 0), WEIGHTS, "an open file")
    equal(mapped[:], WEIGHTS, "a mapping")
    mapped.close()
    os.close(file)
    mount.start()
    equal(read(path), WEIGHTS, "after the next start")
    mount.end()


@promise("S72", "Without passthrough every read is the daemon's")
def three_ways_to_do_without(stage):
    for words, options in (("--check-reads", ()), ("--hot-size", ("0",))):
        mount = stage.mount(stage.server, name="without", cache="cache" + words)
        mount.start(words, *options)
        path = f"{mount.path}/{NAME}@v1/model.safetensors"
        proven(path)
        told = reading(mount)
        equal((told["isByKernel"], told["files"]), (False, []))
        expect(words in told["reason"], told)
        says(stage.modelfs("status", "--cache", mount.cache), "read through the daemon", words)
        drop_pages(path)
        counts = sent(mount, lambda: equal(read(path), WEIGHTS))
        expect(counts["READ"] > 0, counts)
        before = mount.messages()["OPEN"]
        for _ in range(10):
            os.close(os.open(path, os.O_RDONLY))
        equal(mount.messages()["OPEN"], before, "OPENs after the first")
        mount.end()


@promise("S80", "What the kernel reads by itself is looked through in the background")
def what_rots_is_healed_where_it_is_open(stage):
    mount = stage.mount(stage.server, name="rotting", cache="cache-rotting").start()
    path = f"{mount.path}/{NAME}@v1/part-2.bin"
    proven(path)
    mount.end()
    files = subprocess.run(["find", mount.cache + "/flat", "-size", "+2M"], check=True, text=True,
                           capture_output=True, timeout=10).stdout.split()
    equal(len(files), 1, "flat files")
    with open(files[0], "r+b") as file:
        file.seek(MIB)
        file.write(bytes([OTHERS[2][MIB] ^ 1]))
    mount.start()
    file = os.open(path, os.O_RDONLY)
    mapped = mmap.mmap(file, 0, prot=mmap.PROT_READ)
    wait_for(lambda: mount.status()["fileSystem"]["cache"]["checksumFailures"] > 0, 20, "a find")
    wait_for(lambda: mapped[MIB] == OTHERS[2][MIB], 10, "the right byte in a mapping")
    equal(os.pread(file, len(OTHERS[2]), 0), OTHERS[2], "an open file")
    expect(way(mount, "part-2.bin")["isByKernel"], way(mount, "part-2.bin"))
    mapped.close()
    os.close(file)
    expect("is damaged" in mount.log(), mount.log()[-1000:])
    wait_for(lambda: os.getxattr(path, "user.modelfs.verified").startswith(b"yes"), 10, "proof")
    equal(read(path), OTHERS[2])
    expect(way(mount, "part-2.bin")["isByKernel"], way(mount, "part-2.bin"))
    mount.end()


@promise("S81", "A reader in order finds the pages in memory")
def pages_are_there_before_they_are_touched(stage):
    folder = stage.path("long")
    data = noise(99, 48 * MIB + 77)
    write(folder + "/long.bin", data)
    stage.server.add("acme/long", folder)
    mount = stage.mount(stage.server, name="pushed", cache="cache-pushed").start("--hot-size", "0")
    path = f"{mount.path}/acme/long/long.bin"
    proven(path)
    wait_for(lambda: mount.status()["fileSystem"]["hotBytes"] == 0, 20, "all is packed")
    drop_pages(path)

    def settle():
        before = -1
        while before != reading(mount)["pushedBytes"]:
            before = reading(mount)["pushedBytes"]
            time.sleep(0.1)

    def use():
        with open(path, "rb", buffering=0) as file:
            mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            for start in range(0, len(data), 4 * MIB):
                equal(mapped[start:start + 4 * MIB], data[start:start + 4 * MIB], start)
                settle()
            mapped.close()

    settle()
    before = reading(mount)["pushedBytes"]
    counts = sent(mount, use)
    pushed = reading(mount)["pushedBytes"] - before
    print(f"         {pushed >> 20} of 48 MiB were pushed, {counts['READ']} READs")
    expect(pushed >= 32 * MIB and counts["READ"] <= 24, "pushed", pushed, counts)
    mount.end()


@promise("S73", "What the kernel granted a mount is told")
def what_is_still_to_come_is_read_ahead_less(stage):
    mount = stage.mount(stage.server, name="ahead", cache="cache-ahead").start()
    path = f"{mount.path}/{NAME}@v1/model.safetensors"
    device = os.stat(mount.path).st_dev

    def readahead():
        """What the kernel gives to a file that is opened now, in KiB."""
        return int(read(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb"))

    equal(readahead(), 1024, "before anything is opened")
    first = os.open(path, os.O_RDONLY)
    equal(readahead(), 256, "of a file of which nothing is here")
    equal(os.pread(first, len(WEIGHTS), 0), WEIGHTS)
    wait_for(lambda: int(os.getxattr(path, "user.modelfs.cached")) == len(WEIGHTS), 10, "all of it")
    second = os.open(path, os.O_RDONLY)
    expect(not way(mount, "model.safetensors")["isByKernel"])
    equal(readahead(), 1024, "of a file that is all here")
    os.close(first)
    os.close(second)
    mount.end()


@promise("S73", "What the kernel granted a mount is told")
def settings_are_told(stage):
    told = {entry["name"]: entry for entry in reading(stage.tree)["settings"]}
    equal(set(told), {"readahead_bytes", "max_background", "congestion_threshold",
                      "request_bytes"})
    for entry in told.values():
        expect(entry["granted"] == entry["wanted"] or entry["reason"], entry)
    equal(told["readahead_bytes"]["granted"], MIB, "readahead")


main(__name__, prepare)
