#!/usr/bin/env python3
# seconds: 120
"""The official client's cache as a source: what it has downloaded is not fetched again."""

import glob
import os

from suite import (PLAIN, XET, equal, expect, main, noise, promise, read, says, snapshot,
                   wait_for, write)

NAME = "acme/model"
MEBI = 1 << 20
FILES = {"model.safetensors": noise(1, 12 * MEBI), "deep/config.json": b"{}",
         "vocabulary.txt": noise(2, 300_000)}


def prepare(stage):
    folder = stage.path("source")
    for name, data in FILES.items():
        write(f"{folder}/{name}", data)
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.start(xet=True)
    stage.server = hub
    stage.filled = 0


def filled(stage):
    """A client's cache, made by the client itself."""
    stage.filled += 1
    home = stage.path(f"hf-{stage.filled}")
    program = (f"from huggingface_hub import snapshot_download\n"
               f"print(snapshot_download('{NAME}', revision='v1'))\n")
    said, errors = stage.python(program, env=stage.programs.environment(
        HF_HOME=home, HF_ENDPOINT=stage.server.endpoint)).communicate(timeout=60)
    expect(said.strip(), errors)
    return home


def fresh(stage, home, way=PLAIN):
    mount = stage.mount(stage.server, "hf://models", "tree", f"cache-{stage.filled}")
    return mount.start(HF_HOME=home, MODELFS_HF_CACHE="on", **(way or PLAIN))


@promise("S102", "What the official client has downloaded is not fetched again", ways=(PLAIN, XET))
def a_cold_mount_fetches_no_byte(stage):
    home = filled(stage)
    mount = fresh(stage, home, stage.way)
    stats = stage.server.stats()
    for name, data in FILES.items():
        equal(read(f"{mount.path}/{NAME}@v1/{name}"), data, name)
    after = stage.server.stats()
    for kind in ("dataBytes", "xorbBytes"):
        equal(after[kind], stats[kind], kind)
    equal(mount.status()["fileSystem"]["bytesFetched"], 0)
    wait_for(lambda: os.getxattr(f"{mount.path}/{NAME}@v1/model.safetensors",
                                 "user.modelfs.verified").startswith(b"yes "), 5, "the proof")
    mount.end()


@promise("S102", "What the official client has downloaded is not fetched again")
def what_is_damaged_or_half_there_comes_from_the_hub(stage):
    home = filled(stage)
    blobs = {os.path.getsize(path): path
             for path in glob.glob(f"{home}/hub/models--*/blobs/*")}
    large, small = (os.path.realpath(blobs[len(FILES[name])])
                    for name in ("model.safetensors", "vocabulary.txt"))
    with open(large, "r+b") as file:
        file.seek(5 * MEBI)
        file.write(b"not what it was")
    os.truncate(small, 1000)
    os.unlink(blobs[2])
    os.symlink("nowhere", blobs[2])
    mount = fresh(stage, home)
    place = f"{mount.path}/{NAME}@v1"
    equal(read(place + "/vocabulary.txt"), FILES["vocabulary.txt"])
    equal(read(place + "/deep/config.json"), b"{}")
    read(place + "/model.safetensors")
    # As with wrong bytes from a Hub: dropped when the last byte was there, and fetched anew.
    wait_for(lambda: read(place + "/model.safetensors") == FILES["model.safetensors"], 15,
             "the right bytes")
    wait_for(lambda: os.getxattr(place + "/model.safetensors", "user.modelfs.verified")
             .startswith(b"yes "), 10, "the proof")
    mount.end()


@promise("S102", "What the official client has downloaded is not fetched again")
def it_can_be_left_alone(stage):
    home = filled(stage)
    mount = stage.mount(stage.server, "hf://models", "tree", "cache-off")
    mount.start(HF_HOME=home, MODELFS_HF_CACHE="off", **PLAIN)
    before = stage.server.data_bytes()
    read(f"{mount.path}/{NAME}@v1/model.safetensors")
    equal(stage.server.data_bytes() - before, 12 * MEBI)
    mount.end()


@promise("S102", "What the official client has downloaded is not fetched again")
def its_listings_stand_in_while_the_hub_cannot_be_asked(stage):
    home = filled(stage)
    offline = {"HF_HOME": home, "MODELFS_HF_CACHE": "on", **PLAIN}
    mount = stage.mount(stage.server, f"hf://{NAME}@v1", "listed", "cache-listed")
    mount.start("--offline", **offline)
    for name, data in FILES.items():
        equal(read(f"{mount.path}/{name}"), data, name)
    equal(snapshot(mount.path), snapshot(stage.path("source")))
    commit = os.getxattr(mount.path, "user.modelfs.commit").decode()
    equal(mount.status()["fileSystem"]["bytesFetched"], 0)
    mount.end()
    # By its commit, without a daemon, and without an answer.
    folder = stage.path("listed-pull")
    stage.modelfs("pull", f"hf://{NAME}@{commit}", folder, "--cache", stage.path("cache-pull"),
                  HF_ENDPOINT="http://127.0.0.1:9", **offline)
    equal(read(folder + "/model.safetensors"), FILES["model.safetensors"])
    says(stage.modelfs("pull", f"hf://{NAME}@v7", folder, "--cache", stage.path("cache-pull"),
                       code=6, HF_ENDPOINT="http://127.0.0.1:9", **offline), "is not cached yet")
    # What is known here does not go back to what the client has noted.
    known = stage.mount(stage.server, "hf://models", "tree", "cache-known")
    known.start(HF_HOME=home, MODELFS_HF_CACHE="on", **PLAIN)
    equal(read(f"{known.path}/{NAME}@v1/deep/config.json"), b"{}")
    [reference] = glob.glob(f"{home}/hub/models--*/refs/v1")
    write(reference, "0" * 40)
    known.restart("--offline", **offline)
    equal(read(f"{known.path}/{NAME}@v1/deep/config.json"), b"{}")
    known.end()
    # A listing that is damaged is none.
    [listing] = glob.glob(f"{home}/hub/models--*/trees/*.json")
    write(reference, commit)
    os.truncate(listing, os.path.getsize(listing) // 2)
    stage.modelfs("pull", f"hf://{NAME}@v1", folder, "--cache", stage.path("cache-broken"), code=6,
                  HF_ENDPOINT="http://127.0.0.1:9", **offline)


main(__name__, prepare)
