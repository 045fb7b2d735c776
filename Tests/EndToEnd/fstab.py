#!/usr/bin/env python3
# seconds: 60
# needs: root
"""The helper of mount(8): called as mount(8) calls it for `mount -t modelfs` and for fstab."""

import os
import subprocess

from suite import PLAIN, equal, expect, main, noise, promise, read, says, wait_for, write

NAME = "acme/model"


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/model.bin", noise(1, 1 << 20))
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    stage.server = hub.start()
    # mount(8) looks for it in /sbin; what matters is the name that it is called by.
    stage.helper = stage.path("mount.modelfs")
    os.symlink(os.path.realpath(stage.programs.modelfs), stage.helper)


def helper(stage, *words, code=0):
    environment = stage.programs.environment(**PLAIN)
    environment.pop("MODELFS_CACHE")
    done = subprocess.run([stage.helper, *words], env=environment, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    equal(done.returncode, code, " ".join(words), done.stdout, done.stderr)
    return done.stdout + done.stderr


@promise("S101", "mount(8) and fstab mount it")
def a_line_of_fstab_is_a_mount(stage):
    place, cache = stage.path("mnt"), stage.path("cache")
    os.makedirs(place)
    helper(stage, "hf://models", place, "-o",
           f"rw,_netdev,x-systemd.automount,cache={cache},hf_endpoint={stage.server.endpoint},"
           "allow_other,uid=1234")
    equal(read(f"{place}/{NAME}@v1/model.bin"), noise(1, 1 << 20))
    equal(os.stat(f"{place}/{NAME}@v1/model.bin").st_uid, 1234)
    with open("/proc/mounts", encoding="utf-8") as file:
        line = next(line for line in file if line.split()[1] == place)
    expect(line.split()[2].startswith("fuse"), line)
    # As umount(8) does it, and the daemon goes with its last mount.
    subprocess.run(["umount", place], check=True, timeout=20)
    done = lambda: stage.modelfs("status", "--cache", cache, code=None).find("no daemon") >= 0
    wait_for(done, 20, "the end of the daemon")


@promise("S101", "mount(8) and fstab mount it")
def what_is_wrong_in_fstab_is_said(stage):
    says(helper(stage, "hf://models", "/mnt/x", "-o", "no_such", code=2),
         "the mount option 'no_such' is not known", "In fstab:")
    says(helper(stage, "hf://models", "/mnt/x", "-o", "no_such=1", code=2), "no-such")
    says(helper(stage, "hf://models", stage.path("none"), "-o",
                f"cache={stage.path('cache-2')}", code=4), "does not exist")
    equal(helper(stage, "-f", "hf://models", stage.path("none")), "")


main(__name__, prepare)
