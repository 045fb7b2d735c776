#!/usr/bin/env python3
# seconds: 150
"""Xet: files come as chunks, a new revision costs what changed, and failures go unnoticed."""

import json
import os
import random

from suite import equal, expect, main, noise, promise, read, wait_for, within, write

NAME = "acme/chunks"
MEBIBYTE = 1 << 20
SIZE = 32 * MEBIBYTE + 4321
RUNS = 8
FIRST = noise(71, SIZE)
# Named like nothing that is fetched whole when it is touched.
FAR = noise(74, 40 * MEBIBYTE)
WEIGHTS = bytes(16) * 65_536 + noise(73, 300_000) * 3 + bytes(range(256)) * 4096


def changed(data):
    """2 % of the bytes are others, in 8 runs."""
    data = bytearray(data)
    length = len(data) // 50 // RUNS
    for run in range(RUNS):
        start = (2 * run + 1) * len(data) // (2 * RUNS)
        data[start:start + length] = noise(900 + run, length)
    return bytes(data)


SECOND = changed(FIRST)
THIRD = noise(72, 137) + SECOND


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/model.bin", FIRST)
    write(folder + "/weights.bin", WEIGHTS)
    write(folder + "/far.dat", FAR)
    write(folder + "/near.dat", noise(75, 3 * MEBIBYTE))
    for name in ("flip", "busy", "expired", "gone", "cut", "refused"):
        write(f"{folder}/faults/{name}.bin", noise(hash_of(name), 5_000_000))
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    write(folder + "/model.bin", SECOND)
    hub.add(NAME, folder, "--tag", "v2")
    write(folder + "/model.bin", THIRD)
    hub.add(NAME, folder, "--tag", "v3")
    stage.server = hub.start(xet=True)


def hash_of(name):
    return int.from_bytes(name.encode(), "big")


def fresh(stage, name, **variables):
    """A mount with an empty cache."""
    mount = stage.mount(stage.server, "hf://models", name, f"cache-{name}")
    return mount.start(**variables)


def count(stage, kind):
    return stage.server.stats()["requests"].get(kind, 0)


@promise("S64", "A file in Xet comes as the chunks that are not here", seconds=90)
def a_new_revision_costs_what_changed(stage):
    mount = fresh(stage, "revisions")
    plain = count(stage, "data")
    path = f"{mount.path}/{NAME}@v1/model.bin"
    equal(read(path), FIRST)
    wait_for(lambda: os.getxattr(path, "user.modelfs.verified").endswith(b"sha256"), 20, "proof")
    before = stage.server.stats()["xorbBytes"]
    expect(before >= SIZE, "xorb bytes for the first revision", before)
    equal(read(f"{mount.path}/{NAME}@v2/model.bin"), SECOND)
    fetched = stage.server.stats()["xorbBytes"] - before
    different = RUNS * (SIZE // 50 // RUNS)
    print(f"         2 % of {SIZE} bytes in {RUNS} runs: {fetched} bytes for {different}")
    expect(fetched <= different + RUNS * 256 * 1024, "fetched", fetched, "for", different)
    equal(count(stage, "data"), plain, "requests for plain data")
    mount.end()


@promise("S64", "A file in Xet comes as the chunks that are not here", seconds=90)
def a_chunk_is_found_in_whichever_file_has_it(stage):
    mount = fresh(stage, "anywhere")
    for revision, data in (("v1", FIRST), ("v2", SECOND)):
        path = f"{mount.path}/{NAME}@{revision}/model.bin"
        equal(read(path), data)
        wait_for(lambda: os.getxattr(path, "user.modelfs.verified").endswith(b"sha256"), 20,
                 "proof")
    # Most chunks were seen in the first file, before a restart, and are in the second one now.
    mount.restart()
    freed = stage.modelfs("cache", "evict", f"{NAME}@v1", "--json", "--cache", mount.cache)
    expect(json.loads(freed)["freedBytes"] >= SIZE, freed)
    before = stage.server.stats()["xorbBytes"]
    equal(read(f"{mount.path}/{NAME}@v3/model.bin"), THIRD)
    fetched = stage.server.stats()["xorbBytes"] - before
    expect(fetched <= 137 + 256 * 1024, "fetched", fetched, "for 137 new bytes")
    mount.end()


@promise("S64", "A file in Xet comes as the chunks that are not here")
def a_touch_costs_its_chunks(stage):
    mount = fresh(stage, "touch")
    path = f"{mount.path}/{NAME}@v1/model.bin"
    pages = random.Random(5)
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        before = stage.server.stats()["xorbBytes"]
        position = 12 * MEBIBYTE
        equal(os.pread(file.fileno(), 100, position), FIRST[position:position + 100])
        fetched = stage.server.stats()["xorbBytes"] - before
        expect(fetched <= 2 * MEBIBYTE, "one touch fetched", fetched)
        for _ in range(40):
            position = pages.randrange(SIZE - 4096)
            equal(os.pread(file.fileno(), 4096, position), FIRST[position:position + 4096],
                  "at", position)
    equal(read(f"{mount.path}/{NAME}@v1/weights.bin"), WEIGHTS)
    equal(stage.server.stats()["dataWithAuthorization"], 0, "tokens at data URLs")
    mount.end()


@promise("S64", "A file in Xet comes as the chunks that are not here")
def a_touch_costs_a_plan_and_its_data(stage):
    """One question after the other, each of which takes a round trip."""
    mount = fresh(stage, "trips")
    kinds = ("xet-token", "reconstruction", "xorb-data", "data", "resolve")
    with open(f"{mount.path}/{NAME}@v1/far.dat", "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)

        def asked(position):
            before = stage.server.stats()["requests"]
            equal(os.pread(file.fileno(), 4096, position), FAR[position:position + 4096])
            after = stage.server.stats()["requests"]
            return [after.get(kind, 0) - before.get(kind, 0) for kind in kinds]
        equal(asked(9 * MEBIBYTE), [1, 1, 1, 0, 0], "with the token")
        stage.server.weather(latency="30ms")
        try:
            # Farther from each other than a reader in order may skip.
            for place in random.Random(6).sample(range(15, 39, 5), 5):
                # Well inside what a touch brings, so that nothing is fetched ahead of it yet.
                position = place * MEBIBYTE + 200_000
                # Where two xorbs meet, both are asked at the same time.
                expect(asked(position) in ([0, 1, 1, 0, 0], [0, 1, 2, 0, 0]),
                       "the first read at", place)
                equal(asked(position + 8192), [0, 0, 0, 0, 0], "the next one at", place)
                equal(asked(position - 8192), [0, 0, 0, 0, 0], "the one before it at", place)
        finally:
            stage.server.weather(latency="off")
    mount.end()


@promise("S64", "A file in Xet comes as the chunks that are not here")
def a_reader_in_order_gets_every_chunk_once(stage):
    mount = fresh(stage, "order")
    before = stage.server.stats()["xorbBytes"]
    equal(read(f"{mount.path}/{NAME}@v1/far.dat"), FAR)
    fetched = stage.server.stats()["xorbBytes"] - before
    # Headers of chunks, and a chunk where a reader has overtaken the plan of what is before him.
    print(f"         {fetched} bytes for {len(FAR)}")
    expect(fetched <= len(FAR) * 1.001 + 2 * 131_072, "fetched", fetched, "for", len(FAR))
    mount.end()


@promise("S66", "Readers go before what is fetched ahead")
def a_reader_overtakes_what_is_fetched_ahead(stage):
    mount = fresh(stage, "overtaking")
    stage.server.weather(bandwidth="10MB/s")
    try:
        with open(f"{mount.path}/{NAME}@v1/far.dat", "rb", buffering=0) as file:
            for step in range(4):
                equal(os.pread(file.fileno(), MEBIBYTE, step * MEBIBYTE),
                      FAR[step * MEBIBYTE:(step + 1) * MEBIBYTE])
            # Some 30 MiB are on their way by now, for 3 seconds.
            with within(1.5, "a read beside what is fetched ahead"):
                read_at(f"{mount.path}/{NAME}@v1/near.dat", MEBIBYTE)
            coming = mount.status()["fileSystem"]["bytesFetched"]
            expect(coming < 30 * MEBIBYTE, "nothing was ahead:", coming)
    finally:
        stage.server.weather(bandwidth="off")
    mount.end()


def read_at(path, position):
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        return os.pread(file.fileno(), 4096, position)


@promise("S65", "Nobody notices when Xet fails", seconds=90)
def trouble_with_xet_is_not_noticed(stage):
    mount = fresh(stage, "trouble")
    faults = {
        "busy": ["status=503,count=2,path=/_xorb/*", "status=503,count=2,path=/v2/*"],
        "expired": ["expire,count=2,path=/_xorb/*"],
        "cut": ["truncate,count=2,path=/_xorb/*"],
        "gone": ["status=404,path=/_xorb/*"],
    }
    try:
        for name, rules in faults.items():
            stage.server.faults(*rules)
            equal(read(f"{mount.path}/{NAME}@v1/faults/{name}.bin"),
                  noise(hash_of(name), 5_000_000), name)
    finally:
        stage.server.faults()
    expect("Xet does not work here for now" in mount.log(), "no word of the lasting failure")
    mount.end()


@promise("S65", "Nobody notices when Xet fails")
def a_hub_that_gives_no_token_is_read_all_the_same(stage):
    mount = fresh(stage, "refused")
    stage.server.faults("status=403,path=/api/*/xet-read-token/*")
    try:
        equal(read(f"{mount.path}/{NAME}@v1/faults/refused.bin"),
              noise(hash_of("refused"), 5_000_000))
    finally:
        stage.server.faults()
    mount.end()


@promise("S65", "Nobody notices when Xet fails")
def xet_can_be_disabled(stage):
    mount = fresh(stage, "disabled", HF_HUB_DISABLE_XET="1")
    tokens = count(stage, "xet-token")
    equal(read(f"{mount.path}/{NAME}@v1/faults/refused.bin"), noise(hash_of("refused"), 5_000_000))
    equal(count(stage, "xet-token"), tokens, "tokens for Xet")
    mount.end()


@promise("S67", "What came wrong through Xet is told by its chunk", seconds=90)
def a_flipped_byte_is_found_and_replaced(stage):
    mount = fresh(stage, "flip")
    right = noise(hash_of("flip"), 5_000_000)
    path = f"{mount.path}/{NAME}@v1/faults/flip.bin"
    stage.server.faults("flip,count=1,path=/_xorb/*")
    try:
        read(path)
        wait_for(lambda: read(path) == right, 20, "right bytes")
        wait_for(lambda: os.getxattr(path, "user.modelfs.verified").endswith(b"sha256"), 20,
                 "proof")
    finally:
        stage.server.faults()
    wait_for(lambda: "a chunk came wrong through Xet" in mount.log(), 5, "the chunk's name")
    mount.end()


main(__name__, prepare)
