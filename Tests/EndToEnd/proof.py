#!/usr/bin/env python3
# seconds: 90
"""What is proven when: flipped bytes on the network and on the disk."""

import errno
import os
import re
import time

from suite import (drop_pages, equal, expect, main, noise, promise, raises, read, wait_for, within,
                   write)

NAME = "acme/proof"
SMALL = noise(1, 900_000)
LARGE = noise(2, 5_000_000)


def prepare(stage):
    """One folder of files whose names tell what happens to them."""
    folder = stage.path("source")
    write(folder + "/small.bin", SMALL)
    write(folder + "/text.json", b'{"k": "v"}' * 50_000)
    for name in ("large", "again", "disk", "never", "slow"):
        write(f"{folder}/{name}.bin", LARGE + name.encode())
    write(folder + "/always.bin", noise(3, 700_000))
    write(folder + "/note.txt", "kept in git")
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.start()
    stage.server = hub
    stage.tree = stage.mount(hub).start("--read-deadline", "5s")
    stage.top = f"{stage.tree.path}/{NAME}@v1"
    os.listdir(stage.top)


def verified(path):
    return os.getxattr(path, "user.modelfs.verified").decode()


@promise("S34", "Small files are proven before their first byte is served")
def a_flipped_small_file_is_never_served(stage):
    for name, wanted in (("small.bin", SMALL), ("text.json", b'{"k": "v"}' * 50_000)):
        stage.server.faults(f"flip,count=2,path=/_data/*/{name}",
                            f"flip,count=2,path=/api/resolve-cache/*/{name}")
        before = stage.server.stats()["faults"]
        with within(4, name):
            equal(read(f"{stage.top}/{name}"), wanted, name)
        expect(stage.server.stats()["faults"] > before, "nothing was flipped")
        expect(verified(f"{stage.top}/{name}").startswith("yes "), verified(f"{stage.top}/{name}"))
    stage.server.faults()


@promise("S34", "Small files are proven before their first byte is served")
def a_small_file_that_is_always_wrong_is_an_error(stage):
    mount = stage.mount(stage.server, f"hf://{NAME}@v1", "wrong", "cache-wrong")
    path = mount.start("--read-deadline", "2s").path + "/always.bin"
    stage.server.faults("flip,path=/_data/*/always.bin")
    before = stage.server.stats()["faults"]
    with within(3, "the error"), raises(errno.EIO, "a file that is always wrong"):
        read(path)
    equal(stage.server.stats()["faults"] - before, 3, "arrivals that were tried")
    with within(0.3, "an error that is known"), raises(errno.EIO, "within the minute"):
        read(path)
    equal(os.getxattr(path, "user.modelfs.cached"), b"0")
    stage.server.faults()
    mount.restart("--read-deadline", "2s")
    equal(read(path), noise(3, 700_000), "from an honest Hub")
    mount.end()


@promise("S35", "Large files are proven when they are complete")
def a_flipped_large_file_is_dropped(stage):
    path = stage.top + "/large.bin"
    stage.server.faults("flip,count=1,path=/_data/*/large.bin")
    first = read(path)
    expect(stage.server.stats()["faults"] > 0, "nothing was flipped")
    stage.server.faults()
    wait_for(lambda: "dropped" in stage.tree.problems(), 5, "the loss is told")
    wait_for(lambda: "large.bin" in stage.tree.problems(), 5, "its name is told")
    # Without any help: the kernel's pages are dropped too.
    wait_for(lambda: read(path) == LARGE + b"large", 5, "the right bytes")
    wait_for(lambda: verified(path).startswith("yes "), 5, "the proof")
    was = "wrong, as told" if first != LARGE + b"large" else "right"
    print(f"         the first read was {was}")


@promise("S35", "Large files are proven when they are complete")
def three_wrong_arrivals_are_an_error_for_a_minute(stage):
    path = stage.top + "/never.bin"
    stage.server.faults("flip,path=/_data/*/never.bin")
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                read(path)
            except OSError as error:
                equal(error.errno, errno.EIO)
                break
            expect(time.monotonic() < deadline, "wrong bytes were served again and again")
            time.sleep(0.05)
    finally:
        stage.server.faults()


@promise("S36", "user.modelfs.verified says what is known")
def verified_tells_the_state(stage):
    path = stage.top + "/slow.bin"
    equal(verified(path), "no", "before it is read")
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        equal(file.read(10), LARGE[:10])
        equal(verified(path), "no", "while a part is here")
    read(path)
    told = wait_for(lambda: verified(path) != "no" and verified(path), 5, "the proof")
    expect(re.fullmatch(r"yes \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ sha256", told), told)
    stage.tree.restart("--read-deadline", "5s")
    equal(verified(path), told, "after a restart")
    note = stage.top + "/note.txt"
    read(note)
    expect(verified(note).endswith(" git"), verified(note))


@promise("S37", "What the daemon reads from the disk is checked on every read")
def a_byte_that_changed_on_disk_is_fetched_again(stage):
    path = stage.top + "/disk.bin"
    equal(read(path), LARGE + b"disk")
    wait_for(lambda: verified(path).startswith("yes "), 5, "the proof")
    # The index is written in groups; after a restart all of it is.
    stage.tree.end()
    changed = change_on_disk(stage.tree.cache)
    stage.tree.start("--read-deadline", "5s", "--check-reads")
    expect(changed > 0, "no file of that content in the cache")
    before = stage.tree.fetched()
    drop_pages(path)
    equal(read(path), LARGE + b"disk")
    fetched = stage.tree.fetched() - before
    expect(0 < fetched <= 4_000_000, "fetched again", fetched)
    expect("of the cache is damaged" in stage.tree.problems(), stage.tree.problems())


def change_on_disk(cache):
    """Flips a byte in the middle of the content that ends in `disk`; how often."""
    count = 0
    for place, _, names in os.walk(cache):
        for name in names:
            path = os.path.join(place, name)
            if os.path.getsize(path) == len(LARGE) + 4 and read(path).endswith(b"disk"):
                with open(path, "r+b") as file:
                    file.seek(2_000_000)
                    byte = file.read(1)
                    file.seek(2_000_000)
                    file.write(bytes([byte[0] ^ 1]))
                    os.fsync(file.fileno())
                count += 1
    return count


main(__name__, prepare)
