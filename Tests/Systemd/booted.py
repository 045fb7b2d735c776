#!/usr/bin/env python3
# seconds: 700
# needs: root fuse
"""The units on a real systemd, as PID 1 of a small Debian in a namespace: mounted, worker and
keeper killed under readers, reloaded, watched, a predictor beside, stopped under load.

The Debian is made once by debootstrap, in out/systemd, and used again. `make systemd-test` runs
this with a release build; it is skipped, with the reason, where it cannot run.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "Tests", "EndToEnd"))

from suite import (Failure, Skip, alive, equal, expect, main, noise, parent,  # noqa: E402
                   promise, read, wait_for, within, write)

PACKAGES = ("systemd", "systemd-sysv", "dbus", "fuse3", "libfuse3-3", "procps", "libcurl4",
            "libsqlite3-0", "liblz4-1", "libxxhash0", "libssl3", "libmicrohttpd12", "libopenblas0",
            "python3", "ca-certificates")
TREE = os.environ.get("MODELFS_SYSTEMD_TREE") or os.path.join(TOP, "out", "systemd", "tree")
NAME = "acme/booted"
SIZE = 24_000_000
KILLS = int(os.environ.get("MODELFS_SYSTEMD_KILLS") or 8)
LARGE = [f"large{index}.bin" for index in range(3)]
with open(os.path.join(TOP, "Tests/Support/checking_reader.py"), encoding="utf-8") as script:
    READER = script.read()

# What a predictor does, as far as its unit is concerned: it takes the socket, reads its model, says
# that it is ready, and answers with what it can see of the machine.
PREDICTOR = '''#!/usr/bin/python3
import mmap, os, socket, sys
path = sys.argv[-1]
seen = {}
def attempt(name, action):
    try:
        seen[name] = str(action())
    except Exception as error:
        seen[name] = type(error).__name__
attempt("model", lambda: len(os.listdir(path)))
file = open(path + "/large0.bin", "rb")
weights = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
attempt("user", os.getuid)
attempt("secrets", lambda: open("/etc/modelfs/modelfs.env").read())
attempt("cache", lambda: os.listdir("/data/.cache/modelfs"))
attempt("write", lambda: open("/data/predictor-was-here", "w"))
attempt("network", lambda: socket.create_connection(("127.0.0.1", HUB_PORT), 2))
attempt("processes", lambda: len([name for name in os.listdir("/proc") if name.isdigit()]))
assert os.environ["LISTEN_FDS"] == "1"
ear = socket.socket(fileno=3)
note = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
note.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\\\\0", 1))
while True:
    peer, _ = ear.accept()
    with peer:
        peer.recv(4096)
        total = sum(weights[offset] for offset in range(0, len(weights), 4096))
        body = repr((os.getpid(), total, seen)).encode()
        peer.sendall(b"HTTP/1.0 200 OK\\\\r\\\\n\\\\r\\\\n" + body)
'''.replace("\\\\", "\\")


def mirror():
    """Where this machine gets its packages from."""
    for path in ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"):
        if os.path.exists(path):
            for line in read(path).decode().splitlines():
                words = line.split()
                if words[:1] in (["URIs:"], ["deb"]):
                    return next(word for word in words[1:] if "://" in word)
    return "http://deb.debian.org/debian"


def make_tree():
    if os.path.exists(TREE + "/made"):
        return
    shutil.rmtree(TREE, ignore_errors=True)
    os.makedirs(TREE)
    done = subprocess.run(
        ["debootstrap", "--variant=minbase", "--include=" + ",".join(PACKAGES), "bookworm", TREE,
         mirror()], check=False, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Skip(f"no Debian could be made: {done.stdout.strip().splitlines()[-1:]}")
    write(TREE + "/made", "")


def install(stage):
    """Programs and units, as `make install` puts them there."""
    checkout = stage.path("checkout")
    release = os.path.join(checkout, ".build/release")
    os.makedirs(release)
    shutil.copytree(os.path.join(TOP, "systemd"), os.path.join(checkout, "systemd"))
    shutil.copy(os.path.join(TOP, "Makefile"), checkout)
    binaries = os.path.dirname(stage.programs.modelfs)
    for program in ("modelfs", "modelfs-keeper", "modelfs-hub"):
        shutil.copy2(os.path.join(binaries, program), release)
    write(release + "/modelfs-predictor", PREDICTOR.replace("HUB_PORT", str(stage.server.port)))
    os.chmod(release + "/modelfs-predictor", 0o755)
    shutil.rmtree(TREE + "/etc/modelfs", ignore_errors=True)
    shutil.rmtree(TREE + "/data", ignore_errors=True)
    subprocess.run(["make", "install-files", f"DESTDIR={TREE}", "PREFIX=/usr/local"], cwd=checkout,
                   check=True, capture_output=True, timeout=60)
    write(TREE + "/etc/modelfs/modelfs.env",
          "MODELFS_SOURCE=hf://models\nMODELFS_MOUNTPOINT=/data/models\n"
          "MODELFS_CACHE=/data/.cache/modelfs\nMODELFS_OPTIONS=\n"
          f"HF_ENDPOINT={stage.server.endpoint}\n")
    os.makedirs(TREE + "/data/two", exist_ok=True)
    write(TREE + "/etc/modelfs/mounts/two.env",
          f"MODELFS_SOURCE=hf://{NAME}@v1\nMODELFS_MOUNTPOINT=/data/two\n")
    # A watchdog that can be waited for.
    write(TREE + "/etc/systemd/system/modelfs.service.d/test.conf", "[Service]\nWatchdogSec=6\n")


class Machine:
    """The Debian, booted."""

    def __init__(self, stage):
        self.log = open(stage.path("console"), "wb")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "-D", TREE, "--boot", "--register=no", "--keep-unit",
             "--capability=all", "--bind=/dev/fuse", "--console=pipe"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        stage.actions.append(self.stop)
        self.leader = wait_for(self.find_leader, 20, "a machine")
        with contextlib.suppress(Failure):
            wait_for(lambda: self.systemctl("is-system-running", code=None).strip() in
                     ("running", "degraded"), 60, "a machine that has booted")
        state = self.systemctl("is-system-running", code=None).strip()
        if state not in ("running", "degraded"):
            raise Skip(f"systemd does not boot in a namespace here: {state or 'no answer'}; "
                       + read(stage.path("console")).decode(errors="replace")[-300:])

    def find_leader(self):
        if self.process.poll() is not None:
            raise Skip("systemd-nspawn does not run here: "
                       + read(self.log.name).decode(errors="replace").strip()[-300:])
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                if parent(int(name)) == self.process.pid:
                    with open(f"/proc/{name}/comm", encoding="ascii") as file:
                        if file.read().strip() == "systemd":
                            return int(name)
        return None

    def run(self, *words, code=0, seconds=60):
        done = subprocess.run(["nsenter", "-t", str(self.leader), "-m", "-p", "-u", "-i", "-n",
                               "-C", *words], check=False, capture_output=True, text=True,
                              timeout=seconds, stdin=subprocess.DEVNULL)
        if code is not None:
            equal(done.returncode, code, " ".join(words), done.stdout[-800:], done.stderr[-800:])
        return done.stdout + (done.stderr if code is None else "")

    def systemctl(self, *words, code=0, seconds=60):
        return self.run("systemctl", *words, code=code, seconds=seconds)

    def show(self, unit, name):
        return self.systemctl("show", "--value", "-p", name, unit).strip()

    def path(self, path):
        """As this machine sees a path of that one."""
        return f"/proc/{self.leader}/root{path}"

    def keeper(self):
        """Its number here; the unit's MainPID is one of the machine's own."""
        inner = self.show("modelfs.service", "MainPID")
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/status", encoding="ascii", errors="replace") as file:
                    numbers = [line.split()[1:] for line in file if line.startswith("NSpid")][0]
                if numbers[-1] == inner and len(numbers) > 1 and int(numbers[0]) != self.leader:
                    with open(f"/proc/{name}/comm", encoding="ascii") as file:
                        if file.read().strip() == "modelfs-keeper":
                            return int(name)
        return None

    def worker(self):
        keeper = self.keeper()
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                if keeper and parent(int(name)) == keeper and alive(int(name)):
                    return int(name)
        return None

    def journal(self):
        return self.run("journalctl", "--no-pager", "-n", "60", code=None)

    def stop(self):
        # Twice SIGTERM to nspawn is a poweroff and then the end; SIGRTMIN+4 to PID 1 is orderly.
        with contextlib.suppress(OSError):
            os.kill(self.leader, signal.SIGRTMIN + 4)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def prepare(stage):
    for program in ("systemd-nspawn", "debootstrap", "nsenter"):
        if not shutil.which(program):
            raise Skip(f"there is no {program}: apt-get install systemd-container debootstrap")
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        raise Skip("needs root and /dev/fuse")
    folder = stage.path("source")
    write(folder + "/config.json", "{}")
    for index, name in enumerate(LARGE):
        write(f"{folder}/{name}", noise(index, SIZE))
    for index in range(40):
        write(f"{folder}/small/{index}.txt", noise(100 + index, 20_000))
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.start()
    stage.server = hub
    make_tree()
    install(stage)
    stage.machine = Machine(stage)


def readers(stage):
    place = stage.machine.path(f"/data/models/{NAME}@v1")
    kinds = ("cold", "warm", "mapped", "names")
    started = [stage.python(READER, place, stage.path("source"), kind, str(seed))
               for seed, kind in enumerate(kinds)]
    for reader in started:
        equal(reader.stdout.readline(), "ready\n")
    return started


def check(load):
    for reader in load:
        expect(reader.poll() is None, "a reader has ended", reader.poll() is not None
               and reader.communicate())


def is_active(machine, unit="modelfs.service"):
    return machine.systemctl("is-active", unit, code=None).strip() == "active"


def ask(machine, port=7860):
    """What the predictor says: its process, a sum over the model, what it sees."""
    code = ("import socket\nwith socket.create_connection(('127.0.0.1', %d), 20) as peer:\n"
            "    peer.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n    data = b''\n"
            "    while part := peer.recv(65536):\n        data += part\n"
            "print(data.partition(b'\\r\\n\\r\\n')[2].decode())" % port)
    return eval(machine.run("python3", "-c", code))  # pylint: disable=eval-used


@promise("S78", "Under systemd the keeper may die too", seconds=340)
def a_service_goes_on(stage):
    machine = stage.machine
    began = time.monotonic()
    try:
        machine.systemctl("enable", "modelfs-mount@two.service")
        machine.systemctl("start", "modelfs.service")
        wait_for(lambda: os.path.exists(machine.path("/data/two/config.json")), 20, "both mounts")
    except Failure as error:
        raise Failure(f"{error}\n{machine.journal()}") from error
    print(f"         started in {time.monotonic() - began:.1f} s", flush=True)
    equal(read(machine.path(f"/data/models/{NAME}@v1/config.json")), b"{}")
    equal(read(machine.path("/data/two/config.json")), b"{}")
    load = readers(stage)
    for _ in range(KILLS):
        pid = machine.worker()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: machine.worker() not in (None, pid), 10, "another worker")
        time.sleep(0.5)
        check(load)
    print(f"         {KILLS} workers killed", flush=True)
    for turn in range(KILLS):
        stored = int(machine.show("modelfs.service", "NFileDescriptorStore"))
        expect(stored >= 6, "stored:", stored)
        pid = machine.keeper()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: machine.keeper() not in (None, pid), 15, "another keeper")
        wait_for(lambda: is_active(machine), 20, "a service that is active again")
        # Ten starts in five minutes are the unit's limit.
        if turn % 4 == 3:
            machine.systemctl("reset-failed", "modelfs.service")
        time.sleep(0.5)
        check(load)
    print(f"         {KILLS} keepers killed, {machine.show('modelfs.service', 'NRestarts')} "
          "restarts counted", flush=True)
    equal(machine.systemctl("is-failed", "modelfs-mount@two.service", code=None).strip(),
          "inactive", machine.run("journalctl", "--no-pager", "-u", "modelfs-mount@two", code=None))
    equal(read(machine.path("/data/two/config.json")), b"{}")
    for _ in range(3):
        pid, keeper = machine.worker(), machine.keeper()
        shutil.copy2(stage.programs.modelfs, TREE + "/usr/local/bin/modelfs.new")
        os.rename(TREE + "/usr/local/bin/modelfs.new", TREE + "/usr/local/bin/modelfs")
        machine.systemctl("reload", "modelfs.service")
        wait_for(lambda: machine.worker() not in (None, pid), 10, "an upgraded worker")
        equal(machine.keeper(), keeper, "the keeper after a reload")
        equal(os.stat(f"/proc/{machine.worker()}/exe").st_ino,
              os.stat(TREE + "/usr/local/bin/modelfs").st_ino)
        check(load)
    print("         reloaded 3 times", flush=True)
    predictor_beside(stage, machine, load)
    keeper_that_hangs(machine, load)
    stop_under_load(machine, load)
    restart(stage, machine)


def predictor_beside(stage, machine, load):
    unit = machine.run("systemd-escape", "--path", "--template=modelfs-predictor@.service",
                       f"/data/models/{NAME}@v1").strip()
    ear = unit.replace(".service", ".socket")
    try:
        machine.systemctl("start", ear)
        pid, total, seen = ask(machine)
    except Failure as error:
        raise Failure(f"{error}\n{machine.systemctl('status', unit, code=None)}"
                      f"{machine.journal()}") from error
    data = noise(0, SIZE)
    wanted = sum(data[offset] for offset in range(0, SIZE, 4096))
    equal(total, wanted, "what it computed")
    equal(seen["model"], str(len(os.listdir(stage.path("source")))))
    expect(int(seen["user"]) > 60_000, "its user", seen)
    for name in ("secrets", "cache", "write", "network"):
        expect("Error" in seen[name], name, "was allowed:", seen[name])
    equal(seen["processes"], "1", "processes that it sees")
    level = machine.run("systemd-analyze", "security", "--no-pager", unit, code=None)
    print("         a predictor answers;", level.strip().splitlines()[-1].strip("→ "), flush=True)
    for kill in (machine.worker, machine.keeper):
        before = kill()
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: kill() not in (None, before), 15, "what follows a killed process")
        equal(ask(machine)[:2], (pid, wanted), "the predictor's answer")
    wait_for(lambda: is_active(machine), 20, "the service")
    check(load)
    stage.predictor = unit


def keeper_that_hangs(machine, load):
    machine.systemctl("reset-failed", "modelfs.service")
    pid = machine.keeper()
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: machine.keeper() not in (None, pid), 40, "what follows a keeper that hangs")
    wait_for(lambda: is_active(machine), 20, "a service that is active again")
    check(load)
    print("         the watchdog has replaced a keeper that hung", flush=True)


def stop_under_load(machine, load):
    with within(40, "a stop under load"):
        machine.systemctl("stop", "modelfs.service")
    equal(machine.systemctl("is-failed", "modelfs.service", code=None).strip(), "inactive")
    expect("/data/models" not in machine.run("cat", "/proc/self/mounts"), "still mounted")
    for reader in load:
        reader.communicate(timeout=15)
    waiting = [line for line in machine.run("ps", "-eo", "stat=,comm=").splitlines()
               if line.startswith("D")]
    equal(waiting, [], "processes that cannot be killed")
    expect(machine.keeper() is None and machine.worker() is None, "processes of the service")
    print("         stopped under load", flush=True)


def restart(stage, machine):
    """After a stop, and after a restart, all mounts are there again, and the predictor too."""
    for word in ("start", "restart"):
        machine.systemctl("reset-failed")
        machine.systemctl(word, "modelfs.service")
        equal(read(machine.path(f"/data/models/{NAME}@v1/config.json")), b"{}")
        wait_for(lambda: os.path.exists(machine.path("/data/two/config.json")), 20,
                 "the second mount, after", word)
    machine.systemctl("restart", stage.predictor)
    equal(ask(machine)[1] > 0, True)
    machine.systemctl("stop", stage.predictor, stage.predictor.replace(".service", ".socket"),
                      "modelfs.service")
    expect("/data/" not in machine.run("cat", "/proc/self/mounts"), "still mounted")


main(__name__, prepare)
