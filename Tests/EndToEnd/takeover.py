#!/usr/bin/env python3
# seconds: 170
"""A mount that does not die: workers killed under readers, and what follows them."""

import hashlib
import mmap
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

from suite import (alive, drop_pages, equal, expect, main, noise, parent, promise, read, run,
                   says, wait_for, within, write)
from takeover_load import Arrival, Load, Switching, tell

NAME = "acme/takeover"
SIZE = 24_000_000
KILLS = int(os.environ.get("MODELFS_TAKEOVER_KILLS") or 20)
UPGRADES = int(os.environ.get("MODELFS_TAKEOVER_UPGRADES") or 5)
# Sixteen readers in place of six.
KINDS = (("cold", "warm", "mapped", "names", "mapped", "cold") if KILLS <= 20 and UPGRADES <= 5
         else ("cold",) * 5 + ("warm",) * 3 + ("mapped",) * 5 + ("names",) * 3)
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


def large_files(place):
    return [f"{place}/large{index}.bin" for index in range(3)]


def serving(mount, not_pid=None):
    """The worker that serves, once it is another than that."""
    def look():
        pid = mount.daemon()
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


@promise("S74", "A daemon that dies is replaced")
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


@promise("S74", "A daemon that dies is replaced", seconds=120 + 2 * KILLS)
def kills_under_load(stage):
    draw = random.Random(7)
    # Of the three large files two fit in flat at once.
    mount = start(stage, "load", "--hot-size", "60MB")
    place = f"{mount.path}/{NAME}@v1"
    keeper = mount.keeper()
    load = Load(stage, place, KINDS)
    switching = Switching(stage, mount)
    time.sleep(1)
    sizes, ends, arrival = [], [], Arrival(large_files(place), SIZE)
    for kill in range(KILLS):
        pid = serving(mount)
        time.sleep(draw.random() * 1.2)
        load.check()
        ends.append(time.monotonic())
        os.kill(pid, signal.SIGKILL)
        successor = serving(mount, pid)
        arrival.look()
        if kill % max(1, KILLS // 10) == 0:
            wait_for(lambda: mount.is_served(), 15, "a successor that answers")
            sizes.append((descriptors(keeper), resident(keeper), descriptors(successor),
                          resident(successor)))
    time.sleep(1)
    load.check()
    switching.end()
    rounds, stalls = load.end()
    tell(f"{KILLS} kills, packed {switching.count} times", rounds, stalls, arrival, ends)
    first, last = sizes[0], sizes[-1]
    print(f"         keeper: {last[0]} descriptors, {last[1] >> 10} KiB; worker: {last[2]} "
          f"descriptors, {last[3] >> 20} MiB (at first {first})", flush=True)
    expect(last[0] <= first[0] + 1, "descriptors of the keeper", sizes)
    expect(last[1] <= first[1] + (1 << 20), "memory of the keeper", sizes)
    expect(last[2] <= first[2] + 30, "descriptors of the worker", sizes)
    expect(last[3] <= first[3] + (64 << 20), "memory of the worker", sizes)
    equal(mount.keeper(), keeper, "the keeper")
    said = mount.log()
    equal(said.count("another one follows"), KILLS, "ends that the keeper tells of")
    expect("how=SIGKILL" in said, said[-1000:])
    with within(10, "the end"):
        mount.end()
    wait_for(lambda: not alive(keeper), 5, "the keeper's end")


@promise("S74", "A daemon that dies is replaced")
def one_killed_while_it_starts_is_not_replaced(stage):
    draw = random.Random(9)
    for index in range(6):
        name = f"starting{index}"
        os.makedirs(stage.path(name))
        process = subprocess.Popen(
            [stage.programs.modelfs, "mount", stage.path(name), "--cache", stage.path("c-" + name)],
            env=stage.programs.environment(HF_ENDPOINT=stage.server.endpoint), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        stage.processes.append(process)
        time.sleep(0.02 + draw.random() * 0.2)
        lock = stage.path("c-" + name, "lock")
        pid = int((os.path.exists(lock) and read(lock)) or 0)
        if pid:
            os.kill(pid, signal.SIGKILL)
        said, errors = process.communicate(timeout=20)
        if process.returncode != 0:
            expect("SIGKILL" in errors, errors)
        mount = stage.mount(stage.server, name=name, cache="c-" + name).start()
        equal(read(f"{mount.path}/{NAME}@v1/config.json"), b"{}")
        mount.end()


@promise("S74", "A daemon that dies is replaced")
def two_mounts_with_their_commits(stage):
    mount = start(stage, "several")
    other = mount.add(f"hf://{NAME}@v1", "several-pinned")
    before = {entry["mountpoint"]: entry for entry in mount.status()["mounts"]}
    take_over(mount)
    after = {entry["mountpoint"]: entry for entry in mount.status()["mounts"]}
    equal(after, before)
    equal(read(other.path + "/config.json"), b"{}")
    third = mount.add(f"hf://{NAME}@v1", "several-third")
    take_over(mount)
    subprocess.run(["umount", other.path], check=True, timeout=10)
    wait_for(lambda: len(mount.status()["mounts"]) == 2, 5, "what was unmounted is gone")
    take_over(mount)
    equal(len(mount.status()["mounts"]), 2)
    stage.modelfs("umount", third.path, "--cache", mount.cache)
    stage.modelfs("umount", mount.path, "--cache", mount.cache)
    wait_for(lambda: not mount.is_served(), 5, "the end with the last mount")


@promise("S74", "A daemon that dies is replaced")
def it_is_the_same_in_the_foreground(stage):
    place = stage.path("foreground")
    os.makedirs(place)
    process = subprocess.Popen(
        [stage.programs.modelfs, "mount", "--foreground", place, "--cache",
         stage.path("cache-foreground")],
        env=stage.programs.environment(HF_ENDPOINT=stage.server.endpoint), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    stage.processes.append(process)
    expect("is mounted at" in process.stdout.readline())
    mount = stage.mount(stage.server, name="foreground", cache="cache-foreground")
    equal(parent(mount.daemon()), process.pid)
    take_over(mount)
    equal(read(f"{place}/{NAME}@v1/config.json"), b"{}")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=15)
    equal(process.returncode, 0, errors)
    expect(not os.path.ismount(place))


@promise("S74", "A daemon that dies is replaced")
def a_reader_that_waits_for_the_network_goes_on(stage):
    mount = start(stage, "waiting")
    path = f"{mount.path}/{NAME}@v1/large2.bin"
    os.stat(path)
    stage.server.stall_contents()
    reader = stage.python(
        "import hashlib, sys\nprint('reading', flush=True)\n"
        "print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())", path)
    reader.stdout.readline()
    wait_for(lambda: mount.status()["fileSystem"]["fetches"], 5, "a fetch")
    take_over(mount)
    stage.server.faults()
    take_over(mount)
    said, errors = reader.communicate(timeout=20)
    equal(said.strip(), hashlib.sha256(stage.data["large2.bin"]).hexdigest(), errors)
    mount.end()



@promise("S79", "On an older kernel only what was under way fails")
def without_resend(stage):
    mount = stage.mount(stage.server, name="older", cache="cache-older")
    mount.start(MODELFS_RESEND="0")
    place = f"{mount.path}/{NAME}@v1"
    file = os.open(f"{place}/large0.bin", os.O_RDONLY)
    equal(os.pread(file, 1000, 0), stage.data["large0.bin"][:1000])
    os.stat(f"{place}/large1.bin")
    stage.server.stall_contents()
    reader = stage.reader(f"{place}/large1.bin", count=100_000)
    equal(reader.stdout.readline(), "reading\n")
    wait_for(lambda: mount.status()["fileSystem"]["fetches"], 5, "a fetch")
    # A process that looks up a name asks once, where reads of pages are tried again.
    stage.server.faults("stall=600")
    naming = stage.python("import os, sys\nprint('naming', flush=True)\nos.stat(sys.argv[1])",
                          f"{mount.path}/acme/other@main/config.json")
    equal(naming.stdout.readline(), "naming\n")
    time.sleep(0.5)
    expect(naming.poll() is None, "it does not wait")
    os.kill(mount.daemon(), signal.SIGKILL)
    _, errors = naming.communicate(timeout=10)
    expect("ConnectionAborted" in errors, "a look that was under way", errors[-300:])
    stage.server.faults()
    reader.communicate(timeout=20)
    for _ in range(2):
        equal(os.pread(file, 1 << 20, 10 << 20), stage.data["large0.bin"][10 << 20:11 << 20])
        equal(read(f"{place}/large1.bin"), stage.data["large1.bin"])
        take_over(mount)
    os.close(file)
    mount.end()


@promise("S75", "Without its keeper a daemon goes on by itself")
def a_dead_keeper_is_not_the_end(stage):
    mount = start(stage, "unkept")
    keeper, pid = mount.keeper(), mount.daemon()
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: "the keeper has died" in mount.log(), 5, "a line in the log")
    # Nobody would follow it.
    says(stage.modelfs("upgrade", "--cache", mount.cache, code=1), "has no keeper")
    equal(mount.daemon(), pid)
    equal(read(f"{mount.path}/{NAME}@v1/large0.bin"), stage.data["large0.bin"])
    mount.kill()
    said = stage.modelfs("status", "--cache", mount.cache, code=9)
    says(said, "left by a dead daemon")
    stage.modelfs("mount", mount.path, "--cache", mount.cache, HF_ENDPOINT=stage.server.endpoint)
    equal(read(f"{mount.path}/{NAME}@v1/config.json"), b"{}")
    expect(mount.keeper(), "no keeper")
    mount.end()



def install(stage, name):
    """The programs in a folder of their own, as an installation would have them."""
    folder = stage.path(name)
    os.makedirs(folder)
    binaries = os.path.dirname(stage.programs.modelfs)
    for program in ("modelfs", "modelfs-keeper", "modelfs-hub"):
        shutil.copy2(os.path.join(binaries, program), folder)
    return folder


def reinstall(stage, folder, text=None):
    """Puts another file in the place of the program, as a package manager does."""
    path = os.path.join(folder, "modelfs")
    fresh = path + ".new"
    if text is None:
        shutil.copy2(stage.programs.modelfs, fresh)
    else:
        write(fresh, text)
        os.chmod(fresh, 0o755)
    os.rename(fresh, path)


def mounted_from(stage, folder, name):
    mount = stage.mount(stage.server, name=name, cache=f"cache-{name}")
    os.makedirs(mount.path)
    run(os.path.join(folder, "modelfs"), "mount", mount.path, "--cache", mount.cache,
        env=stage.programs.environment(HF_ENDPOINT=stage.server.endpoint))
    return mount


@promise("S76", "An upgrade interrupts nobody", seconds=90 + 2 * UPGRADES)
def upgrades_under_load(stage):
    folder = install(stage, "installed")
    mount = mounted_from(stage, folder, "upgraded")
    place = f"{mount.path}/{NAME}@v1"
    keeper = mount.keeper()
    load = Load(stage, place, KINDS)
    ends, arrival = [], Arrival(large_files(place), SIZE)
    for _ in range(UPGRADES):
        pid = mount.daemon()
        reinstall(stage, folder)
        ends.append(time.monotonic())
        said = stage.modelfs("upgrade", "--cache", mount.cache)
        says(said, "goes on with the mounts")
        expect(mount.daemon() != pid)
        equal(os.stat(f"/proc/{mount.daemon()}/exe").st_ino, os.stat(folder + "/modelfs").st_ino)
        load.check()
        arrival.look()
    rounds, stalls = load.end()
    tell(f"{UPGRADES} upgrades", rounds, stalls, arrival, ends)
    equal(mount.keeper(), keeper)
    # A short load may end before all of the files are here.
    for path in large_files(place):
        read(path)
    wait_for(arrival.look, 20, "the last bytes")
    reinstall(stage, folder)
    stage.modelfs("upgrade", "--cache", mount.cache)
    drop_pages(place + "/large1.bin")
    equal(read(place + "/large1.bin"), stage.data["large1.bin"])
    equal(mount.fetched(), 0, "bytes fetched again after an upgrade")
    mount.end()


@promise("S76", "An upgrade interrupts nobody")
def an_upgrade_that_cannot_be_is_refused(stage):
    folder = install(stage, "refusing")
    mount = mounted_from(stage, folder, "refused")
    pid = mount.daemon()
    reasons = {
        "#!/bin/sh\necho 'modelfs daemon: it is too old' >&2\nexit 5\n": "it is too old",
        "#!/bin/sh\nkill -SEGV $$\n": "SIGSEGV",
        "no program": "cannot be started",
    }
    for text, words in reasons.items():
        reinstall(stage, folder, text)
        says(stage.modelfs("upgrade", "--cache", mount.cache, code=5), words, "as they were")
        equal(mount.daemon(), pid, "the daemon")
    # A program that finds that the cache fits, and then does not work.
    reinstall(stage, folder, '#!/bin/sh\ncase " $* " in *--fits*) exit 0;; esac\nexit 1\n')
    says(stage.modelfs("upgrade", "--cache", mount.cache, code=5), "did not work")
    expect(mount.daemon() != pid)
    expect("the one before goes on" in mount.log(), mount.log()[-800:])
    equal(read(f"{mount.path}/{NAME}@v1/config.json"), b"{}")
    # A database of a newer version.
    reinstall(stage, folder)
    with sqlite3.connect(mount.cache + "/store.db") as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        database.execute("PRAGMA user_version = 99")
    pid = mount.daemon()
    says(stage.modelfs("upgrade", "--cache", mount.cache, code=5), "store.db of version 99")
    with sqlite3.connect(mount.cache + "/store.db") as database:
        database.execute(f"PRAGMA user_version = {version}")
    equal(mount.daemon(), pid)
    said = stage.modelfs("daemon", "--fits", "999", "--cache", mount.cache, code=1)
    says(said, "has the format 999")
    stage.modelfs("upgrade", "--cache", mount.cache)
    mount.end()
    stage.modelfs("upgrade", "--cache", mount.cache, code=9)


@promise("S76", "An upgrade interrupts nobody")
def a_crash_is_no_upgrade(stage):
    folder = install(stage, "crashing")
    mount = mounted_from(stage, folder, "crashed")
    before = os.stat(f"/proc/{mount.daemon()}/exe").st_ino
    reinstall(stage, folder)
    successor = take_over(mount)
    equal(os.stat(f"/proc/{successor}/exe").st_ino, before, "the program after a crash")
    mount.end()



@promise("S77", "A daemon that hangs is replaced")
def a_stopped_worker_is_replaced(stage):
    mount = stage.mount(stage.server, name="hanging", cache="cache-hanging")
    mount.start(MODELFS_SILENCE_SECONDS="3")
    path = f"{mount.path}/{NAME}@v1/large0.bin"
    pid = mount.daemon()
    time.sleep(4)
    equal(mount.daemon(), pid, "a daemon with nothing to do is no hanging one")
    os.kill(pid, signal.SIGSTOP)
    with within(15, "a read from a daemon that hangs"):
        equal(read(path), stage.data["large0.bin"])
    expect(mount.daemon() != pid)
    said = mount.log()
    says(said, "gives no sign of life", "name=kernel", "how=SIGKILL")
    mount.end()


@promise("S77", "A daemon that hangs is replaced")
def a_group_that_sleeps_wakes_up_again(stage):
    mount = stage.mount(stage.server, name="sleeping", cache="cache-sleeping")
    mount.start(MODELFS_SILENCE_SECONDS="3")
    pids = [mount.keeper(), mount.daemon()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(8)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    equal(read(f"{mount.path}/{NAME}@v1/large0.bin"), stage.data["large0.bin"])
    time.sleep(2)
    equal(mount.daemon(), pids[1], "the daemon after a sleep")
    mount.end()



class Service:
    """What systemd does for a service with a descriptor store: listens, stores, starts again."""

    # Puts what is stored at 3 and above, as systemd does, and becomes the program.
    LAUNCHER = r"""
import fcntl, os, sys
files = [int(word) for word in sys.argv[1].split(",") if word]
raised = [fcntl.fcntl(file, fcntl.F_DUPFD, 100) for file in files]
for index, file in enumerate(raised):
    os.dup2(file, 3 + index, inheritable=True)
for file in raised + files:
    if file >= 3 + len(files):
        os.close(file)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""

    def __init__(self, stage, command):
        self.stage, self.command = stage, command
        self.address = stage.path("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.stored, self.told, self.process = {}, [], None
        threading.Thread(target=self.listen, daemon=True).start()

    def start(self):
        files = ",".join(str(file) for file in self.stored.values())
        variables = {"LISTEN_FDS": str(len(self.stored)), "LISTEN_FDNAMES": ":".join(self.stored)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.LAUNCHER, files, *self.command], text=True,
            pass_fds=list(self.stored.values()), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.stage.programs.environment(
                HF_ENDPOINT=self.stage.server.endpoint, NOTIFY_SOCKET=self.address,
                WATCHDOG_USEC="5000000", **(variables if self.stored else {})))
        self.stage.processes.append(self.process)

    def listen(self):
        """Takes what is sent, at once: little of it may wait."""
        while True:
            text, files, _, _ = socket.recv_fds(self.socket, 4096, 4)
            lines = dict(line.split("=", 1) for line in text.decode().splitlines())
            if "FDSTORE" in lines:
                self.stored[lines["FDNAME"]] = files[0]
            elif "FDSTOREREMOVE" in lines:
                file = self.stored.pop(lines["FDNAME"], None)
                if file is not None:
                    os.close(file)
            else:
                self.told.append(text.decode())

    def heard(self, words):
        return any(words in text for text in self.told)


@promise("S78", "Under systemd the keeper may die too")
def the_store_of_the_service_manager(stage):
    place = stage.path("service")
    os.makedirs(place)
    service = Service(stage, [stage.programs.modelfs, "mount", "--foreground", place, "--cache",
                              stage.path("cache-service")])
    service.start()
    mount = stage.mount(stage.server, name="service", cache="cache-service")
    wait_for(lambda: service.heard("READY=1"), 10, "READY=1")
    wait_for(lambda: service.heard("WATCHDOG=1"), 5, "WATCHDOG=1")
    file = os.open(f"{place}/{NAME}@v1/large0.bin", os.O_RDONLY)
    equal(os.pread(file, 100, 0), stage.data["large0.bin"][:100])
    for turn in range(3):
        wait_for(lambda: len(service.stored) >= 6, 5, "what is stored")
        keeper, pid = mount.keeper(), mount.daemon()
        equal(keeper, service.process.pid, "the main process of the service")
        os.kill(keeper, signal.SIGKILL)
        wait_for(lambda: not alive(pid), 5, "the worker's end with its keeper")
        service.process.communicate(timeout=10)
        service.start()
        equal(os.pread(file, 100_000, 3_000_000 * (turn + 1)),
              stage.data["large0.bin"][3_000_000 * (turn + 1):][:100_000])
        wait_for(lambda: mount.is_served(), 10, "a daemon that answers")
    equal([entry["mountpoint"] for entry in mount.status()["mounts"]], [place])
    os.close(file)
    take_over(mount)
    service.process.send_signal(signal.SIGTERM)
    service.process.communicate(timeout=15)
    equal(service.process.returncode, 0)
    expect(service.heard("STOPPING=1"))
    equal(service.stored, {}, "what is stored after the end")
    expect(not os.path.ismount(place))


main(__name__, prepare)
