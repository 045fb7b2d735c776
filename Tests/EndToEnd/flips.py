#!/usr/bin/env python3
# seconds: 170
"""Bytes that flip on their way, on both ways: found with the last byte, replaced, or never seen.

The number of flips is MODELFS_FLIPS, 40 without it; 1,000 are the long form (`make soak`). Which
bytes they are comes from the Hub's seeds, so a number of flips is the same run again.
"""

import errno
import mmap
import os
import time

from suite import (PLAIN, XET, drop_pages, equal, expect, main, noise, promise, raises, read,
                   wait_for, within, write)

NAME = "acme/flips"
LONE = "acme/lone"
MEBIBYTE = 1 << 20
FLIPS = int(os.environ.get("MODELFS_FLIPS", "40"))
FILES = min(FLIPS, 100)
# Of each file only one answer is flipped, and each of its flips is seen before the next file.
SIZES = (1_500_000, 3_000_000, 5_000_000, 9_000_000)
LARGE = 70 * MEBIBYTE + 77
FIRST = noise(11, 6_000_000)
SECONDS = 100 + FLIPS


def content(number):
    return noise(5000 + number, SIZES[number % len(SIZES)])


def prepare(stage):
    folder = stage.path("source")
    for number in range(FILES):
        write(f"{folder}/many/{number}.bin", content(number))
    for name in ("first", "mapped", "always", "slow", "restart", "lie"):
        write(f"{folder}/{name}.bin", FIRST + name.encode())
    hub = stage.hub()
    # By itself, so that its xorbs hold nothing else.
    write(stage.path("lone") + "/large.bin", noise(12, LARGE))
    hub.add(LONE, stage.path("lone"), "--tag", "v1")
    hub.add(NAME, folder, "--tag", "v1")
    stage.server = hub.start(xet=True)


def verified(path):
    return os.getxattr(path, "user.modelfs.verified").decode()


def fresh(stage, name, *options, **variables):
    mount = stage.mount(stage.server, f"hf://{NAME}@v1", name, f"cache-{name}")
    return mount.start(*options, **variables)


def cache(mount):
    return mount.status()["fileSystem"]["cache"]


@promise("S67", "What came wrong through Xet is told by its chunk", seconds=SECONDS)
def every_flip_is_found_and_replaced(stage):
    mount = fresh(stage, "many")
    wrong = found = 0
    for number in range(FLIPS):
        path, right = f"{mount.path}/many/{number % FILES}.bin", content(number % FILES)
        if number >= FILES and number % FILES == 0:
            stage.modelfs("cache", "evict", f"{NAME}@v1", "--cache", mount.cache)
        drop_pages(path)
        stage.server.weather(faults=["flip,count=1,path=/_xorb/*"], seed=number)
        with open(path, "rb", buffering=0) as file, \
                mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
            if bytes(pages) != right:
                wrong += 1
            # No help: the pages that are mapped become right by themselves.
            wait_for(lambda: verified(path).startswith("yes"), 20, number, "the proof")
            wait_for(lambda: bytes(pages) == right, 5, number, "right pages")
        equal(read(path), right, number, "second read")
        counts = cache(mount)
        found = counts["wrongXetChunks"]
    stage.server.faults()
    counts = cache(mount)
    print(f"         {FLIPS} flips: {wrong} files were read wrong first, {found} wrong chunks,"
          f" {counts['proofFailures']} contents dropped whole")
    # A flip in a chunk's header or in its frame shows when it is decoded, and is fetched again
    # before anybody sees it; so does one in the bytes of a neighbour that nobody wanted.
    expect(wrong <= found <= FLIPS, "chunks that were named", found, "files read wrong", wrong)
    expect(wrong > FLIPS // 2, "hardly a flip was seen:", wrong)
    equal(counts["proofFailures"], 0, "contents that were dropped whole")
    expect("wrong chunks" in stage.modelfs("status", "--cache", mount.cache), "the page")
    mount.end()


@promise("S67", "What came wrong through Xet is told by its chunk", seconds=60)
def only_what_is_in_doubt_is_fetched_again(stage):
    mount = stage.mount(stage.server, f"hf://{LONE}@v1", "lone-mount", "cache-lone")
    # A file with the name of weights has its beginning looked at, which must not get the flip.
    mount.start("--prefetch", "none")
    path, right = mount.path + "/large.bin", noise(12, LARGE)
    before = stage.server.data_bytes()
    stage.server.weather(faults=["flip,count=1,path=/_xorb/*"], seed=3)
    with open(path, "rb", buffering=0) as file:
        # In the last of its xorbs; the others vouch for their chunks.
        equal(len(os.pread(file.fileno(), 2 * MEBIBYTE, LARGE - 2 * MEBIBYTE)), 2 * MEBIBYTE)
    stage.server.faults()
    # In long requests: a chunk over the seam of two would come twice.
    stage.modelfs("prefetch", path, "--cache", mount.cache)
    wait_for(lambda: verified(path).startswith("yes"), 20, "the proof")
    fetched = stage.server.data_bytes() - before
    equal(read(path), right, "second read")
    equal(cache(mount)["wrongXetChunks"], 1, "wrong chunks")
    print(f"         {fetched - LARGE} bytes more for a file of {LARGE}")
    expect(fetched < LARGE + 16 * MEBIBYTE, "fetched", fetched, "of", LARGE)
    mount.end()


@promise("S67", "What came wrong through Xet is told by its chunk", seconds=60)
def a_server_that_always_flips_is_given_up(stage):
    mount = fresh(stage, "always")
    path = mount.path + "/always.bin"
    right = FIRST + b"always"
    stage.server.faults("flip,path=/_xorb/*")
    try:
        read(path)
        wait_for(lambda: verified(path).startswith("yes") or read(path) == b"", 40, "the proof")
        equal(read(path), right, "second read")
    finally:
        stage.server.faults()
    mount.end()


@promise("S67", "What came wrong through Xet is told by its chunk", seconds=60)
def what_is_packed_at_once_is_replaced_too(stage):
    mount = fresh(stage, "packed", "--hot-size", "0")
    for number in range(8):
        path, right = f"{mount.path}/many/{number}.bin", content(number)
        stage.server.weather(faults=["flip,count=1,path=/_xorb/*"], seed=100 + number)
        with open(path, "rb", buffering=0) as file, \
                mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
            wait_for(lambda: bytes(pages) == right, 20, number, "right pages")
            wait_for(lambda: verified(path).endswith("sha256"), 20, number, "the proof")
            equal(bytes(pages), right, number, "proven pages")
    stage.server.faults()
    mount.end()


@promise("S56", "What has arrived is not fetched again", ways=(PLAIN, XET))
def urls_that_expire_at_every_request_are_no_missing_permission(stage):
    name = "plain" if stage.way else "xet"
    mount = fresh(stage, f"expired-{name}", "--read-deadline", "20s", **stage.way)
    path = mount.path + "/lie.bin"
    if not stage.way:
        stage.server.faults("expire,path=/_xorb/*")
        equal(read(path), FIRST + b"lie", "Xet has failed, plain HTTP has not")
        path = mount.path + "/slow.bin"
    stage.server.faults("expire,path=/_xorb/*", "expire,path=/_data/*")
    try:
        with within(15, "the error"), raises(errno.EIO, "URLs that are never good"):
            read(path)
    finally:
        stage.server.faults()
    # What was just told stays told for half a second.
    time.sleep(0.6)
    equal(read(path)[:len(FIRST)], FIRST, "when they are good again")
    mount.end()


@promise("S36", "user.modelfs.verified says what is known")
def what_came_before_a_restart_is_proven_with_what_comes_after(stage):
    mount = fresh(stage, "restart")
    path = mount.path + "/restart.bin"
    right = FIRST + b"restart"
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        equal(os.pread(file.fileno(), 1000, 0), right[:1000])
    equal(verified(path), "no", "while a part is here")
    mount.restart()
    equal(read(path), right)
    told = wait_for(lambda: verified(path) != "no" and verified(path), 5, "the proof")
    expect(told.split()[-1] in ("xet", "sha256"), told)
    wait_for(lambda: verified(path).endswith(" sha256"), 5, "the proof by its own hash")
    mount.end()


@promise("S68", "With --proof first no byte is seen before its file is proven", seconds=90,
         ways=(PLAIN, XET))
def no_wrong_byte_is_ever_seen(stage):
    name = "plain" if stage.way else "xet"
    mount = fresh(stage, f"first-{name}", "--proof", "first", **stage.way)
    for number in range(min(FLIPS, 12)):
        path, right = f"{mount.path}/many/{number}.bin", content(number)
        stage.server.weather(
            faults=["flip,count=1,path=/_xorb/*", "flip,count=1,path=/_data/*"], seed=number)
        with open(path, "rb", buffering=0) as file:
            place = len(right) - 5000
            equal(os.pread(file.fileno(), 4096, place), right[place:place + 4096], number)
            # The first byte is served when all is proven, not before.
            expect(verified(path).endswith(" sha256"), verified(path))
        equal(read(path), right, number)
    stage.server.faults()
    mapped = mount.path + "/mapped.bin"
    stage.server.data_faults("flip,count=1")
    with open(mapped, "rb") as file:
        pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        equal(pages[:], FIRST + b"mapped")
        pages.close()
    stage.server.faults()
    mount.end()


@promise("S68", "With --proof first no byte is seen before its file is proven")
def what_is_always_wrong_is_an_error_and_no_byte(stage):
    mount = fresh(stage, "first-always", "--proof", "first", "--read-deadline", "20s", **PLAIN)
    path = mount.path + "/always.bin"
    stage.server.data_faults("flip")
    try:
        with within(15, "the error"), raises(errno.EIO, "a file that is always wrong"):
            read(path)
    finally:
        stage.server.faults()
    expect(not verified(path).startswith("yes"), verified(path))
    mount.end()


@promise("S68", "With --proof first no byte is seen before its file is proven")
def what_was_cached_without_it_is_proven_first_too(stage):
    mount = fresh(stage, "first-later")
    path = mount.path + "/first.bin"
    right = FIRST + b"first"
    stage.server.data_faults("flip,count=1")
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        os.pread(file.fileno(), 2_000_000, 0)
    stage.server.faults()
    mount.restart("--proof", "first")
    with open(path, "rb", buffering=0) as file:
        equal(os.pread(file.fileno(), 2_000_000, 0), right[:2_000_000])
    expect(verified(path).endswith(" sha256"), verified(path))
    mount.restart("--proof", "first")
    drop_pages(path)
    before = stage.server.data_bytes()
    equal(read(path), right, "after a restart")
    equal(stage.server.data_bytes(), before, "bytes fetched for what is proven")
    mount.end()


@promise("S68", "With --proof first no byte is seen before its file is proven", seconds=60)
def the_deadline_counts_from_the_last_bytes(stage):
    mount = fresh(stage, "first-slow", "--proof", "first", "--read-deadline", "3s")
    path = mount.path + "/slow.bin"
    # 6 MB at 1 MB/s take twice the deadline, but something comes all the while.
    stage.server.weather(bandwidth="1MB/s")
    began = time.monotonic()
    try:
        with open(path, "rb", buffering=0) as file:
            equal(os.pread(file.fileno(), 100, 0), FIRST[:100])
        expect(time.monotonic() - began > 3.5, "the bandwidth was not limited")
    finally:
        stage.server.weather(bandwidth="off")
    other = mount.path + "/lie.bin"
    stage.server.stall_contents()
    try:
        with within(6, "the error"), raises(errno.EIO, "a Hub that is silent"):
            read(other)
    finally:
        stage.server.faults()
    mount.end()


@promise("S68", "With --proof first no byte is seen before its file is proven")
def what_does_not_fit_into_the_cache_is_refused(stage):
    mount = stage.mount(stage.server, "hf://models", "first-small", "cache-first-small")
    mount.start("--proof", "first", "--cache-size", "64MB")
    with within(3, "the error"), raises(errno.EFBIG, "a file larger than the cache"):
        read(f"{mount.path}/{LONE}@v1/large.bin")
    expect("no room in the cache" in mount.problems(), mount.problems())
    equal(read(f"{mount.path}/{NAME}@v1/first.bin"), FIRST + b"first")
    mount.end()


main(__name__, prepare)
