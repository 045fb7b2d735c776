"""A clean Debian 12 below one folder, made by debootstrap, for tests of packages."""

import glob
import os
import shutil
import subprocess
import sys

MIRROR_FILES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")


def fail(*words):
    print("FAILED  ", *words)
    sys.exit(1)


def say(*words):
    print("ok      ", *words, flush=True)


def run(*command, code=0, seconds=400, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False,
                          **options)
    if code is not None and done.returncode != code:
        fail(" ".join(command), f"ended with {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def has(text, *wanted):
    for each in wanted:
        if each not in text:
            fail(repr(each), "is missing in", text[-2000:])


def mirror():
    for name in MIRROR_FILES:
        if os.path.exists(name):
            with open(name, encoding="utf-8") as file:
                for line in file:
                    words = line.split()
                    if words and words[0] in ("URIs:", "deb"):
                        return next(word for word in words if word.startswith("http"))
    return "http://deb.debian.org/debian"


class CleanTree:
    """A tree to chroot into, which goes with its folder."""

    def __init__(self, folder, scratch, has_fuse=True):
        self.folder, self.scratch = folder, scratch
        self.has_fuse = has_fuse

    def make(self):
        if shutil.which("debootstrap") is None:
            print("debootstrap is not installed")
            sys.exit(77)
        if not os.path.exists(os.path.join(self.folder, "etc/debian_version")):
            run("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm",
                self.folder, mirror())
        for name in glob.glob("/etc/apt/apt.conf.d/*proxy*") + ["/etc/resolv.conf"]:
            if os.path.exists(name):
                shutil.copy(name, self.folder + name)
        run("mount", "-t", "proc", "proc", self.folder + "/proc")
        # No devices of the machine but these: what is missing here is missing in many containers.
        for name in ("null", "zero", "urandom", "random", "tty", *(["fuse"] if self.has_fuse
                                                                    else [])):
            place = f"{self.folder}/dev/{name}"
            if not os.path.exists(place):
                with open(place, "wb"):
                    pass
            run("mount", "--bind", f"/dev/{name}", place)
        return self

    def clear(self):
        with open("/proc/self/mounts", encoding="utf-8") as file:
            places = [line.split()[1] for line in file]
        for place in reversed([each for each in places if each.startswith(self.folder + "/")]):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)

    def command(self, *command):
        return ["chroot", self.folder, *command]

    def environment(self, **variables):
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
                "MODELFS_SCRATCH": self.scratch, **variables}

    def run(self, *command, code=0, seconds=400, **variables):
        """Runs to the end in the tree; gives what was said."""
        return run(*self.command(*command), code=code, seconds=seconds,
                   env=self.environment(**variables))
