#!/usr/bin/env python3
# seconds: 200
"""Pull: a revision as plain files, and in the official client's own cache."""

import json
import os
import subprocess
import time

from suite import (PLAIN, XET, equal, expect, main, noise, promise, read, says, snapshot, wait_for,
                   write)

NAME = "acme/model"
MEBI = 1 << 20


def prepare(stage):
    first = stage.path("source-v1")
    write(first + "/config.json", '{"version": 1}')
    write(first + "/model.safetensors", noise(1, 20 * MEBI))
    write(first + "/deep/er/tokenizer.json", noise(2, 300_000))
    write(first + "/deep/copy.json", noise(2, 300_000))
    write(first + "/empty", b"")
    write(first + "/old.txt", "only in v1")
    second = stage.path("source-v2")
    for name in ("model.safetensors", "deep/er/tokenizer.json", "deep/copy.json", "empty"):
        write(f"{second}/{name}", read(f"{first}/{name}"))
    write(second + "/config.json", '{"version": 2}')
    hub = stage.hub()
    hub.add(NAME, first, "--tag", "v1")
    hub.add(NAME, second, "--tag", "v2")
    hub.start(xet=True)
    stage.server = hub


def pull(stage, *words, cache="cache-alone", code=0, **variables):
    return stage.modelfs("pull", *words, "--cache", stage.path(cache), code=code,
                         HF_ENDPOINT=stage.server.endpoint, **variables)


def tree(folder):
    """The files of a folder, but those of the pull itself."""
    found = {}
    for place, folders, names in os.walk(folder):
        if ".modelfs" in folders:
            folders.remove(".modelfs")
        for name in names:
            path = os.path.join(place, name)
            found[os.path.relpath(path, folder)] = read(path)
    return found


def is_source(stage, folder, tag):
    expect(tree(folder) == tree(stage.path(f"source-{tag}")), folder, "differs from", tag)


@promise("S96", "A pull makes a real folder of a revision", ways=(PLAIN, XET))
def it_equals_what_was_put_into_the_hub(stage):
    name = "xet" if stage.way is XET else "plain"
    folder = stage.path(f"dest-{name}")
    said = json.loads(pull(stage, "--json", f"hf://{NAME}@v1", folder, cache=f"cache-{name}",
                           **stage.way))
    equal((said["fileCount"], said["writtenCount"], said["failedCount"]), (6, 6, 0))
    is_source(stage, folder, "v1")
    equal(os.listdir(folder + "/.modelfs").count("pull.json"), 1)
    expect(not [name for name in os.listdir(folder + "/.modelfs") if name.endswith(".half")],
           "half files are left")


@promise("S96", "A pull makes a real folder of a revision")
def a_second_one_touches_nothing(stage):
    folder = stage.path("dest-plain")
    before = {path: os.stat(os.path.join(folder, path)) for path in tree(folder)}
    sent = stage.server.data_bytes()
    said = json.loads(pull(stage, "--json", f"hf://{NAME}@v1", folder, cache="cache-plain",
                           **PLAIN))
    equal((said["unchangedCount"], said["writtenCount"]), (6, 0))
    after = {path: os.stat(os.path.join(folder, path)) for path in tree(folder)}
    for path, status in before.items():
        equal((after[path].st_ino, after[path].st_ctime_ns), (status.st_ino, status.st_ctime_ns))
    equal(stage.server.data_bytes(), sent, "bytes fetched again")


@promise("S96", "A pull makes a real folder of a revision")
def another_revision_costs_what_changed(stage):
    folder = stage.path("dest-plain")
    weights = os.stat(folder + "/model.safetensors")
    write(folder + "/mine.txt", "somebody's own")
    sent = stage.server.data_bytes()
    said = json.loads(pull(stage, "--json", f"hf://{NAME}@v2", folder, cache="cache-plain",
                           **PLAIN))
    equal((said["unchangedCount"], said["writtenCount"], said["removedCount"]), (4, 1, 1))
    equal(stage.server.data_bytes(), sent, "bytes of large files")
    equal(os.stat(folder + "/model.safetensors").st_ino, weights.st_ino)
    expect(os.path.exists(folder + "/mine.txt"), "a file of somebody else is gone")
    os.unlink(folder + "/mine.txt")
    is_source(stage, folder, "v2")


@promise("S96", "A pull makes a real folder of a revision")
def patterns_choose(stage):
    folder = stage.path("dest-some")
    pull(stage, "--include", "*.json", "--exclude", "deep/*", f"hf://{NAME}@v1", folder)
    equal(sorted(tree(folder)), ["config.json"])
    pull(stage, "--include", "deep/", f"hf://{NAME}@v1", folder)
    equal(sorted(tree(folder)), ["config.json", "deep/copy.json", "deep/er/tokenizer.json"])
    says(pull(stage, "--include", "*.onnx", f"hf://{NAME}@v1", folder, code=7), "no file of")
    pull(stage, f"hf://{NAME}@v1/deep/er", stage.path("dest-part"))
    equal(sorted(tree(stage.path("dest-part"))), ["deep/er/tokenizer.json"])


@promise("S97", "A pull replaces nobody's file")
def what_differs_is_left_alone(stage):
    folder = stage.path("dest-mine")
    write(folder + "/config.json", "mine, and of another length")
    write(folder + "/old.txt", "0nly in v1")
    said = pull(stage, f"hf://{NAME}@v1", folder, code=12)
    says(said, "has 2 files that no pull has put there", "--force")
    equal(sorted(tree(folder)), ["config.json", "old.txt"], "something was written")
    # What has the right bytes is right, whoever made it.
    write(folder + "/old.txt", "only in v1")
    write(folder + "/config.json", '{"version": 1}')
    said = json.loads(pull(stage, "--json", f"hf://{NAME}@v1", folder))
    equal((said["unchangedCount"], said["writtenCount"]), (2, 4))
    # What an earlier pull put there, and somebody has changed since, is somebody's.
    write(folder + "/config.json", "mine again")
    said = pull(stage, f"hf://{NAME}@v1", folder, code=12)
    says(said, "has a file that was changed since a pull put it there (config.json)",
         "--exclude config.json", "--force")
    expect("no pull has put there" not in said, said)
    write(folder + "/empty", "not empty any more")
    os.unlink(folder + "/.modelfs/pull.json")
    pull(stage, "--exclude", "empty", "--exclude", "config.json", f"hf://{NAME}@v1", folder)
    says(pull(stage, f"hf://{NAME}@v1", folder, code=12), "2 files that no pull has put there")
    pull(stage, "--force", f"hf://{NAME}@v1", folder)
    is_source(stage, folder, "v1")


@promise("S98", "A pull that was ended goes on")
def after_sigkill_it_fetches_the_rest(stage):
    folder, cache = stage.path("dest-killed"), stage.path("cache-killed")
    stage.server.weather(bandwidth="10MB/s")
    command = subprocess.Popen(
        [stage.programs.modelfs, "pull", f"hf://{NAME}@v1", folder, "--cache", cache],
        env=stage.programs.environment(HF_ENDPOINT=stage.server.endpoint, **PLAIN),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.2)
    command.kill()
    command.wait()
    stage.server.weather(bandwidth="off")
    expect("model.safetensors" not in tree(folder), "a half file has its name")
    sent = stage.server.data_bytes()
    said = json.loads(pull(stage, "--json", f"hf://{NAME}@v1", folder, cache="cache-killed",
                           **PLAIN))
    equal(said["failedCount"], 0)
    is_source(stage, folder, "v1")
    expect(stage.server.data_bytes() - sent < 20 * MEBI, "all of it came again")


@promise("S98", "A pull that was ended goes on", ways=(PLAIN, XET))
def what_came_wrong_gets_no_name_before_it_is_right(stage):
    way = "xet" if stage.way is XET else "plain"
    place = "/_xorb/*" if stage.way is XET else "/_data/*"
    for seed in range(4):
        stage.server.weather(faults=[f"flip,count=1,path={place}"], seed=seed)
        folder = stage.path(f"dest-flip-{way}-{seed}")
        pull(stage, f"hf://{NAME}@v1", folder, cache=f"cache-flip-{way}-{seed}", **stage.way)
        is_source(stage, folder, "v1")
    stage.server.faults()


@promise("S145", "Several endpoints are asked in order")
def endpoints_are_named_as_for_a_mount(stage):
    nobody = "http://127.0.0.1:9"
    folder = stage.path("dest-endpoints")
    words = ("--endpoint", stage.server.endpoint)
    for command in (("pull", f"hf://{NAME}@v1", folder), ("prefetch", f"hf://{NAME}@v1"),
                    ("alias", "set", "prod", f"{NAME}@v1")):
        stage.modelfs(*command, *words, "--cache", stage.path("cache-endpoints"),
                      HF_ENDPOINT=nobody)
    is_source(stage, folder, "v1")
    # The next one in line, where the first does not answer.
    folder = stage.path("dest-second")
    stage.modelfs("pull", f"hf://{NAME}@v1", folder, "--endpoint", nobody, *words, "--cache",
                  stage.path("cache-second"), HF_ENDPOINT=nobody)
    is_source(stage, folder, "v1")
    said = stage.modelfs("doctor", *words, "--cache", stage.path("cache-second"), code=None,
                         HF_ENDPOINT=nobody)
    says(said, f"{stage.server.endpoint} answers")
    for command in (("pull", f"hf://{NAME}@v1", folder), ("prefetch", f"hf://{NAME}@v1"),
                    ("alias", "set", "prod", f"{NAME}@v1"), ("doctor",)):
        said = stage.modelfs(*command, "--endpoint", "ftp://x", "--cache",
                             stage.path("cache-second"), code=2)
        says(said, "the endpoint 'ftp://x' is not a URL like")


@promise("S98", "A pull that was ended goes on")
def a_full_disk_is_said_and_leaves_nothing_half(stage):
    disk = stage.path("small-disk")
    os.makedirs(disk)
    if os.getuid() != 0:
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=True)
    stage.actions.append(lambda: subprocess.run(["umount", disk], check=False))
    folder = disk + "/dest"
    says(pull(stage, f"hf://{NAME}@v1", folder, cache="cache-plain", code=12), "No space left",
         "run the same command again")
    expect("model.safetensors" not in tree(folder), "a half file has its name")
    expect(not [name for name in os.listdir(folder + "/.modelfs") if name.endswith(".half")],
           "half files are left")
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    pull(stage, f"hf://{NAME}@v1", folder, cache="cache-plain")
    is_source(stage, folder, "v1")


@promise("S99", "What is pulled is cached, and what is cached is not fetched")
def a_mount_and_a_pull_share(stage):
    mount = stage.mount(stage.server, "hf://models", "tree", "cache-plain").start(**PLAIN)
    stage.server.stop()
    equal(read(f"{mount.path}/{NAME}@v2/model.safetensors"), noise(1, 20 * MEBI))
    # The daemon keeps the endpoints that it was started with, and that is said.
    said = stage.modelfs("pull", f"{mount.path}/{NAME}@v2", stage.path("dest-told"), "--endpoint",
                         "http://127.0.0.1:9", "--cache", mount.cache)
    says(said, "not used: --endpoint")
    says(stage.modelfs("alias", "set", "told", f"{NAME}@v2", "--endpoint", "http://127.0.0.1:9",
                       "--cache", mount.cache), "not used: --endpoint", "@told: nothing →")
    folder = stage.path("dest-offline")
    said = json.loads(stage.modelfs("pull", "--json", f"{mount.path}/{NAME}@v2", folder,
                                    "--cache", mount.cache))
    equal((said["writtenCount"], said["missingBytes"]), (5, 0))
    is_source(stage, folder, "v2")
    mount.end()
    stage.server.start(xet=True)


@promise("S100", "The official client finds what --hf-cache has put into its cache")
def from_pretrained_works_offline(stage):
    home = stage.path("hf-filled")
    for source in (f"hf://{NAME}@v1", f"hf://{NAME}"):
        pull(stage, "--hf-cache", source, cache="cache-plain", HF_HOME=home, **PLAIN)
    program = (
        "import sys\n"
        "from huggingface_hub import snapshot_download, hf_hub_download\n"
        f"print(snapshot_download('{NAME}', revision='v1'))\n"
        f"print(hf_hub_download('{NAME}', 'deep/er/tokenizer.json'))\n")
    lines = stage.python(program, env=stage.programs.environment(
        HF_HOME=home, HF_HUB_OFFLINE="1")).communicate(timeout=60)[0]
    snapshot_path, file = lines.split()
    is_source(stage, snapshot_path, "v1")
    equal(read(file), noise(2, 300_000))
    # A second one finds all of it; a damaged blob is mended.
    said = json.loads(pull(stage, "--json", "--hf-cache", f"hf://{NAME}@v1", cache="cache-plain",
                           HF_HOME=home, **PLAIN))
    equal((said["writtenCount"], said["unchangedCount"]), (0, 6))
    blob = os.path.realpath(snapshot_path + "/model.safetensors")
    with open(blob, "r+b") as damaged:
        damaged.write(b"broken")
    said = json.loads(pull(stage, "--json", "--hf-cache", f"hf://{NAME}@v1", cache="cache-plain",
                           HF_HOME=home, **PLAIN))
    equal(said["writtenCount"], 1)
    is_source(stage, snapshot_path, "v1")


@promise("S96", "A pull makes a real folder of a revision")
def what_is_wrong_is_said(stage):
    file = stage.path("a-file")
    write(file, "x")
    cases = (
        ((f"hf://{NAME}@v1",), 2, "DEST is missing"),
        (("--hf-cache", f"hf://{NAME}@v1", "/tmp/x"), 2, "--hf-cache takes no DEST"),
        ((f"hf://{NAME}@v9", stage.path("no")), 7, "v9"),
        (("hf://acme/none", stage.path("no")), 7, "acme/none"),
        ((f"{NAME}@v1", stage.path("no")), 2, f"Did you mean hf://{NAME}@v1?"),
        ((f"hf://{NAME}@v1", file), 12, "cannot be written to"),
        ((f"hf://{NAME}@v1", "/proc/none"), 12, "cannot be written to"),
    )
    for words, code, text in cases:
        says(pull(stage, *words, code=code), text)


main(__name__, prepare)
