#!/usr/bin/env python3
# seconds: 170
"""A mount that does not die: workers killed under readers, and what follows them."""

import ctypes
import hashlib
import mmap
import os
import random
import signal
import statistics
import subprocess
import threading
import time

from suite import (Failure, alive, drop_pages, equal, expect, main, noise, parent, promise, read,
                   wait_for, within, write)

NAME = "acme/takeover"
SIZE = 24_000_000
KILLS = int(os.environ.get("MODELFS_TAKEOVER_KILLS") or 20)
PAGE = 4096


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/config.json", "{}")
    for index in range(3):
        write(f"{folder}/large{index}.bin", noise(index, SIZE))
    for index in range(40):
        write(f"{folder}/small/{index}.txt", noise(100 + index, 20_000))
    stage.data = {f"large{index}.bin": noise(index, SIZE) for index in range(3)}
    stage.data |= {f"small/{index}.txt": noise(100 + index, 20_000) for index in range(40)}
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.start()
    stage.server = hub


def start(stage, name, *options):
    return stage.mount(stage.server, name=name, cache=f"cache-{name}").start(*options)


def serving(mount, not_pid=None):
    """The worker that serves, once it is another than that."""
    def look():
        try:
            pid = mount.daemon()
        except (OSError, ValueError):
            return None
        return pid if pid != not_pid and alive(pid) else None
    return wait_for(look, 10, "a worker")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE


def take_over(mount):
    """Kills the worker; gives its successor, once that answers commands."""
    pid = serving(mount)
    os.kill(pid, signal.SIGKILL)
    successor = serving(mount, pid)
    wait_for(lambda: mount.is_served() and mount.status()["processID"] == successor, 15,
             "a successor that answers")
    return successor


@promise("S67", "A daemon that dies is replaced")
def everything_open_goes_on(stage):
    mount = start(stage, "basic")
    place = f"{mount.path}/{NAME}@v1"
    os.chdir(place)
    stage.actions.append(lambda: os.chdir("/"))
    file = os.open("large0.bin", os.O_RDONLY)
    equal(os.pread(file, 1000, 0), stage.data["large0.bin"][:1000])
    with open("large1.bin", "rb") as other:
        mapped = mmap.mmap(other.fileno(), 0, prot=mmap.PROT_READ)
    equal(mapped[:1000], stage.data["large1.bin"][:1000])
    keeper = mount.keeper()
    expect(keeper, "no keeper")
    for _ in range(3):
        take_over(mount)
        equal(mount.keeper(), keeper)
        equal(os.getcwd(), place)
        equal(os.pread(file, 1 << 20, 10 << 20), stage.data["large0.bin"][10 << 20:11 << 20])
        equal(mapped[5_000_000:6_000_000], stage.data["large1.bin"][5_000_000:6_000_000])
        equal(read("config.json"), b"{}")
        equal(sorted(os.listdir("small")), sorted(f"{index}.txt" for index in range(40)))
    equal(hashlib.sha256(mapped).digest(), hashlib.sha256(stage.data["large1.bin"]).digest())
    mapped.close()
    os.close(file)
    os.chdir("/")
    status = mount.status()
    equal([entry["mountpoint"] for entry in status["mounts"]], [mount.path])
    equal(len(status["mounts"]), 1)
    stage.modelfs("umount", mount.path, "--cache", mount.cache)
    wait_for(lambda: not alive(keeper), 5, "the keeper's end")
    expect(not mount.is_served())


main(__name__, prepare)
