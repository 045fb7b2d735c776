#!/usr/bin/env python3
"""Ends whatever a test, a demo or a benchmark left behind, and nothing else.

    sweep.py DIRECTORY

Ours are the processes whose environment says MODELFS_SCRATCH=DIRECTORY (or a path below it),
since a daemon keeps the environment of whoever started it; and the mounts at or below DIRECTORY,
with every other mount of the same FUSE connection. Connections are aborted before anything is
waited for, so a process that hangs in a page fault is freed first. Prints one line for each
thing that had to be ended, and exits 0 when nothing is left, 1 when something is.
"""

import os
import signal
import subprocess
import sys
import time

TERM_SECONDS = 3.0
KILL_SECONDS = 5.0


def is_below(path, directory):
    return path == directory or path.startswith(directory + "/")


def unescape(field):
    """A path of mountinfo, where blanks and backslashes are octal."""
    return field.encode().decode("unicode_escape").encode("latin-1").decode(errors="replace")


def mounts():
    """Every mount as (path, device number as text, type), in the order they were made."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            head, tail = line.rstrip("\n").split(" - ", 1)
            fields = head.split(" ")
            found.append((unescape(fields[4]), fields[2], tail.split(" ")[0]))
    return found


def our_mounts(directory):
    """The mounts below the directory, and those elsewhere of the same FUSE connections."""
    every = mounts()
    below = [mount for mount in every if is_below(mount[0], directory)]
    devices = {device for _, device, kind in below if kind.startswith("fuse")}
    return [mount for mount in every if mount in below or mount[1] in devices]


def our_processes(directory):
    """Processes with the mark in their environment; this one and its parents excepted."""
    spared = set()
    pid = os.getpid()
    while pid > 1:
        spared.add(pid)
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            break
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in spared:
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            key, _, value = variable.partition(b"=")
            if key == b"MODELFS_SCRATCH" and is_below(os.fsdecode(value), directory):
                found.append(int(name))
    return found


def describe(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsdecode(file.read().replace(b"\0", b" ")).strip()[:120]
    except OSError:
        return "?"


def abort(path, device):
    """Frees everyone who waits for the connection, by fusectl where mounted, else by force."""
    minor = device.split(":")[1]
    try:
        with open(f"/sys/fs/fuse/connections/{minor}/abort", "w", encoding="ascii") as file:
            file.write("1")
    except OSError:
        subprocess.run(["umount", "-f", path], check=False, stderr=subprocess.DEVNULL)


def unmount(path):
    done = subprocess.run(["umount", "-l", path], check=False, stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        subprocess.run(["fusermount3", "-uz", path], check=False, stderr=subprocess.DEVNULL)


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def wait_until_gone(directory, seconds):
    """The processes still there after at most that many seconds; zombies do not count."""
    deadline = time.monotonic() + seconds
    while True:
        left = our_processes(directory)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def sweep(directory, report=print):
    """Ends all that is ours; false when something could not be ended."""
    pids = our_processes(directory)
    for pid in pids:
        report(f"sweep: ending process {pid}: {describe(pid)}")
    send(pids, signal.SIGTERM)
    if pids and wait_until_gone(directory, TERM_SECONDS):
        for path, device, kind in our_mounts(directory):
            if kind.startswith("fuse"):
                abort(path, device)
        send(our_processes(directory), signal.SIGKILL)
    for path, device, kind in reversed(our_mounts(directory)):
        report(f"sweep: unmounting {path} ({kind})")
        if kind.startswith("fuse"):
            abort(path, device)
        unmount(path)
    left = wait_until_gone(directory, KILL_SECONDS) if pids else []
    for pid in left:
        report(f"sweep: process {pid} does not end: {describe(pid)}")
    for path, _, _ in our_mounts(directory):
        report(f"sweep: {path} stays mounted")
        left.append(path)
    return not left


if __name__ == "__main__":
    if len(sys.argv) != 2 or not os.path.isabs(sys.argv[1]) or sys.argv[1] in ("/", "/tmp"):
        sys.exit("usage: sweep.py DIRECTORY (absolute, a scratch directory of its own)")
    sys.exit(0 if sweep(os.path.normpath(sys.argv[1])) else 1)
