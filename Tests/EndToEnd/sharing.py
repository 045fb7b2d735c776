#!/usr/bin/env python3
# seconds: 120
# needs: root
"""What the kernel keeps, and what several mounts of one cache share: counted in messages."""

import os
import time

from suite import (drop_pages, equal, expect, main, noise, promise, read, says, wait_for, write)

NAME = "acme/weights"
WEIGHTS = noise(7, 5_000_001)
# What a process that opens, reads and maps a file may send.
HARMLESS = {"OPEN", "RELEASE"}

USE = """
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(file).st_size
mapped = mmap.mmap(file, size, prot=mmap.PROT_READ)
os.close(file)
file = os.open(sys.argv[1], os.O_RDONLY)
print(size, sum(mapped[::4096]), len(os.read(file, size)))
"""


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/model.safetensors", WEIGHTS)
    write(folder + "/config.json", "{}")
    write(folder + "/sub/data.bin", noise(8, 300_000))
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.add("other/weights", folder)
    hub.start()
    stage.server = hub
    # Reads by the daemon are messages, which can be counted; passthrough.py has the other ones.
    stage.tree = stage.mount(hub).start("--check-reads")
    stage.file = f"{stage.tree.path}/{NAME}@v1/model.safetensors"


def settled(mount):
    """The counts of messages, when no more come."""
    counts = mount.messages()
    while True:
        time.sleep(0.1)
        again = mount.messages()
        if again == counts:
            return counts
        counts = again


def difference(after, before):
    return {kind: after[kind] - before.get(kind, 0) for kind in after
            if after[kind] != before.get(kind, 0)}


def quietest(mount, action, *kinds, first=None):
    """The fewest messages that the action was seen to cause, of these kinds or of all, after it
    was done once, or after something else was.

    Whoever else works on this machine may have the kernel drop its caches, which looks like a
    broken promise; a promise that is broken is so each time.
    """
    best = None
    for _ in range(6):
        (first or action)()
        before = settled(mount)
        action()
        sent = difference(settled(mount), before)
        sent = {kind: count for kind, count in sent.items() if not kinds or kind in kinds}
        if best is None or sum(sent.values()) < sum(best.values()):
            best = sent
        if set(best) <= HARMLESS:
            break
    return best


@promise("S22", "A hot file sends no message")
def a_second_process_sends_nothing(stage):
    equal(read(stage.file), WEIGHTS)
    # What holds for a second alone, since the tree was not known yet, is asked for once more.
    time.sleep(1.5)

    def use():
        for _ in range(2):
            said, _ = stage.python(USE, stage.file).communicate(timeout=20)
            equal(said.split()[::2], [str(len(WEIGHTS))] * 2)

    sent = quietest(stage.tree, use)
    expect(set(sent) <= HARMLESS, "messages:", sent)


@promise("S22", "A hot file sends no message")
def opening_and_closing_sends_nothing(stage):
    def use():
        for _ in range(100):
            # Python's own `open` asks whether it is a terminal, which is an IOCTL message.
            file = os.open(stage.file, os.O_RDONLY)
            os.read(file, 1)
            os.close(file)

    sent = quietest(stage.tree, use)
    expect(set(sent) <= HARMLESS and sum(sent.values()) <= 200, sent)


@promise("S23", "Names and attributes hold as long as they can")
def names_and_attributes_are_kept(stage):
    place = f"{stage.tree.path}/{NAME}@v1"

    def look():
        for _ in range(100):
            os.stat(place + "/sub/data.bin")
            os.listdir(place)
            os.path.exists(place + "/absent.txt")

    sent = quietest(stage.tree, look)
    expect(sum(sent.values()) <= 4, sent)


@promise("S24", "A directory that changed is listed anew")
def listings_follow_what_is_known(stage):
    owner = stage.tree.path + "/acme"
    before = os.stat(owner).st_mtime_ns
    expect("fresh" not in os.listdir(owner))
    stage.server.add("acme/fresh", stage.path("source"))
    os.stat(owner + "/fresh@main")
    wait_for(lambda: "fresh@main" in os.listdir(owner), 2, "a repository that was found by name")
    expect(os.stat(owner).st_mtime_ns > before, "the mtime has not moved")


@promise("S24", "A directory that changed is listed anew")
def versions_follow_the_hub(stage):
    mount = stage.mount(stage.server, "hf://models", "short", "cache-short")
    mount.start("--ref-ttl", "1s")
    versions = f"{mount.path}/{NAME}@"
    expect("new" not in os.listdir(versions))
    stage.server.add(NAME, stage.path("source"), "--revision", "new")
    wait_for(lambda: "new" in os.listdir(versions), 5, "a branch that was made later")
    mount.end()


@promise("S25", "As root, all mounts of a cache are one filesystem")
def mounts_share_pages(stage):
    revision = stage.tree.add(f"hf://{NAME}@v1", "revision")
    other = stage.tree.add("hf://other/weights@main", "other")
    everything = stage.tree.add("hf://", "everything")
    places = [stage.file, revision.path + "/model.safetensors", other.path + "/model.safetensors",
              f"{everything.path}/models/{NAME}@v1/model.safetensors"]
    equal(len({(os.stat(place).st_dev, os.stat(place).st_ino) for place in places}), 1, "nodes")

    def read_one():
        drop_pages(stage.file)
        equal(read(places[0]), WEIGHTS)

    def read_others():
        for place in places[1:]:
            equal(read(place), WEIGHTS)

    sent = quietest(stage.tree, read_others, "READ", first=read_one)
    equal(sent, {}, "READs of other mountpoints")
    drop_pages(stage.file)
    before = settled(stage.tree)
    read(places[1])
    expect(difference(settled(stage.tree), before).get("READ", 0) > 0, "the pages were not shared")
    for mount in (revision, other, everything):
        mount.stop()


@promise("S25", "As root, all mounts of a cache are one filesystem")
def others_may_look(stage):
    said = stage.python(
        "import os, sys\nos.setgid(65534); os.setuid(65534)\n"
        "print(len(open(sys.argv[1], 'rb').read()))\n", stage.file).communicate(timeout=10)[0]
    equal(said, f"{len(WEIGHTS)}\n")
    closed = stage.mount(stage.server, "hf://models", "closed", "cache-closed")
    closed.start("--no-allow-other")
    process = stage.python(
        "import os, sys\nos.setgid(65534); os.setuid(65534)\nos.listdir(sys.argv[1])\n",
        closed.path)
    expect("PermissionError" in process.communicate(timeout=10)[1])
    said = stage.modelfs("mount", f"hf://{NAME}@v1", stage.path("conflict"), "--allow-other",
                         "--cache", closed.cache, code=None)
    says(said, "does not exist")
    os.makedirs(stage.path("conflict"))
    said = stage.modelfs("mount", f"hf://{NAME}@v1", stage.path("conflict"), "--allow-other",
                         "--cache", closed.cache, code=1)
    says(said, "--allow-other")
    closed.end()


main(__name__, prepare)
