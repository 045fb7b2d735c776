#!/usr/bin/env python3
# seconds: 120
"""Without a Hub: restarts, deadlines, what is known to be away, and its return."""

import errno
import os
import subprocess
import time

from suite import (drop_names, drop_pages, equal, expect, main, noise, promise, raises, read, says,
                   wait_for, within, write)

NAME = "acme/offline"
COUNT = 500


def prepare(stage):
    folder = stage.path("source")
    for index in range(COUNT):
        write(f"{folder}/folder{index % 20}/file{index}.txt", f"text {index}")
    write(folder + "/large.bin", noise(1, 6_000_000))
    write(folder + "/never-read.bin", noise(2, 3_000_000))
    stage.source_of_one = stage.path("one")
    write(stage.source_of_one + "/one.txt", "1")
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.add("acme/unseen", folder)
    hub.add("other/alone", stage.source_of_one)
    hub.add("other/second", stage.source_of_one)
    hub.start()
    stage.server = hub
    stage.source = folder
    stage.tree = stage.mount(hub).start("--read-deadline", "3s", "--ref-ttl", "1s")
    stage.top = f"{stage.tree.path}/{NAME}"
    stage.listed = list_all(stage.top)
    equal(read(stage.top + "/large.bin"), noise(1, 6_000_000))
    for index in range(COUNT):
        read(f"{stage.top}@v1/folder{index % 20}/file{index}.txt")
    # By its source, so that nobody has looked for its owner.
    stage.modelfs("prefetch", "hf://other/alone@main", "--cache", stage.tree.cache)
    stage.versions = os.listdir(stage.top + "@")
    os.listdir(stage.tree.path + "/acme")


def list_all(path):
    return subprocess.run(["ls", "-lR", "."], capture_output=True, text=True, check=True,
                          timeout=30, cwd=path).stdout


@promise("S44", "A restart without a Hub is as good as one with it")
def all_that_is_cached_works_at_once(stage):
    stage.tree.end()
    stage.server.stop()
    with within(2, "the mount"):
        stage.tree.start("--read-deadline", "3s", "--ref-ttl", "1s")
    # The first look at an old ref waits for the Hub a moment, and no look after it.
    with within(2, "the first look"):
        os.stat(stage.top)
    with within(1.5, "ls -lR"):
        equal(list_all(stage.top), stage.listed)
    with within(1.5, "every cached byte"):
        equal(read(stage.top + "/large.bin"), noise(1, 6_000_000))
        for index in range(COUNT):
            equal(read(f"{stage.top}@v1/folder{index % 20}/file{index}.txt"),
                  f"text {index}".encode())
    with within(1.5, "versions and owners"):
        equal(os.listdir(stage.top + "@"), stage.versions)
        expect("offline" in os.listdir(stage.tree.path + "/acme"))
        expect("acme" in os.listdir(stage.tree.path))


@promise("S44", "A restart without a Hub is as good as one with it")
def a_revision_can_be_mounted(stage):
    with within(2.5, "the mount of a revision"):
        mount = stage.tree.add(f"hf://{NAME}@v1", "revision")
    equal(read(mount.path + "/folder1/file1.txt"), b"text 1")
    mount.stop()
    os.makedirs(stage.path("unseen"), exist_ok=True)
    told = stage.modelfs("mount", "hf://acme/unseen@main", stage.path("unseen"), "--cache",
                         stage.tree.cache, code=6)
    expect("not cached yet" in told and "is not reachable" in told, told)


@promise("S44", "A restart without a Hub is as good as one with it")
def an_owner_that_was_never_listed_shows_what_was_used(stage):
    for options in ((), ("--offline",)):
        stage.tree.restart("--read-deadline", "3s", "--ref-ttl", "1h", *options)
        # From here on the owner is found by its name, and its folder is used without a list.
        equal(sorted(os.listdir(stage.tree.path + "/other")), ["alone", "alone@main"], options)
        equal(os.getxattr(stage.tree.path + "/other", "user.modelfs.truncated"), b"yes")
        expect("cannot be listed" in stage.tree.problems(), stage.tree.problems())
        with within(4.5, "ls -lR of what was fetched"):
            expect("one.txt" in list_all(stage.tree.path + "/other/alone@main"))


@promise("S42", "An unreachable Hub is EIO after the deadline")
def an_unknown_name_is_soon_an_error_where_nobody_listens(stage):
    stage.tree.restart("--ref-ttl", "1h")
    path = stage.tree.path + "/acme/elsewhere@main"
    with within(4.5, "the first lookup"), raises(errno.EIO):
        os.stat(path)
    with within(0.3, "the next one"), raises(errno.EIO):
        os.stat(path)


@promise("S42", "An unreachable Hub is EIO after the deadline")
def what_is_not_cached_is_an_error(stage):
    stage.tree.restart("--read-deadline", "3s", "--ref-ttl", "1h")
    path = stage.top + "@v1/never-read.bin"
    began = time.monotonic()
    with raises(errno.EIO, "the first read"):
        read(path)
    took = time.monotonic() - began
    expect(took <= 4.5, f"the first error came after {took:.1f} s")
    with within(0.3, "an error while the Hub is known to be away"), raises(errno.EIO):
        read(path)
    with within(0.3, "a lookup while it is"), raises(errno.EIO):
        os.stat(stage.tree.path + "/acme/unseen@main/config.json")
    drop_pages(stage.top + "@v1/large.bin")
    equal(read(stage.top + "@v1/large.bin"), noise(1, 6_000_000), "cached bytes")
    equal(stage.tree.status()["fileSystem"]["hub"]["state"], "away")
    page = stage.modelfs("status", "--cache", stage.tree.cache)
    says(page, "not reachable")


@promise("S42", "An unreachable Hub is EIO after the deadline", 60)
def all_is_well_when_it_answers_again(stage):
    # What was shown of an owner without a list must not be taken for one.
    others = os.listdir(stage.tree.path + "/other")
    equal(sorted(others), ["alone", "alone@main"])
    stage.server.start()
    wait_for(lambda: stage.tree.status()["fileSystem"]["hub"]["state"] == "present", 31, "a probe")
    equal(read(stage.top + "@v1/never-read.bin"), noise(2, 3_000_000))
    expect(os.path.exists(stage.tree.path + "/acme/unseen@main/large.bin"))
    expect("reachable again" in stage.tree.log())
    wait_for(lambda: "second" in os.listdir(stage.tree.path + "/other"), 10, "the whole list")
    equal(os.getxattr(stage.tree.path + "/other", "user.modelfs.truncated"), b"no")


@promise("S45", "Offline means that the Hub is not asked")
def offline_asks_nothing(stage):
    for options, variables in ((("--offline",), {}), ((), {"HF_HUB_OFFLINE": "1"})):
        stage.tree.restart("--ref-ttl", "1s", *options, **variables)
        before = stage.server.requests()
        drop_names()
        equal(list_all(stage.top), stage.listed)
        equal(read(stage.top + "@v1/large.bin"), noise(1, 6_000_000))
        for path in ("/acme/elsewhere@main", "/nobody/nothing"):
            with within(0.3, path), raises(errno.EIO, path):
                os.stat(stage.tree.path + path)
        equal(stage.server.requests(), before, "requests while offline")
        equal(stage.tree.status()["fileSystem"]["hub"]["state"], "offline")
    os.makedirs(stage.path("unknown"), exist_ok=True)
    told = stage.modelfs("mount", "hf://acme/elsewhere@main", stage.path("unknown"), "--cache",
                         stage.tree.cache, code=6)
    expect("offline" in told, told)
    stage.tree.end()


main(__name__, prepare)
