#!/usr/bin/env python3
# seconds: 200
"""Prefetch: the rest of weight files, by itself, and whole revisions when they are asked for."""

import json
import mmap
import os
import random
import struct
import subprocess
import time

from suite import (PLAIN, XET, drop_pages, equal, expect, main, noise, promise, read, says,
                   wait_for, within, write)

NAME = "acme/model"
MEBI = 1 << 20
TENSORS = 16


def safetensors(seed, tensor_count, tensor_size):
    """A file as the official library writes it, of noise."""
    header = {f"layer.{index:03}": {"dtype": "U8", "shape": [tensor_size],
                                    "data_offsets": [index * tensor_size,
                                                     (index + 1) * tensor_size]}
              for index in range(tensor_count)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + noise(seed, tensor_count * tensor_size)


WEIGHTS = safetensors(1, TENSORS, 4 * MEBI)


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/model.safetensors", WEIGHTS)
    write(folder + "/config.json", "{}")
    write(folder + "/noise.safetensors", noise(2, 24 * MEBI))
    write(folder + "/other.safetensors", safetensors(3, 10, 4 * MEBI))
    write(folder + "/plain.dat", noise(4, 24 * MEBI))
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.start(xet=True)
    stage.server = hub


def fresh(stage, name, *options):
    """A mount with an empty cache, on the way that is tested."""
    if stage.way is XET:
        name += "-xet"
    mount = stage.mount(stage.server, "hf://models", name, f"cache-{name}")
    return mount.start(*options, **(PLAIN if stage.way is None else stage.way))


def cached(path):
    return int(os.getxattr(path, "user.modelfs.cached"))


def is_whole(path):
    return cached(path) == os.path.getsize(path)


def settled(stage):
    """Waits until no more bytes come, and gives how many have."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < 0.7:
        now = stage.server.data_bytes()
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.05)
    return last


def touch(path, position, size=4096):
    """Reads a few bytes without the kernel's own reading ahead."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        return os.pread(file, size, position)
    finally:
        os.close(file)


@promise("S82", "The rest of a weight file comes by itself", ways=(PLAIN, XET))
def the_first_tensor_brings_the_others(stage):
    mount = fresh(stage, "rest")
    path = f"{mount.path}/{NAME}@v1/model.safetensors"
    before = stage.server.stats()
    began = time.monotonic()
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        length = struct.unpack("<Q", mapped[:8])[0]
        place = json.loads(mapped[8:8 + length])["layer.000"]["data_offsets"]
        equal(mapped[8 + length + place[0]], WEIGHTS[8 + length + place[0]])
        mapped.close()
    wait_for(lambda: is_whole(path), 20, "the rest of the file")
    took = time.monotonic() - began
    settled(stage)
    after = stage.server.stats()
    count = sum(after[kind] - before[kind] for kind in ("dataBytes", "xorbBytes"))
    requests = sum(after["requests"].values()) - sum(before["requests"].values())
    print(f"         64 MiB after {took:.2f} s, by {requests} requests, {count} bytes")
    expect(len(WEIGHTS) <= count <= 1.02 * len(WEIGHTS), "bytes fetched:", count)
    expect(requests <= 150, "requests:", requests)
    expect(read(path) == WEIGHTS, "bytes differ")
    wait_for(lambda: os.getxattr(path, "user.modelfs.verified").endswith(b"sha256"), 5, "the proof")
    mount.end()


@promise("S82", "The rest of a weight file comes by itself")
def a_touch_in_the_middle_goes_on_from_there(stage):
    mount = fresh(stage, "middle")
    path = f"{mount.path}/{NAME}@v1/model.safetensors"
    stage.server.weather(bandwidth="30MB/s")
    equal(touch(path, 40 * MEBI), WEIGHTS[40 * MEBI:40 * MEBI + 4096])
    wait_for(lambda: cached(path) > 16 * MEBI, 10, "some of the rest")
    # What comes after the touch is there already, or on its way.
    with within(1.5, "what follows the touch"):
        equal(touch(path, 44 * MEBI), WEIGHTS[44 * MEBI:44 * MEBI + 4096])
    stage.server.weather(bandwidth="off")
    wait_for(lambda: is_whole(path), 20, "the rest of the file")
    mount.end()


@promise("S82", "The rest of a weight file comes by itself", ways=(PLAIN, XET))
def several_readers_at_once_cost_each_byte_once(stage):
    mount = fresh(stage, "ranks")
    path = f"{mount.path}/{NAME}@v1/model.safetensors"
    before = stage.server.data_bytes()
    readers = [stage.python(
        "import mmap, sys\n"
        "file = open(sys.argv[1], 'rb')\n"
        "view = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "first, size = int(sys.argv[2]), len(view)\n"
        "total = 0\n"
        "for at in range(first * size // 8, (first + 1) * size // 8, 4096): total += view[at]\n"
        "print(total)\n", path, str(index)) for index in range(8)]
    size = len(WEIGHTS)
    for index, reader in enumerate(readers):
        wanted = sum(WEIGHTS[at] for at in
                     range(index * size // 8, (index + 1) * size // 8, 4096))
        equal(reader.communicate(timeout=30)[0].strip(), str(wanted), f"reader {index}")
    count = settled(stage) - before
    print(f"         8 readers of 64 MiB: {count / size:.4f} of its bytes")
    expect(size <= count <= 1.02 * size, "bytes fetched:", count)
    mount.end()


@promise("S82", "The rest of a weight file comes by itself")
def a_name_alone_brings_nothing(stage):
    mount = fresh(stage, "noise")
    before = stage.server.data_bytes()
    for name in ("noise.safetensors", "plain.dat"):
        touch(f"{mount.path}/{NAME}@v1/{name}", 12 * MEBI)
    count = settled(stage) - before
    expect(count <= 5 * MEBI, "bytes fetched for two touches:", count)
    mount.end()


@promise("S82", "The rest of a weight file comes by itself")
def none_fetches_what_is_touched(stage):
    mount = fresh(stage, "none", "--prefetch", "none")
    path = f"{mount.path}/{NAME}@v1/model.safetensors"
    before = stage.server.data_bytes()
    equal(touch(path, 0), WEIGHTS[:4096])
    equal(touch(path, 30 * MEBI), WEIGHTS[30 * MEBI:30 * MEBI + 4096])
    equal(settled(stage) - before, 2 * 131_072, "bytes for two touches")
    mount.end()


@promise("S82", "The rest of a weight file comes by itself")
def readers_overtake_it(stage):
    mount = fresh(stage, "overtake")
    folder = f"{mount.path}/{NAME}@v1"
    os.listdir(folder)
    stage.server.weather(bandwidth="10MB/s")
    touch(folder + "/model.safetensors", 0)
    wait_for(lambda: cached(folder + "/model.safetensors") > MEBI, 10, "the rest on its way")
    for position in random.Random(3).sample(range(0, 23 * MEBI), 3):
        # A window of 1 MiB, beside the transfers under way.
        with within(2.5, "a reader beside a prefetch"):
            touch(folder + "/plain.dat", position)
    expect(not is_whole(folder + "/model.safetensors"), "the rest was too fast to tell")
    stage.server.weather(bandwidth="off")
    mount.end()


@promise("S82", "The rest of a weight file comes by itself")
def what_is_in_use_is_not_evicted_for_it(stage):
    mount = fresh(stage, "full", "--cache-size", "80MB")
    used = f"{mount.path}/{NAME}@v1/other.safetensors"
    more = f"{mount.path}/{NAME}@v1/model.safetensors"
    with open(used, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        wait_for(lambda: mapped[0] is not None and is_whole(used), 10, "the first file")
        touch(more, 0)
        settled(stage)
        time.sleep(0.5)
        expect(is_whole(used), "what is mapped was evicted:", cached(used))
        expect(0 < cached(more) <= 80_000_000 - os.path.getsize(used), "cached:", cached(more))
        mapped.close()
    mount.end()


@promise("S83", "modelfs prefetch fetches and proves what is named")
def a_revision_by_its_name(stage):
    mount = fresh(stage, "command")
    found = prefetched(mount, f"hf://{NAME}@v1", "--json")
    size = sum(os.path.getsize(os.path.join(stage.path("source"), name))
               for name in os.listdir(stage.path("source")))
    equal((found["sizeBytes"], found["presentBytes"], found["failedCount"]), (size, 0, 0))
    equal((found["provenCount"], found["fileCount"]), (5, 5))
    folder = f"{mount.path}/{NAME}@v1"
    for name in os.listdir(folder):
        expect(is_whole(f"{folder}/{name}"), name)
        expect(os.getxattr(f"{folder}/{name}", "user.modelfs.verified").startswith(b"yes "), name)
    before = stage.server.data_bytes()
    again = prefetched(mount, folder, "--json")
    equal((again["presentBytes"], again["provenCount"]), (size, 5), "the second time")
    equal(stage.server.data_bytes(), before, "bytes fetched again")
    equal(again["places"][0]["commit"], found["places"][0]["commit"])
    stage.command = mount


@promise("S83", "modelfs prefetch fetches and proves what is named")
def what_was_evicted_meanwhile_comes_again(stage):
    mount = stage.command
    stage.modelfs("cache", "evict", "--shared", NAME, "--cache", mount.cache)
    found = prefetched(mount, f"hf://{NAME}@v1", "--json")
    equal((found["presentBytes"], found["provenCount"], found["failedCount"]), (0, 5, 0))


@promise("S83", "modelfs prefetch fetches and proves what is named")
def it_can_be_read_into_memory(stage):
    mount = stage.command
    folder = f"{mount.path}/{NAME}@v1"
    for target in (folder + "/plain.dat", f"hf://{NAME}@v1/noise.safetensors"):
        found = prefetched(mount, "--to", "memory", "--json", target)
        equal(found["inMemoryBytes"], 24 * MEBI, target)
    before = mount.messages().get("READ", 0)
    equal(read(folder + "/plain.dat"), noise(4, 24 * MEBI))
    equal(read(folder + "/noise.safetensors"), noise(2, 24 * MEBI))
    equal(mount.messages().get("READ", 0), before, "READs of what is in memory")
    mount.end()


@promise("S83", "modelfs prefetch fetches and proves what is named")
def it_works_without_a_daemon_and_goes_on(stage):
    cache = stage.path("cache-alone")
    hub = stage.server.endpoint
    stage.server.weather(bandwidth="4MB/s")
    before = stage.server.data_bytes()
    command = started(stage, "prefetch", "--cache", cache, f"hf://{NAME}@v1/plain.dat",
                      HF_ENDPOINT=hub, **PLAIN)
    wait_for(lambda: stage.server.data_bytes() > before + 4 * MEBI, 20, "bytes on their way")
    # What has come is written down some times a second.
    time.sleep(0.5)
    command.kill()
    command.communicate()
    stage.server.weather(bandwidth="off")
    said = json.loads(stage.modelfs("prefetch", "--cache", cache, f"hf://{NAME}@v1/plain.dat",
                                    "--json", HF_ENDPOINT=hub, **PLAIN))
    print(f"         {said['presentBytes']} bytes were there before")
    expect(0 < said["presentBytes"] < 24 * MEBI, "there before:", said["presentBytes"])
    equal((said["provenCount"], said["failedCount"]), (1, 0))


@promise("S83", "modelfs prefetch fetches and proves what is named")
def several_at_once_fetch_once(stage):
    mount = fresh(stage, "twice")
    before = stage.server.data_bytes()
    commands = [started(stage, "prefetch", "--cache", mount.cache, f"hf://{NAME}@v1", "--json",
                        f"{mount.path}/{NAME}@v1/other.safetensors") for _ in range(3)]
    for command in commands:
        said = json.loads(command.communicate(timeout=30)[0])
        equal((command.returncode, said["provenCount"], len(said["places"])), (0, 5, 2))
    large = len(WEIGHTS) + 48 * MEBI + os.path.getsize(stage.path("source", "other.safetensors"))
    equal(stage.server.data_bytes() - before, large, "bytes for three commands")
    mount.end()


@promise("S84", "A restart makes ready what was used before")
def what_was_touched_before_comes_again(stage):
    mount = fresh(stage, "replay")
    folder = f"{mount.path}/{NAME}@v1"
    touch(folder + "/config.json", 0)
    for position in (20, 4, 12):
        touch(folder + "/plain.dat", position * MEBI)
    # A reader has its bytes before the rest of what the touch asked for is here.
    wait_for(lambda: cached(folder + "/plain.dat") >= 3 * 262_144, 10, "all of three touches")
    equal(cached(folder + "/plain.dat"), 3 * 262_144, "what was touched alone")
    mount.end()
    stage.modelfs("cache", "evict", "--cache", mount.cache, "--shared", NAME)
    mount.start(**PLAIN)
    equal(cached(folder + "/plain.dat"), 0, "it was evicted")
    touch(folder + "/config.json", 0)
    # Whole units of 1 MiB.
    wait_for(lambda: cached(folder + "/plain.dat") >= 3 * MEBI, 10, "what was used before")
    equal(settled(stage) and cached(folder + "/plain.dat"), 3 * MEBI, "no more than that")
    mount.restart("--prefetch", "sequential", **PLAIN)
    mount.end()


@promise("S84", "A restart makes ready what was used before")
def pages_of_what_is_here_are_read(stage):
    mount = fresh(stage, "pages")
    folder = f"{mount.path}/{NAME}@v1"
    touch(folder + "/config.json", 0)
    expect(read(folder + "/model.safetensors") == WEIGHTS, "bytes differ")
    wait_for(lambda: os.getxattr(folder + "/model.safetensors", "user.modelfs.verified")
             .endswith(b"sha256"), 5, "the proof")
    mount.end()
    flat = [os.path.join(place, name) for place, _, names in os.walk(mount.cache + "/flat")
            for name in names]
    largest = max(flat, key=os.path.getsize)
    os.sync()
    mount.start(**PLAIN)
    # A start may look through what the last end has left undone.
    time.sleep(1)
    drop_pages(largest)
    time.sleep(0.5)
    expect(in_memory(largest) <= 4 * MEBI, "it is still in memory:", in_memory(largest))
    touch(folder + "/config.json", 0)
    wait_for(lambda: in_memory(largest) >= len(WEIGHTS), 10, "the pages")
    mount.end()


@promise("S84", "A restart makes ready what was used before")
def pages_of_a_mounted_revision_are_read_at_once(stage):
    mount = stage.mount(stage.server, f"hf://{NAME}@v1", "alone", "cache-alone")
    mount.start(**PLAIN)
    path = mount.path + "/model.safetensors"
    expect(read(path) == WEIGHTS, "bytes differ")
    wait_for(lambda: os.getxattr(path, "user.modelfs.verified").endswith(b"sha256"), 5, "the proof")
    mount.end()
    flat = [os.path.join(place, name) for place, _, names in os.walk(mount.cache + "/flat")
            for name in names]
    largest = max(flat, key=os.path.getsize)
    os.sync()
    drop_pages(largest)
    expect(in_memory(largest) <= 4 * MEBI, "it is still in memory:", in_memory(largest))
    mount.start(**PLAIN)
    wait_for(lambda: in_memory(largest) >= len(WEIGHTS), 10, "the pages, which nobody touched")
    mount.end()


def in_memory(path):
    """Bytes of a file that are in the page cache."""
    said = subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES", path],
                          capture_output=True, text=True, check=True, timeout=10)
    return int(said.stdout.split()[0])


@promise("S83", "modelfs prefetch fetches and proves what is named")
def its_exit_code_says_what_was_wrong(stage):
    mount = fresh(stage, "codes")
    os.listdir(f"{mount.path}/{NAME}@v1")

    def fails(code, *words):
        return stage.modelfs("prefetch", "--cache", mount.cache, *words, code=code)

    fails(2, "hf://models")
    fails(7, "hf://acme/nothing@v1")
    fails(7, f"hf://{NAME}@v9")
    fails(7, f"hf://{NAME}@v1/absent.bin")
    fails(7, mount.path)
    fails(7, stage.path("source", "config.json"))
    stage.server.stop()
    said = fails(6, f"hf://{NAME}@v1/plain.dat")
    says(said, "the Hub")
    mount.end()


def started(stage, *words, **variables):
    """modelfs, running by itself."""
    process = subprocess.Popen([stage.programs.modelfs, *words], text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE,
                               env=stage.programs.environment(**variables))
    stage.processes.append(process)
    return process


def prefetched(mount, *words):
    return json.loads(mount.programs.run(mount.programs.modelfs, "prefetch", "--cache",
                                         mount.cache, *words))


main(__name__, prepare)
