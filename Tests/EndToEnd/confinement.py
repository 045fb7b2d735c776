#!/usr/bin/env python3
# seconds: 120
# needs: root
"""What a daemon of root has given up, tried from within it: a library that is preloaded does what
somebody who has taken it over would."""

import errno
import os
import signal
import socket
import subprocess
import urllib.request

from suite import (Skip, equal, expect, main, noise, promise, read, run, says, wait_for, write)

NAME = "acme/captive"
KEPT = {"DAC_OVERRIDE": 1, "SYS_ADMIN": 21}


def prepare(stage):
    folder = stage.path("source")
    stage.data = noise(3, 2_000_000)
    write(f"{folder}/a.bin", stage.data)
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.start()
    stage.server = hub
    stage.library = stage.preloaded("captive")


class Captive:
    """A mount whose daemon does what it is told from outside."""

    def __init__(self, stage, name, *options):
        self.order = stage.path("captive-" + name)
        self.mount = stage.mount(stage.server, name=name, cache="cache-" + name)
        self.mount.start("--check-reads", *options, LD_PRELOAD=stage.library,
                         MODELFS_TEST_CAPTIVE=self.order, SWIFT_BACKTRACE="enable=no")
        self.file = f"{self.mount.path}/{NAME}@v1/a.bin"
        equal(read(self.file), stage.data)

    def attempts(self, *words):
        """What the daemon got for each: 0 or an errno."""
        write(self.order + ".new", " ".join(words))
        os.rename(self.order + ".new", self.order)
        said = self.order + ".said"

        def is_done():
            file = os.open(self.file, os.O_RDONLY)
            try:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.pread(file, 4096, 0)
            finally:
                os.close(file)
            return os.path.exists(said)

        wait_for(is_done, 20, "what the daemon tried")
        lines = read(said).decode().split("\n")
        os.unlink(said)
        answers = dict(line.rsplit(" ", 1) for line in lines if line)
        return {word: int(code) for word, code in answers.items()}

    def threads(self):
        """What the kernel says of each thread's rights."""
        pid = self.mount.daemon()
        found = []
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
                    pairs = [line.split(":", 1) for line in file]
            except OSError:
                continue
            found.append({name: value.strip() for name, value in pairs})
        return found

    def confinement(self):
        return self.mount.status()["confinement"]


def landlock_version():
    ask = ("import ctypes; library = ctypes.CDLL(None); "
           "print(library.syscall(444, None, ctypes.c_size_t(0), 1))")
    return int(run("python3", "-c", ask).strip())


def free_port():
    with socket.socket() as ear:
        ear.bind(("127.0.0.1", 0))
        return ear.getsockname()[1]


class Outside:
    """A process, a socket and a file that are none of the daemon's business."""

    def __init__(self, stage, name):
        self.name = f"modelfs-test-{os.getpid()}-{name}"
        self.ear = socket.socket(socket.AF_UNIX)
        self.ear.bind("\0" + self.name)
        self.ear.listen(8)
        self.process = subprocess.Popen(["sleep", "100"])
        self.file = stage.path("owned-" + name)
        write(self.file, "")
        self.port = free_port()
        self.words = [f"bind={self.port}", "bind=0", f"signal={self.process.pid}",
                      f"abstract={self.name}", f"own={self.file}", "raw", "root"]

    def end(self):
        self.ear.close()
        self.process.kill()
        return self.process.wait()


def expect_captive(daemon, outside):
    answers = daemon.attempts(*outside.words)
    version = landlock_version()
    for word in (f"own={outside.file}", "raw", "root"):
        equal(answers.pop(word), errno.EPERM, word)
    signalled = answers.pop(f"signal={outside.process.pid}")
    reached = answers.pop(f"abstract={outside.name}")
    if version >= 4:
        equal(set(answers.values()), {errno.EACCES}, answers)
    if version >= 6:
        equal((signalled, reached), (errno.EPERM, errno.EPERM))
        equal(outside.process.poll(), None)
    mask = sum(1 << number for number in KEPT.values())
    threads = daemon.threads()
    expect(len(threads) > 8, "hardly any thread is there")
    for thread in threads:
        equal(thread["NoNewPrivs"], "1", thread["Name"])
        for kind in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"):
            extra = int(thread[kind], 16) & ~mask
            equal(extra, 0, f"{kind} of", thread["Name"])


@promise("G15", "A daemon of root gives up what it does not need")
def what_it_does_not_need_is_refused_to_it(stage):
    daemon = Captive(stage, "held")
    outside = Outside(stage, "held")
    try:
        expect_captive(daemon, outside)
        status = daemon.confinement()
        equal(status["capabilities"], list(KEPT), "as it says itself")
        equal(status["gainsPrivileges"], False)
        equal(status["isConfined"], landlock_version() >= 6)
        page = stage.modelfs("status", "--cache", daemon.mount.cache)
        says(page, "Confinement", "DAC_OVERRIDE, SYS_ADMIN alone")
        # Mounting and unmounting go on.
        other = daemon.mount.add(f"hf://{NAME}@v1", "held-too")
        equal(read(f"{other.path}/a.bin"), stage.data)
        other.stop()
    finally:
        outside.end()
        daemon.mount.end()


@promise("G15", "A daemon of root gives up what it does not need")
def who_follows_has_given_it_up_too(stage):
    daemon = Captive(stage, "followed")
    if not daemon.mount.keeper():
        raise Skip("there is no keeper")
    outside = Outside(stage, "followed")
    try:
        first = daemon.mount.daemon()
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: daemon.mount.daemon() != first and daemon.mount.is_served(), 20,
                 "the next daemon")
        equal(read(daemon.file), stage.data)
        expect_captive(daemon, outside)
        other = daemon.mount.add(f"hf://{NAME}@v1", "followed-too")
        equal(read(f"{other.path}/a.bin"), stage.data)
    finally:
        outside.end()
        daemon.mount.end()


@promise("G15", "A daemon of root gives up what it does not need")
def metrics_have_their_port_and_no_other(stage):
    port = free_port()
    daemon = Captive(stage, "measured", "--metrics", f"127.0.0.1:{port}")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            equal(answer.status, 200)
        if landlock_version() < 4:
            raise Skip("the kernel has no rules for ports")
        other = f"bind={free_port()}"
        equal(daemon.attempts(other), {other: errno.EACCES})
        equal(daemon.confinement()["bindablePorts"], [port])
    finally:
        daemon.mount.end()


@promise("G15", "A daemon of root gives up what it does not need")
def it_is_left_out_where_it_is_not_wanted(stage):
    daemon = Captive(stage, "free", "--confine", "none")
    outside = Outside(stage, "free")
    try:
        answers = daemon.attempts(*outside.words)
        # So the attempts are such as succeed.
        equal(set(answers.values()), {0}, answers)
        equal(wait_for(outside.process.poll, 5, "a signal"), -signal.SIGUSR2)
        status = daemon.confinement()
        equal((status["isConfined"], status["reason"]), (False, "--confine none"))
        os.makedirs(stage.path("free-too"))
        says(stage.modelfs("mount", "--cache", daemon.mount.cache, "--confine", "auto",
                           f"hf://{NAME}@v1", stage.path("free-too")), "--confine")
    finally:
        outside.end()
        daemon.mount.end()


main(__name__, prepare)
