#!/usr/bin/env python3
# seconds: 170
"""Requests that crash the daemon, each time or once, and those who have no part in it."""

import hashlib
import mmap
import os
import signal
import time

from suite import (alive, drop_pages, equal, expect, main, noise, promise, raises, read, says,
                   wait_for, write)

NAME = "acme/crashes"
SIZE = 3_000_000
PAGE = 4096


def prepare(stage):
    folder = stage.path("source")
    stage.data = {f"{index}.bin": noise(index, SIZE) for index in range(4)}
    for name, data in stage.data.items():
        write(f"{folder}/{name}", data)
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.start()
    stage.server = hub
    stage.library = stage.preloaded("crashing_read")


class Crashes:
    """Has a mount's daemon crash in reads of its cache, as often as it is told."""

    def __init__(self, stage, name):
        self.folder = stage.path("crash-" + name)
        os.makedirs(self.folder)
        self.mount = stage.mount(stage.server, name=name, cache="cache-" + name)
        # A flat file is not to be read by the kernel itself, where nobody could crash.
        # Swift's own account of a crash takes seconds, while all readers wait.
        self.mount.start("--check-reads", LD_PRELOAD=stage.library,
                         MODELFS_TEST_CRASH=self.folder, SWIFT_BACKTRACE="enable=no")
        self.place = f"{self.mount.path}/{NAME}@v1"

    def plan(self, how, count, threads="kernel", needle="/flat/"):
        for number in range(100):
            path = os.path.join(self.folder, str(number))
            if os.path.exists(path):
                os.unlink(path)
        write(f"{self.folder}/what", f"{how} {threads} {needle}\n")
        for number in range(count):
            write(os.path.join(self.folder, str(number)), "")

    def left(self):
        return len(os.listdir(self.folder)) - 1

    def deaths(self, how):
        return self.mount.log().count(f"how={how}")

    def path(self, name):
        return os.path.join(self.place, name)

    def is_well(self):
        return self.mount.is_served()

    def keep(self, name, data):
        """Reads a file, and waits until it comes from its flat file alone."""
        path = self.path(name)
        equal(read(path), data)
        wait_for(lambda: os.getxattr(path, "user.modelfs.verified").endswith(b"sha256"), 20,
                 "a proof of", path)
        return path


def read_directly(path, offset=0, count=16 * PAGE):
    """Bytes that come by one request of the kernel, which is not tried again."""
    file = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        room = mmap.mmap(-1, count)
        got = os.preadv(file, [room], offset)
        return bytes(room[:got])
    finally:
        os.close(file)


@promise("S150", "A request that crashes the daemon again and again gets an error", seconds=90)
def whatever_the_crash_is(stage):
    crashes = Crashes(stage, "kinds")
    path = crashes.keep("0.bin", stage.data["0.bin"])
    for how, told in (("SEGV", "SIGSEGV"), ("BUS", "SIGBUS"), ("ILL", "SIGILL"),
                      ("ABRT", "SIGABRT"), ("STACK", "SIGSEGV")):
        before = crashes.deaths(told)
        crashes.plan(how, 100)
        with raises(5, "a read that crashes by", how):
            read_directly(path)
        equal(crashes.left(), 98, "crashes by", how)
        crashes.plan(how, 0)
        equal(read_directly(path), stage.data["0.bin"][:16 * PAGE])
        equal(crashes.deaths(told) - before, 2, how)
    says(crashes.mount.log(), "a request crashed the daemon twice", "request=READ", "signal=SIGBUS",
         f"file={NAME}@v1/")
    crashes.mount.end()


@promise("S150", "A request that crashes the daemon again and again gets an error")
def others_do_not_notice(stage):
    crashes = Crashes(stage, "others")
    first, second = (crashes.keep(name, stage.data[name]) for name in ("0.bin", "1.bin"))
    third = crashes.path("2.bin")
    os.stat(third)
    held = os.open(second, os.O_RDONLY)
    # This one waits for the network, on no thread, through all of it.
    stage.server.stall_contents()
    waiting = stage.python(
        "import hashlib, sys\nprint('reading', flush=True)\n"
        "print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())", third)
    waiting.stdout.readline()
    wait_for(lambda: crashes.mount.status()["fileSystem"]["fetches"], 10, "a fetch")
    crashes.plan("SEGV", 100)
    drop_pages(first)
    # By way of the page cache: the kernel asks for more than was wanted first, then for the page.
    with raises(5, "a read that crashes"):
        read(first)
    crashed = 100 - crashes.left()
    expect(2 <= crashed <= 8, "crashes", crashed)
    crashes.plan("SEGV", 0)
    equal(os.pread(held, SIZE, 0), stage.data["1.bin"])
    drop_pages(first)
    equal(read(first), stage.data["0.bin"])
    expect(waiting.poll() is None, "who waits for the network was answered")
    stage.server.faults()
    said, errors = waiting.communicate(timeout=20)
    equal(said.strip(), hashlib.sha256(stage.data["2.bin"]).hexdigest(), errors)
    os.close(held)
    crashes.mount.end()


@promise("S150", "A request that crashes the daemon again and again gets an error")
def once_is_not_enough(stage):
    crashes = Crashes(stage, "once")
    path = crashes.keep("0.bin", stage.data["0.bin"])
    for turn in range(3):
        crashes.plan("SEGV", 1)
        equal(read_directly(path, turn * SIZE // PAGE // 4 * PAGE),
              stage.data["0.bin"][turn * SIZE // PAGE // 4 * PAGE:][:16 * PAGE])
        equal(crashes.left(), 0)
    expect("answered with" not in crashes.mount.log(), "one crash was held against a request")
    # Killed from outside no request is to blame, however often.
    crashes.plan("KILL", 3)
    equal(read_directly(path), stage.data["0.bin"][:16 * PAGE])
    equal(crashes.left(), 0)
    for _ in range(2):
        pid = crashes.mount.daemon()
        os.kill(pid, signal.SIGSEGV)
        wait_for(lambda: not alive(pid) and crashes.is_well(), 15, "a successor")
    equal(read_directly(path), stage.data["0.bin"][:16 * PAGE])
    expect("answered with" not in crashes.mount.log())
    crashes.mount.end()


@promise("S150", "A request that crashes the daemon again and again gets an error")
def after_it_waited_for_bytes_too(stage):
    """Who was answered by another thread at first has that one's crashes to answer for."""
    crashes = Crashes(stage, "later")
    path = crashes.path("3.bin")
    os.stat(path)
    crashes.plan("SEGV", 100, threads="kernel,fill")
    with raises(5, "a read that crashes where bytes come in"):
        read_directly(path)
    crashed = 100 - crashes.left()
    equal(crashed, 2, "crashes")
    crashes.plan("SEGV", 0)
    equal(read(path), stage.data["3.bin"])
    crashes.mount.end()


main(__name__, prepare)
