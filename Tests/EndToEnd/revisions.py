#!/usr/bin/env python3
# seconds: 180
"""Commits that never change, refs that move, pinned mounts, and how rarely the Hub is asked."""

import calendar
import errno
import os
import subprocess
import time

from suite import (drop_names, equal, expect, main, promise, raises, read, run, snapshot, wait_for,
                   write)

MANY = "acme/many"
FOLDERS, FILES = 110, 10_000


def prepare(stage):
    hub = stage.hub()
    folder = stage.path("many")
    for index in range(FILES):
        # Ten folders at the top with ten in each of them: 110 with files in all.
        number = index % FOLDERS
        place = f"top{number}" if number < 10 else f"top{number % 10}/sub{number // 10}"
        # Few contents, since what is counted is names, and the local Hub syncs every content.
        write(f"{folder}/{place}/file{index:05}.txt", f"content {index % 300}")
    hub.add(MANY, folder)
    for version in ("one", "two", "three"):
        write(stage.path(version, "version.txt"), version)
        write(stage.path(version, "same.txt"), "never changes")
        write(stage.path(version, "sub/inner.txt"), version)
    hub.add("acme/moving", stage.path("one"))
    hub.start()
    stage.server = hub


def list_all(path):
    return subprocess.run(["ls", "-lR", path], capture_output=True, text=True, check=True,
                          timeout=60).stdout


@promise("S9", "A commit is asked for once")
def ten_thousand_files_cost_fourteen_requests(stage):
    mount = stage.mount(stage.server, "hf://models", "many-mount", "cache-many").start()
    before = stage.server.requests()
    listed = list_all(f"{mount.path}/{MANY}")
    equal(sum(1 for line in listed.splitlines() if line.startswith("-r--r--r--")), FILES)
    used = stage.server.requests() - before
    expect(used <= 14, "requests:", used, stage.server.stats()["requests"])
    print(f"         ls -lR of {FILES} files: {used} requests")
    before = stage.server.requests()
    drop_names()
    equal(list_all(f"{mount.path}/{MANY}"), listed)
    equal(stage.server.requests(), before, "requests of the second time")
    # The default branch may be asked for again after its lifetime, so the commit is named.
    commit = os.getxattr(f"{mount.path}/{MANY}", "user.modelfs.commit").decode()
    mount.restart("--ref-ttl", "1h")
    before = stage.server.requests()
    began = time.monotonic()
    list_all(f"{mount.path}/{MANY}")
    list_all(f"{mount.path}/{MANY}@{commit}")
    print(f"         twice after a restart: {time.monotonic() - began:.2f} s")
    equal(stage.server.requests(), before, "requests after a restart")
    run("find", f"{mount.path}/{MANY}@{commit}", "-type", "f", "-size", "+0",
        "-newermt", "2020-01-01")
    equal(stage.server.requests(), before, "requests of find")
    mount.end()


@promise("S10", "A ref is resolved once in --ref-ttl")
def a_ref_is_asked_for_after_its_lifetime(stage):
    stage.server.add("acme/aging", stage.path("one"))
    mount = stage.mount(stage.server, "hf://models", "aging", "cache-aging")
    mount.start("--ref-ttl", "2s")
    file = f"{mount.path}/acme/aging@main/version.txt"
    equal(read(file), b"one")
    stage.server.add("acme/aging", stage.path("two"))
    equal(read(file), b"one", "within the lifetime")
    before = stage.server.requests()
    for _ in range(50):
        read(file)
    expect(stage.server.requests() - before <= 1)
    wait_for(lambda: read(file) == b"two", 5, "the moved ref")
    mount.end()


@promise("S10", "A ref is resolved once in --ref-ttl")
def an_old_ref_serves_while_the_hub_is_away(stage):
    stage.server.add("acme/away", stage.path("one"))
    mount = stage.mount(stage.server, "hf://models", "away", "cache-away").start("--ref-ttl", "1s")
    file = f"{mount.path}/acme/away@main/version.txt"
    equal(read(file), b"one")
    stage.server.stop()
    try:
        time.sleep(2.1)
        began = time.monotonic()
        equal(read(file), b"one")
        expect(time.monotonic() - began < 2.5, "the old commit took too long")
        began = time.monotonic()
        time.sleep(1)
        equal(read(file), b"one")
        expect(time.monotonic() - began < 1.5, "not at once the second time")
    finally:
        stage.server.start()
    mount.end()


@promise("S11", "A ref that moved leads to a new directory")
def who_stands_in_the_old_directory_keeps_it(stage):
    mount = stage.mount(stage.server, "hf://models", "moving", "cache-moving")
    mount.start("--ref-ttl", "1s")
    top = f"{mount.path}/acme/moving@main"
    file = os.open(top + "/version.txt", os.O_RDONLY)
    stays = stage.python(
        "import os, sys\n"
        "os.chdir(sys.argv[1]); print('in', flush=True); sys.stdin.readline()\n"
        "print(open('version.txt').read(), open('sub/inner.txt').read(), os.stat('.').st_ino)\n",
        top)
    equal(stays.stdout.readline(), "in\n")
    node = os.stat(top).st_ino
    stage.server.add("acme/moving", stage.path("two"))
    wait_for(lambda: read(top + "/version.txt") == b"two", 5, "the moved ref")
    expect(os.stat(top).st_ino != node, "the node is the old one")
    equal(os.pread(file, 100, 0), b"one", "an open file")
    os.close(file)
    said, _ = stays.communicate("\n", timeout=10)
    equal(said.split()[:3], ["one", "one", str(node)], "the old working directory")
    mount.end()


@promise("S12", "A mount of a revision is pinned when it is mounted")
def a_mounted_ref_stays(stage):
    stage.server.add("acme/pinned", stage.path("one"))
    mount = stage.mount(stage.server, "hf://acme/pinned@main", "pinned", "cache-pinned")
    mount.start("--ref-ttl", "1s")
    tree = mount.add("hf://models", "pinned-tree")
    folder = mount.add("hf://acme/pinned@main/sub", "pinned-folder")
    stage.server.add("acme/pinned", stage.path("two"))
    wait_for(lambda: read(tree.path + "/acme/pinned@main/version.txt") == b"two", 5, "the tree")
    equal(read(mount.path + "/version.txt"), b"one")
    equal(read(folder.path + "/inner.txt"), b"one")
    commit = os.getxattr(mount.path, "user.modelfs.commit").decode()
    told = {entry["mountpoint"]: entry.get("commit") for entry in mount.status()["mounts"]}
    equal(told[mount.path], commit)
    expect(commit[:12] in stage.modelfs("status", "--cache", mount.cache))
    mount.restart()
    equal(read(mount.path + "/version.txt"), b"two", "mounted again")
    mount.end()


@promise("S13", "Equal contents are one file node")
def equal_contents_have_one_inode(stage):
    for version, tag in (("one", "v1"), ("two", "v2")):
        stage.server.add("acme/shared", stage.path(version), "--tag", tag)
    stage.server.add("other/copy", stage.path("one"))
    mount = stage.mount(stage.server, "hf://models", "shared", "cache-shared").start()
    top = mount.path
    nodes = {os.stat(f"{top}/{place}/same.txt").st_ino
             for place in ("acme/shared@v1", "acme/shared@v2", "other/copy")}
    equal(len(nodes), 1, "nodes of one content")
    expect(os.stat(top + "/acme/shared@v1/version.txt").st_ino
           != os.stat(top + "/acme/shared@v2/version.txt").st_ino)
    equal(os.stat(top + "/acme/shared@v1/same.txt").st_nlink, 1)
    read(top + "/acme/shared@v1/same.txt")
    before = mount.fetched()
    read(top + "/other/copy/same.txt")
    equal(mount.fetched(), before, "bytes fetched of a known content")
    stage.shared = mount


@promise("S14", "A content's time never changes")
def times_are_those_of_the_first_commit(stage):
    top = stage.shared.path
    first = os.stat(top + "/acme/shared@v1/same.txt")
    equal((first.st_mtime_ns, first.st_ctime_ns), (first.st_atime_ns, first.st_mtime_ns))
    expect(abs(first.st_mtime - time.time()) < 300, "the commit was made now")
    time.sleep(1.1)
    write(stage.path("later", "same.txt"), "never changes")
    write(stage.path("later", "new.txt"), "later")
    stage.server.add("acme/shared", stage.path("later"), "--tag", "later")
    again = os.stat(top + "/acme/shared@later/same.txt")
    equal(again.st_mtime_ns, first.st_mtime_ns, "the time of a content in a later commit")
    later = os.stat(top + "/acme/shared@later/new.txt")
    expect(later.st_mtime > first.st_mtime, "a new content has the date of the new commit")
    equal(os.stat(top + "/acme/shared@later").st_mtime_ns, later.st_mtime_ns, "its directory")
    stage.shared.restart()
    equal(os.stat(top + "/acme/shared@later/same.txt").st_mtime_ns, first.st_mtime_ns)


@promise("S15", "A directory has one name")
def directories_of_one_commit_differ(stage):
    stage.server.add("acme/shared", stage.path("one"), "--revision", "branch", "--tag", "v1b")
    top = stage.shared.path + "/acme/shared@"
    commit = os.getxattr(top + "v1", "user.modelfs.commit").decode()
    nodes = [os.stat(top + name).st_ino for name in ("v1", commit)]
    equal(len(set(nodes)), 2, "directories with one node")
    equal(len({os.stat(f"{top}{name}/sub").st_ino for name in ("v1", commit)}), 2)
    equal(os.stat(top + "v1").st_nlink, 3, "one folder below")
    equal(os.stat(top + "v1/sub").st_nlink, 2)
    equal(os.stat(top + "v1/sub/inner.txt").st_ino, os.stat(f"{top}{commit}/sub/inner.txt").st_ino)
    equal(snapshot(top + "v1"), snapshot(stage.path("one")))
    with raises(errno.ENOTDIR):
        os.stat(top + "v1/same.txt/x")
    expect(calendar.timegm(time.gmtime()) >= os.stat(top + "v1").st_mtime)


main(__name__, prepare)
