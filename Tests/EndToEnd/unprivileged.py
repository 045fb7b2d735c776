#!/usr/bin/env python3
# seconds: 60
# needs: root
"""A mount by somebody who is not root: through fusermount3, for that user alone.

Run in a mount namespace of its own, where the device is open to all, as on most machines.
"""

import errno
import json
import os
import shutil
import subprocess
import sys

from suite import (Skip, drop_pages, equal, expect, main, noise, promise, raises, run, says,
                   wait_for, write)

NAME = "acme/plain"
USER = "nobody"
LARGE = noise(1, 3_000_000)


def prepare(stage):
    if not shutil.which("runuser") or not shutil.which("fusermount3"):
        raise Skip("runuser or fusermount3 is missing")
    open_the_device(stage)
    stage.program = stage.path("bin", "modelfs")
    os.makedirs(stage.path("bin"))
    shutil.copy2(stage.programs.modelfs, stage.program)
    for path in (stage.scratch, stage.path("bin")):
        os.chmod(path, 0o755)
    stage.home = stage.path("home")
    os.makedirs(stage.home)
    shutil.chown(stage.home, USER)
    done = as_user(stage, stage.program, "--version")
    if done.returncode != 0:
        raise Skip(f"{USER} cannot run the program: {done.stderr.strip()[-200:]}")
    write(stage.path("source/config.json"), "{}")
    write(stage.path("source/large.bin"), LARGE)
    hub = stage.hub()
    hub.add(NAME, stage.path("source"), "--tag", "v1")
    hub.start()
    stage.server = hub
    stage.cache = stage.home + "/cache"


def open_the_device(stage):
    """In this namespace alone, for everybody."""
    device = stage.path("fuse")
    try:
        os.mknod(device, 0o20666, os.stat("/dev/fuse").st_rdev)
        os.chmod(device, 0o666)
        run("mount", "--bind", device, "/dev/fuse")
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except (OSError, AssertionError) as error:
        raise Skip(f"no open device could be made: {error}") from error


def as_user(stage, *command, user=USER):
    return subprocess.run(
        ["runuser", "-u", user, "--", *command], check=False, capture_output=True, text=True,
        timeout=30, stdin=subprocess.DEVNULL, cwd="/",
        env=stage.programs.environment(HF_ENDPOINT=stage.server.endpoint if stage.hubs else None,
                                       HOME=stage.home, HF_HOME=stage.home + "/hf"))


def modelfs(stage, *words, code=0):
    done = as_user(stage, stage.program, *words)
    equal(done.returncode, code, " ".join(words), done.stdout, done.stderr)
    return done.stdout + done.stderr


def place(stage, name):
    path = f"{stage.home}/{name}"
    os.makedirs(path, exist_ok=True)
    shutil.chown(path, USER)
    return path


@promise("S26", "As another user, each mount is a filesystem of its own")
def a_user_can_mount(stage):
    tree, revision = place(stage, "tree"), place(stage, "revision")
    modelfs(stage, "mount", tree, f"hf://{NAME}@v1", revision, "--cache", stage.cache)
    for path in (f"{tree}/{NAME}@v1/large.bin", revision + "/large.bin"):
        done = as_user(stage, "cmp", path, stage.path("source/large.bin"))
        equal(done.returncode, 0, done.stdout, done.stderr)
    devices = {as_user(stage, "stat", "-c", "%d", path).stdout for path in (tree, revision)}
    equal(len(devices), 2, "devices")
    owner = as_user(stage, "stat", "-c", "%U", f"{tree}/{NAME}@v1/config.json").stdout.strip()
    equal(owner, USER)
    stage.user_tree, stage.user_revision = tree, revision


@promise("S26", "As another user, each mount is a filesystem of its own")
def nobody_else_can_look(stage):
    with raises(errno.EACCES, "root in another user's mount"):
        os.listdir(stage.user_revision)
    done = as_user(stage, "ls", stage.user_tree, user="daemon")
    expect(done.returncode != 0 and "denied" in done.stderr, done.stderr)


@promise("S26", "As another user, each mount is a filesystem of its own")
def pages_are_not_shared_but_the_cache_is(stage):
    def status():
        return json.loads(modelfs(stage, "status", "--json", "--cache", stage.cache))["fileSystem"]
    before = status()
    extra = place(stage, "extra")
    modelfs(stage, "mount", f"hf://{NAME}@v1", extra, "--cache", stage.cache)
    done = as_user(stage, "cmp", extra + "/large.bin", stage.path("source/large.bin"))
    equal(done.returncode, 0, done.stderr)
    after = status()
    equal(after["bytesFetched"], before["bytesFetched"], "bytes fetched again")
    expect(after["kernelMessages"]["READ"] > before["kernelMessages"]["READ"], "no READ of its own")
    modelfs(stage, "umount", extra, "--cache", stage.cache)


@promise("S26", "As another user, each mount is a filesystem of its own")
def allow_other_needs_permission(stage):
    shared = place(stage, "shared")
    conf = stage.path("fuse.conf")
    write(conf, "# nothing is allowed\n")
    if not os.path.exists("/etc/fuse.conf"):
        raise Skip("there is no /etc/fuse.conf")
    run("mount", "--bind", conf, "/etc/fuse.conf")
    said = modelfs(stage, "mount", "--allow-other", shared, "--cache", stage.cache, code=3)
    says(said, "user_allow_other", "/etc/fuse.conf")
    write(conf, "user_allow_other\n")
    modelfs(stage, "mount", "--allow-other", f"hf://{NAME}@v1", shared, "--cache", stage.cache)
    equal(sorted(os.listdir(shared)), ["config.json", "large.bin"])
    drop_pages(shared + "/config.json")
    modelfs(stage, "umount", shared, "--cache", stage.cache)


@promise("S53", "A mount that fails says what is wrong and what to do")
def a_user_is_told_what_is_missing(stage):
    mine = stage.path("root-owned")
    os.makedirs(mine)
    said = modelfs(stage, "mount", mine, "--cache", stage.cache, code=4)
    says(said, "cannot be used")
    said = modelfs(stage, "mount", place(stage, "elsewhere"), "--cache", "/root/cache", code=5)
    says(said, "cannot be written")
    os.chmod("/dev/fuse", 0o600)
    said = modelfs(stage, "mount", place(stage, "elsewhere"), "--cache", stage.home + "/cache2",
                   code=3)
    says(said, "/dev/fuse cannot be opened")
    os.chmod("/dev/fuse", 0o666)


@promise("S28", "An unmount is orderly")
def a_user_can_unmount(stage):
    for path in (stage.user_tree, stage.user_revision):
        modelfs(stage, "umount", path, "--cache", stage.cache)
    wait_for(lambda: as_user(stage, stage.program, "status", "--cache",
                             stage.cache).returncode == 9, 5, "the end with the last mount")


if __name__ == "__main__" and "MODELFS_OWN_NAMESPACE" not in os.environ:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        print("needs root and unshare")
        sys.exit(77)
    os.environ["MODELFS_OWN_NAMESPACE"] = "yes"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                          *sys.argv])
main(__name__, prepare)
