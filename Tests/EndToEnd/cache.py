#!/usr/bin/env python3
# seconds: 240
# needs: root
"""The cache: what it saves, what it survives, what its commands do; with a daemon and without."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import time

from suite import (Skip, drop_names, drop_pages, equal, expect, main, noise, promise, raises, read,
                   run, says, snapshot, wait_for, write)

NAME = "acme/weights"
MIB = 1 << 20
# 1 GiB in `make soak`; here enough for several hundred chunks. It takes 9 times as much disk.
SIZE = int(os.environ.get("MODELFS_DEDUP_BYTES", 24 * MIB))
FLIP_ROUNDS = int(os.environ.get("MODELFS_FLIP_ROUNDS", 6))
KILL_ROUNDS = int(os.environ.get("MODELFS_KILL_ROUNDS", 4))


def tensor_file(tensors):
    """A safetensors file of named byte tensors."""
    header, offset = {}, 0
    for name, data in tensors:
        header[name] = {"dtype": "U8", "shape": [len(data)],
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors)


def revisions():
    """A, then B with 2 % changed in 8 runs, C with 137 bytes more in front, D with two swapped:
    name, bytes, how many are new, and at how many places. One at a time, since they are large."""
    count = 8
    tensors = [(f"t{index}", noise(1000 + index, SIZE // count)) for index in range(count)]
    first = tensor_file(tensors)
    yield "A", first, len(first), 0
    second = bytearray(first)
    run_bytes = SIZE // 50 // 8
    for index in range(8):
        place = SIZE // 8 * index + SIZE // 20
        second[place:place + run_bytes] = noise(2000 + index, run_bytes)
    yield "B", second, run_bytes * 8, 8
    del second
    yield "C", noise(3000, 137) + first, 137, 1
    tensors[1], tensors[5] = (tensors[1][0], tensors[5][1]), (tensors[5][0], tensors[1][1])
    del first
    yield "D", tensor_file(tensors), 0, 4


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prepare(stage):
    stage.server = stage.hub()
    folder = stage.path("small")
    for index in range(5):
        write(f"{folder}/part-{index}.bin", noise(index, 3 * MIB + index))
    write(folder + "/config.json", '{"small": true}')
    write(folder + "/sub/empty", b"")
    write(folder + "/sub/notes.txt", "words\n" * 500)
    stage.server.add(NAME, folder, "--tag", "v1")
    write(folder + "/part-0.bin", noise(100, 3 * MIB))
    stage.server.add(NAME, folder, "--tag", "v2")
    for index in range(12):
        write(f"{stage.path('many')}/{index:02}.bin", noise(500 + index, 16 * MIB))
    stage.server.add("acme/many", stage.path("many"))
    stage.server.start()


def cache(stage, mount, *words, code=0, seconds=60):
    return stage.modelfs("cache", *words, "--cache", mount.cache, code=code, seconds=seconds)


def answer(stage, mount, *words, code=0):
    """The JSON of a command; what it said on standard error is left out."""
    done = subprocess.run(
        [stage.programs.modelfs, "cache", *words, "--json", "--cache", mount.cache], text=True,
        env=stage.programs.environment(HF_ENDPOINT=stage.server.endpoint), check=False,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
    equal(done.returncode, code, " ".join(words), done.stdout, done.stderr)
    return json.loads(done.stdout)


def pin_count(stage, mount):
    return sum(entry["isPinned"] for entry in answer(stage, mount, "list")["revisions"])


def used(mount):
    return mount.status()["fileSystem"]["usedBytes"]


def filled(stage, name, *options, revision="v1"):
    """A mount whose cache has a revision, and what it holds."""
    mount = stage.mount(stage.server, "hf://models", name, f"cache-{name}").start(*options)
    shown = snapshot(f"{mount.path}/{NAME}@{revision}")
    prove(mount, revision)
    return mount, shown


def prove(mount, revision="v1"):
    """Waits until all of it is known to be right."""
    for place, _, files in os.walk(f"{mount.path}/{NAME}@{revision}"):
        for name in files:
            path = os.path.join(place, name)
            wait_for(lambda: os.getxattr(path, "user.modelfs.verified").split()[-1]
                     in (b"sha256", b"git"), 10, "proof of", path)


def flip(path, seed, count=1, start=0):
    """Flips bits of a file at random places that are in use."""
    data = read(path)
    places = random.Random(seed)
    with open(path, "r+b") as file:
        for _ in range(count):
            while True:
                place = places.randrange(start, len(data))
                if data[place] or start == 0:
                    break
            file.seek(place)
            file.write(bytes([data[place] ^ 1 << places.randrange(8)]))
    return data


@promise("S57", "Equal chunks are kept once", seconds=200 + SIZE // MIB * 3)
def new_revisions_cost_what_changed(stage):
    hub = stage.hub("dedup-hub")
    made = []
    model = stage.path("dedup", "model.safetensors")
    for revision, data, changed, places in revisions():
        write(model, bytes(data))
        made.append((revision, len(data), digest(model), changed, places))
        hub.add("acme/dedup", stage.path("dedup"), "--revision", revision)
    os.remove(model)
    hub.start(xet=True)
    for way in ("plain", "xet"):
        for hot in ("0", "90%"):
            mount = stage.mount(hub, "hf://models", f"dedup-{way}{hot}", f"cache-{way}{hot}")
            mount.start("--hot-size", hot, HF_HUB_DISABLE_XET="1" if way == "plain" else "0")
            print(f"         {way}, --hot-size {hot}")
            before = 0
            for revision in made:
                before = cost_is_bounded(stage, hub, mount, revision, before, hot != "0")
            mount.end()
            shutil.rmtree(mount.cache)


def cost_is_bounded(stage, hub, mount, made, before, cools):
    """Reads a revision whole; when all is packed the cache has grown by what is new in it."""
    revision, size, wanted, changed, places = made
    path = f"{mount.path}/acme/dedup@{revision}/model.safetensors"
    sent = hub.data_bytes()
    equal(digest(path), wanted, "bytes of", revision)
    sent = hub.data_bytes() - sent
    wait_for(lambda: os.getxattr(path, "user.modelfs.verified").endswith(b"sha256"),
             60 + SIZE // MIB // 10)

    def is_packed():
        # Asked for each time: what was read from packs just before may only now become flat.
        if cools:
            cache(stage, mount, "cool", seconds=60 + SIZE // MIB)
        return mount.status()["fileSystem"]["hotBytes"] == 0

    wait_for(is_packed, 60 + SIZE // MIB // 10, "all is packed")
    after = used(mount)
    # Less than 64 bytes for a chunk of 64 KiB on average, and the records of the catalog.
    recipe = size // 65536 * 64 + 65536
    limit = changed + places * 262_144 + recipe
    print(f"         {revision}: {after - before} bytes more of {limit}, {changed} are new;"
          f" {sent} came")
    expect(revision == "A" or after - before <= limit, revision, "cost", after - before)
    drop_pages(path)
    equal(digest(path), wanted, "bytes from packs of", revision)
    return after


@promise("S58", "The commands of the cache work with a daemon and without one")
def commands_with_and_without_a_daemon(stage):
    mount, shown = filled(stage, "commands")
    for is_served in (True, False):
        if not is_served:
            mount.end()
        listing = answer(stage, mount, "list")
        # The default branch was asked ahead, and nobody has looked at it.
        equal(len(listing["revisions"]), 1, listing)
        first = [entry for entry in listing["revisions"]
                 if any("v1" in name for name in entry["names"])][0]
        equal(first["cachedBytes"], first["sizeBytes"], "cached bytes")
        equal(first["provenCount"], first["contentCount"], "proven")
        equal(first["repository"], f"models/{NAME}")
        sums = answer(stage, mount, "stats")
        expect(sums["total"]["logicalBytes"] >= 15 * MIB, sums)
        check = answer(stage, mount, "verify")
        equal((check["damagedCount"], check["contentCount"] > 5), (0, True), "check")
        expect("all is well" in cache(stage, mount, "verify", NAME))
        expect("packed" in cache(stage, mount, "cool"))
        equal(answer(stage, mount, "stats")["hotBytes"], 0, "flat bytes")
        cache(stage, mount, "gc")
        expect("is pinned" in cache(stage, mount, "pin", f"{NAME}@v1"))
        equal(pin_count(stage, mount), 1, "pins")
        expect("pinned" in cache(stage, mount, "evict", NAME))
        equal(answer(stage, mount, "evict", NAME)["contentCount"], 0, "evicted though pinned")
        cache(stage, mount, "unpin", NAME)
        cache(stage, mount, "evict", "acme/absent", code=7)
        cache(stage, mount, "evict", "not a name", code=2)
        rebuilt = answer(stage, mount, "rebuild")
        equal(rebuilt["isPostponed"], is_served, "postponed")
    change = answer(stage, mount, "evict", NAME)
    expect(change["freedBytes"] >= 15 * MIB, change)
    equal(answer(stage, mount, "stats")["total"]["logicalBytes"], 0, "after eviction")
    mount.start()
    equal(snapshot(f"{mount.path}/{NAME}@v1"), shown, "fetched again")
    mount.end()
    stage.modelfs("cache", "list", "--cache", stage.path("nowhere"), code=5)
    expect("COMMAND" in stage.modelfs("cache", "--help"))


@promise("S59", "What is lost of the databases is made anew from the packs", seconds=150)
def either_database_may_be_lost(stage):
    mount, shown = filled(stage, "lost")
    top = snapshot(f"{mount.path}/acme/weights@v1")
    times = {path: os.stat(path).st_mtime_ns
             for path in glob.glob(f"{mount.path}/{NAME}@v1/**", recursive=True)}
    cache(stage, mount, "pin", f"{NAME}@v1")
    time.sleep(1.5)
    for lost in (("catalog.db",), ("store.db",), ("catalog.db", "store.db"), "flip"):
        mount.end()
        stage.server.stop()
        if lost == "flip":
            for name in ("catalog.db", "store.db"):
                path = os.path.join(mount.cache, name)
                with open(path, "r+b") as file:
                    for page in range(0, os.path.getsize(path), 4096):
                        file.seek(page)
                        file.write(b"\xff" * 8)
        else:
            for name in lost:
                for path in glob.glob(os.path.join(mount.cache, name + "*")):
                    os.remove(path)
        mount.start()
        equal(snapshot(f"{mount.path}/{NAME}@v1"), shown, "bytes without", lost)
        run("ls", "-lR", f"{mount.path}/{NAME}@v1")
        equal({path: os.stat(path).st_mtime_ns for path in times}, times, "times without", lost)
        expect("made anew" in mount.log() or "rebuilt" in mount.log(), mount.log()[-1000:])
        equal(pin_count(stage, mount), 1, "pins without", lost)
        time.sleep(1.5)
        stage.server.start()
    equal(top, shown)
    mount.end()


@promise("S59", "What is lost of the databases is made anew from the packs",
         seconds=100 + 15 * FLIP_ROUNDS)
def flipped_bits_in_the_databases_are_healed(stage):
    mount, shown = filled(stage, "bits")
    time.sleep(1.5)
    mount.end()
    for seed in range(FLIP_ROUNDS):
        for name in ("catalog.db", "store.db"):
            flip(os.path.join(mount.cache, name), seed, 8, start=100)
        place = f"{mount.path}/{NAME}@v1"
        for attempt in range(3):
            mount.start()
            wrong = []
            for path, state in shown.items():
                with contextlib.suppress(OSError):
                    if state != "folder":
                        data = read(os.path.join(place, path))
                        equal((len(data), hashlib.sha256(data).hexdigest()), state, path, seed)
                        continue
                    os.stat(os.path.join(place, path))
                    continue
                wrong.append(path)
            if not wrong:
                break
            # What was found out while it ran is made anew at the next start.
            mount.end()
            expect(attempt < 2, "not healed:", wrong, "seed", seed, mount.log()[-1500:])
        time.sleep(1.2)
        mount.end()


@promise("S37", "What the daemon reads from the disk is checked on every read", seconds=120)
def flipped_bits_are_healed(stage):
    for name, hot in (("flat", "90%"), ("packed", "0")):
        mount, shown = filled(stage, f"rot-{name}", "--hot-size", hot, "--check-reads")
        if hot == "0":
            wait_for(lambda: mount.status()["fileSystem"]["hotBytes"] == 0, 30, "all is packed")
        mount.end()
        pattern = "flat/*/*" if name == "flat" else "packs/*"
        files = [path for path in glob.glob(os.path.join(mount.cache, pattern))
                 if os.path.getsize(path) > MIB]
        expect(files, "nothing lies", name)
        for index, path in enumerate(files):
            flip(path, index, 10, start=4096)
        mount.start("--check-reads")
        equal(snapshot(f"{mount.path}/{NAME}@v1"), shown, "bytes after rot,", name)
        counts = mount.status()["fileSystem"]["cache"]
        expect(counts["checksumFailures"] > 0 and counts["healedBlocks"] > 0, counts)
        mount.end()
        equal(answer(stage, mount, "verify")["damagedCount"], 0, "after healing")
        for index, path in enumerate(files):
            flip(path, 50 + index, 10, start=4096)
        check = answer(stage, mount, "verify", "--repair")
        expect(check["damagedCount"] > 0, check)
        equal(check["repairedCount"], check["damagedCount"], "repaired")
        equal(answer(stage, mount, "verify")["damagedCount"], 0, "after a repair")


@promise("S60", "Damage that cannot be healed is EIO and a line in the log")
def rot_without_a_hub(stage):
    mount, shown = filled(stage, "offline")
    mount.end()
    files = [path for path in glob.glob(os.path.join(mount.cache, "flat/*/*"))
             if os.path.getsize(path) > 3 * MIB]
    for path in files:
        with open(path, "r+b") as file:
            file.seek(MIB)
            file.write(b"\x00rot\x00")
    mount.start("--offline", "--check-reads")
    place = f"{mount.path}/{NAME}@v1"
    with raises(errno.EIO, "rotten"):
        read(place + "/part-1.bin")
    equal(read(place + "/config.json"), b'{"small": true}')
    expect("is damaged" in mount.log(), mount.log()[-1500:])
    check = answer(stage, mount, "verify", code=14)
    expect(check["contentCount"] > 0)
    mount.end()
    mount.start()
    equal(snapshot(place), shown, "healed with a Hub")
    mount.end()


@promise("S50", "The cache stays within its limit", seconds=120)
def the_bound_holds_under_load(stage):
    limit = 64_000_000
    mount = stage.mount(stage.server, "hf://models", "bound", "cache-bound")
    mount.start("--cache-size", str(limit))
    reader = stage.python(
        "import os, sys\n"
        "for place, _, files in os.walk(sys.argv[1]):\n"
        "    for name in sorted(files) * 2:\n"
        "        assert len(open(os.path.join(place, name), 'rb').read()) == 16 << 20\n"
        "print('done')\n", f"{mount.path}/acme/many")
    over = None
    worst = 0
    while reader.poll() is None:
        taken = disk_use(mount.cache)
        worst = max(worst, taken)
        if taken > limit * 1.01:
            over = over or time.monotonic()
            expect(time.monotonic() - over <= 1, "over the limit for longer than a second:", taken)
        else:
            over = None
        time.sleep(0.02)
    said, wrong = reader.communicate()
    equal(said, "done\n", wrong)
    print(f"         at most {worst} bytes on the disk, the limit is {limit}")
    expect(mount.status()["fileSystem"]["cache"]["evictions"] > 0)
    mount.end()


@promise("S50", "The cache stays within its limit")
def a_disk_that_fills_up_is_served_past(stage):
    disk = stage.path("fading-disk")
    os.makedirs(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], check=False,
                      capture_output=True, timeout=10).returncode != 0:
        return
    stage.actions.append(lambda: subprocess.run(["umount", "-l", disk], check=False, timeout=10,
                                                capture_output=True))
    mount = stage.mount(stage.server, "hf://models", "fading", "fading-disk/cache").start()
    kept = f"{mount.path}/{NAME}@v1/part-1.bin"
    equal(read(kept), noise(1, 3 * MIB + 1))
    time.sleep(1)
    with contextlib.suppress(OSError), open(os.path.join(disk, "others"), "wb", 0) as file:
        while True:
            file.write(bytes(65536))
    equal(read(f"{mount.path}/{NAME}@v1/part-2.bin"), noise(2, 3 * MIB + 2), "past a full disk")
    drop_pages(kept)
    equal(read(kept), noise(1, 3 * MIB + 1), "what was there")
    mount.end()


def own_disk(stage, name, size):
    """An ext4 of its own, which turns read-only when it meets an error: its folder, and what
    makes it meet one. Skips where none can be made."""
    image, folder = stage.path(name + ".img"), stage.path(name)
    os.makedirs(folder)
    with open(image, "wb") as file:
        file.truncate(size)
    for words in (["mkfs.ext4", "-q", "-F", image],
                  ["mount", "-o", "loop,errors=remount-ro", image, folder]):
        try:
            done = subprocess.run(words, check=False, capture_output=True, timeout=20)
        except FileNotFoundError as error:
            raise Skip(f"there is no {words[0]}") from error
        if done.returncode != 0:
            raise Skip("no disk can be made here")
    stage.actions.append(lambda: subprocess.run(["umount", "-l", folder], check=False, timeout=10,
                                                capture_output=True))
    device = os.path.basename(run("findmnt", "-no", "SOURCE", folder).strip())
    trigger = f"/sys/fs/ext4/{device}/trigger_fs_error"
    if not os.access(trigger, os.W_OK):
        raise Skip("ext4 does not offer to fail")
    return folder, lambda: write(trigger, "1\n")


@promise("S50", "The cache stays within its limit", seconds=60)
def a_disk_that_turns_read_only_is_served_past(stage):
    disk, fail = own_disk(stage, "failing-disk", 128 * MIB)
    mount = stage.mount(stage.server, "hf://models", "failing", "failing-disk/cache").start()
    kept = f"{mount.path}/{NAME}@v1/part-1.bin"
    equal(read(kept), noise(1, 3 * MIB + 1))
    time.sleep(1)
    fail()
    with raises(errno.EROFS, "the disk"):
        write(os.path.join(disk, "others"), b"x")
    for index in (2, 3):
        equal(read(f"{mount.path}/{NAME}@v1/part-{index}.bin"), noise(index, 3 * MIB + index),
              "past a read-only disk")
    drop_pages(kept)
    equal(read(kept), noise(1, 3 * MIB + 1), "what was there")
    expect("cannot be written" in mount.log() or mount.problems(), mount.problems())
    mount.end()
    said = stage.modelfs("mount", "hf://models", mount.path, "--cache", mount.cache, code=None)
    says(said, "Read-only file system")
    run("umount", disk)
    run("mount", "-o", "loop", disk + ".img", disk)
    mount.start()
    for index in (1, 2, 3):
        equal(read(f"{mount.path}/{NAME}@v1/part-{index}.bin"), noise(index, 3 * MIB + index),
              "after a repair")
    mount.end()


def disk_use(folder):
    """Bytes that the payload takes on the disk."""
    total = 0
    for pattern in ("flat/*/*", "packs/*"):
        for path in glob.glob(os.path.join(folder, pattern)):
            try:
                total += os.stat(path).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


@promise("S61", "What is pinned or in use goes last", seconds=100)
def pins_and_uses_keep_contents(stage):
    mount = stage.mount(stage.server, "hf://models", "pinned", "cache-pinned")
    mount.start("--cache-size", "80000000")
    shown = snapshot(f"{mount.path}/{NAME}@v1")
    prove(mount)
    cache(stage, mount, "pin", f"{NAME}@v1")
    for index in range(12):
        read(f"{mount.path}/acme/many/{index:02}.bin")
    expect(mount.status()["fileSystem"]["cache"]["evictions"] > 0, "nothing was evicted")
    listing = answer(stage, mount, "list", f"{NAME}@v1")["revisions"][0]
    equal(listing["cachedBytes"], listing["sizeBytes"], "what was pinned")
    cache(stage, mount, "unpin", f"{NAME}@v1")
    kept = f"{mount.path}/{NAME}@v1/part-1.bin"
    held = os.open(kept, os.O_RDONLY)
    drop_names()
    for index in range(12):
        path = f"{mount.path}/acme/many/{index:02}.bin"
        read(path)
        drop_pages(path)
        drop_names()
    equal(int(os.getxattr(kept, "user.modelfs.cached")), os.fstat(held).st_size, "held open")
    os.close(held)
    equal(snapshot(f"{mount.path}/{NAME}@v1"), shown)
    mount.end()


@promise("S62", "A crash loses what was still being fetched, and nothing else",
         seconds=100 + 10 * KILL_ROUNDS)
def killed_while_filling(stage):
    mount = stage.mount(stage.server, "hf://models", "killed", "cache-killed")
    moments = random.Random(KILL_ROUNDS)
    for _ in range(KILL_ROUNDS):
        mount.start("--cache-size", "100000000", "--hot-size", "30%")
        reader = stage.python(
            "import os, sys\n"
            "for name in sorted(os.listdir(sys.argv[1])):\n"
            "    open(os.path.join(sys.argv[1], name), 'rb').read()\n",
            f"{mount.path}/acme/many")
        time.sleep(moments.uniform(0.1, 1.5))
        mount.kill()
        reader.wait(20)
        run("umount", "-l", mount.path, code=None)
        check = answer(stage, mount, "verify")
        equal(check["damagedCount"], 0, "damage after a crash")
    stage.server.stop()
    mount.start("--cache-size", "100000000", "--hot-size", "30%")
    held = sum(int(os.getxattr(f"{mount.path}/acme/many/{index:02}.bin", "user.modelfs.cached"))
               == 16 * MIB for index in range(12))
    for index in range(12):
        path = f"{mount.path}/acme/many/{index:02}.bin"
        if int(os.getxattr(path, "user.modelfs.cached")) == 16 * MIB:
            equal(read(path) == noise(500 + index, 16 * MIB), True, "bytes after crashes")
    print(f"         {KILL_ROUNDS} kills, {held} of 12 files whole")
    mount.end()
    stage.server.start()
    mount.start("--cache-size", "1GB", "--hot-size", "30%")
    for index in range(12):
        path = f"{mount.path}/acme/many/{index:02}.bin"
        cached = int(os.getxattr(path, "user.modelfs.cached"))
        before = mount.fetched()
        equal(read(path) == noise(500 + index, 16 * MIB), True, "bytes after crashes")
        equal(mount.fetched() - before, 16 * MIB - cached, "fetched of", path)
    mount.end()


@promise("S27", "One daemon serves a cache")
def two_never_open_one_cache(stage):
    mount, _ = filled(stage, "single")
    os.makedirs(stage.path("second"), exist_ok=True)
    said = stage.modelfs("mount", "--foreground", "hf://models", stage.path("second"), "--cache",
                         mount.cache, code=11)
    says(said, "already served")
    mount.end()
    racing = [subprocess.Popen([stage.programs.modelfs, "cache", "list", "--cache", mount.cache],
                               env=stage.programs.environment(), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE) for _ in range(6)]
    for process in racing:
        process.communicate(timeout=30)
        equal(process.returncode, 0, "commands that race")


def schema_version(path, version):
    """Sets the version of a database; gives what it was."""
    database = sqlite3.connect(path)
    before = database.execute("PRAGMA user_version").fetchone()[0]
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    return before


@promise("S63", "A cache of another format is refused")
def other_formats_are_refused(stage):
    mount, _ = filled(stage, "format")
    mount.end()
    path = os.path.join(mount.cache, "format")
    ours = read(path)
    write(path, "modelfs cache 9999\n")
    for words in (("cache", "list"), ("cache", "verify")):
        said = stage.modelfs(*words, "--cache", mount.cache, code=5)
        says(said, "9999")
    said = stage.modelfs("mount", "hf://models", mount.path, "--cache", mount.cache, code=5)
    says(said, "9999")
    write(path, ours)
    for name in ("store.db", "catalog.db"):
        ours = schema_version(os.path.join(mount.cache, name), 9999)
        said = stage.modelfs("cache", "list", "--cache", mount.cache, code=5)
        expect("version" in said or "newer" in said, said)
        schema_version(os.path.join(mount.cache, name), ours)
    answer(stage, mount, "list")


main(__name__, prepare)
