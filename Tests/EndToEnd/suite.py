"""What the end-to-end suites share: a stage to play on, promises to keep, and a way out.

A suite is a module with functions marked `@promise("S12", "first words of that paragraph")`; each
gets the stage, and fails by an exception. `main(__name__, prepare)` runs them in the order of the
file, prints a line for each, and clears the stage however it ends. A test that takes too long has
its FUSE connections aborted first, since nothing else frees who waits for a broken mount.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from programs import (LocalHub, Mount, Predictor, ProgramError, Programs,  # noqa: E402, F401
                      free_port)
import sweep  # noqa: E402

TEST_SECONDS = 40
COMMAND_SECONDS = 30
STOP_SECONDS = 15
SKIPPED = 77
_promises = []


class Failure(AssertionError):
    """A promise that was not kept."""


class Skip(Exception):
    """The machine cannot show it; the text is the reason."""


# The ways on which the bytes of large files come, as the environment of a mount chooses them.
PLAIN = {"HF_HUB_DISABLE_XET": "1"}
XET = {}


def promise(number, words, seconds=TEST_SECONDS, ways=(None,)):
    """Marks a test of the paragraph of docs/SEMANTICS.md, or docs/PREDICTOR.md, that begins so.

    With ways, it is kept on each of them, and finds the variables of the way in `stage.way`.
    """
    def mark(function):
        for way in ways:
            _promises.append((number, words, seconds, function, way))
        return function
    return mark


def says(said, *texts):
    """What a command said has each of these texts, wherever its lines were broken."""
    flat = " ".join(said.split())
    for text in texts:
        expect(text in flat, repr(text), "is missing in", said)


def expect(condition, *detail):
    if not condition:
        raise Failure(" ".join(str(part) for part in detail) or "it does not hold")


def equal(found, wanted, *detail):
    if found != wanted:
        words = " ".join(str(part) for part in detail)
        raise Failure(f"{words}: found {shorten(found)}, wanted {shorten(wanted)}")


def shorten(value):
    text = repr(value)
    return text if len(text) <= 600 else text[:600] + "…"


@contextlib.contextmanager
def raises(number, *detail):
    """The block must fail with that errno."""
    try:
        yield
    except OSError as error:
        if error.errno != number:
            raise Failure(f"{' '.join(detail)}: {error}, wanted {os.strerror(number)}") from error
    else:
        raise Failure(f"{' '.join(detail)}: no error, wanted {os.strerror(number)}")


@contextlib.contextmanager
def within(seconds, *detail):
    """The block must not take longer."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    expect(took <= seconds, *detail, f"took {took:.3f} s, at most {seconds} s are promised")


def wait_for(condition, seconds, *detail):
    """Gives the first true value of the condition."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        expect(time.monotonic() < deadline, *detail, f"not within {seconds} s")
        time.sleep(0.02)


def run(*command, code=0, seconds=COMMAND_SECONDS, **options):
    """A program's standard output; it must end with `code`."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds, check=False, errors="surrogateescape", **options)
    if code is not None and done.returncode != code:
        raise Failure(f"{' '.join(command)[:300]}: exit {done.returncode}, wanted {code}\n"
                      f"{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def snapshot(folder):
    """Every name below a folder: its kind and, for files, size and hash."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in folders:
            path = os.path.join(place, name)
            found[os.path.relpath(path, folder)] = "folder"
        for name in files:
            path = os.path.join(place, name)
            data = read(path)
            found[os.path.relpath(path, folder)] = (len(data), hashlib.sha256(data).hexdigest())
    return found


def drop_pages(path):
    """Has the kernel forget the pages of a file that nobody maps."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def drop_names():
    """Has the kernel forget names and attributes that are not in use."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("2")


def kernel_nodes():
    """How many nodes of FUSE mounts the kernel has in memory, nearly."""
    for line in read("/proc/slabinfo").decode().splitlines():
        if line.startswith("fuse_inode "):
            return int(line.split()[1])
    raise Skip("the kernel does not count its nodes")


class Attempt(threading.Thread):
    """A read on a thread of its own; gives what came of it."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.found, self.error = path, None, None
        self.start()

    def run(self):
        try:
            self.found = read(self.path)
        except OSError as error:
            self.error = error

    def result(self, seconds):
        self.join(seconds)
        expect(not self.is_alive(), self.path, f"was not read within {seconds} s")
        if self.error:
            raise self.error
        return self.found


class Hub(LocalHub):
    """modelfs-hub, with what its own counters say, and with weather."""

    def start(self, *options, xet=False):
        """Most suites count plain requests and break them, so Xet has to be asked for."""
        return super().start("--admin", *([] if xet else ["--no-xet"]), *options)

    def weather(self, **changes):
        """Changes latency, bandwidth and faults of the running server."""
        request = urllib.request.Request(self.endpoint + "/_modelfs/faults", method="POST",
                                         data=json.dumps(changes).encode())
        urllib.request.urlopen(request, timeout=5).close()

    def faults(self, *specifications):
        self.weather(faults=list(specifications))

    def data_faults(self, *specifications):
        """Faults of everything that brings large files, whichever way it comes."""
        self.faults(*(f"{each},path={path}" for each in specifications
                      for path in ("/_data/*", "/_xorb/*")))

    def stall_contents(self):
        """No byte of a large file comes any more, on whichever way."""
        self.faults(*(f"stall=600,path={path}" for path in (
            "/*/resolve/*", "/v2/*", "/v1/*", "/_data/*", "/_xorb/*")))

    def data_bytes(self):
        """Bytes of large files that were sent."""
        stats = self.stats()
        return stats["dataBytes"] + stats["xorbBytes"]

    def stats(self):
        with urllib.request.urlopen(self.endpoint + "/_modelfs/stats", timeout=5) as answer:
            return json.load(answer)

    def requests(self):
        """Requests so far, those for the counters themselves excepted."""
        requests = self.stats()["requests"]
        return sum(count for kind, count in requests.items() if kind != "other")

    def alias(self, name, target):
        self.programs.run(self.programs.hub, "alias", name, target, "--root", self.root)

    def token(self, *options):
        return self.programs.run(self.programs.hub, "token", "create", "--root", self.root,
                                 *options).split()[-1]


class MountedTree(Mount):
    """A mount that can be asked about, killed and cleared away."""

    def start(self, *options, **variables):
        os.makedirs(self.path, exist_ok=True)
        return super().start(*options, **variables)

    def add(self, source, name):
        """Another mount of the same daemon."""
        other = MountedTree(self.programs, self.endpoint, source, name,
                            os.path.basename(self.cache))
        return other.start()

    def messages(self):
        return self.status()["fileSystem"]["kernelMessages"]

    def hub_requests(self):
        return sum(self.status()["fileSystem"]["hubRequests"].values())

    def fetched(self):
        return self.status()["fileSystem"]["bytesFetched"]

    def problems(self):
        return " | ".join(problem["text"] for problem in self.status()["problems"])

    def log(self):
        with open(os.path.join(self.cache, "daemon.log"), encoding="utf-8") as file:
            return file.read()

    def daemon(self):
        """The process that serves, or the last one that did.

        A successor answers readers before it notes itself, so the dead one's note is given time.
        """
        for _ in range(200):
            with open(os.path.join(self.cache, "lock"), encoding="ascii") as file:
                # A longer number's last digits may still stand below it.
                pid = int(file.read().split()[0])
            if alive(pid):
                break
            time.sleep(0.01)
        return pid

    def is_served(self):
        done = subprocess.run([self.programs.modelfs, "status", "--cache", self.cache],
                              env=self.programs.environment(), capture_output=True, check=False,
                              timeout=COMMAND_SECONDS)
        return done.returncode == 0

    def end(self):
        """Takes all mounts of the daemon away, in the orderly way."""
        self.programs.run(self.programs.modelfs, "umount", "--all", "--cache", self.cache)

    def keeper(self):
        """The process that starts the daemon again when it dies; None where there is none."""
        try:
            pid = parent(self.daemon())
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                return pid if file.read().strip() == "modelfs-keeper" else None
        except OSError:
            return None

    def kill(self):
        """Leaves a dead mount, as the kernel might for want of memory: nobody takes it over."""
        pids = [pid for pid in (self.keeper(), self.daemon()) if pid]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in pids), 5, "a killed daemon")

    def restart(self, *options, **variables):
        self.end()
        return self.start(*options, **variables)


def alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parent(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[1])


class Stage:
    """The scratch folder with everything on it."""

    def __init__(self):
        scratch = os.environ.get("MODELFS_SCRATCH") or f"/tmp/modelfs-suite-{os.getpid()}"
        self.scratch = os.path.realpath(scratch)
        self.owned = "MODELFS_SCRATCH" not in os.environ
        os.makedirs(self.scratch, exist_ok=True)
        os.environ["MODELFS_SCRATCH"] = self.scratch
        binaries = os.environ.get("MODELFS_BIN") or os.path.join(TOP, ".build/debug")
        self.programs = Programs(binaries, self.scratch)
        self.hubs = []
        self.mounts = []
        self.predictors = []
        self.processes = []
        self.actions = []
        self.way = None

    def path(self, *parts):
        return os.path.join(self.scratch, *parts)

    def hub(self, name="hub"):
        hub = Hub(self.programs, name)
        self.hubs.append(hub)
        return hub

    def mount(self, hub, source="hf://models", name="mount", cache="cache"):
        endpoint = hub if isinstance(hub, str) else hub.endpoint
        mount = MountedTree(self.programs, endpoint, source, name, cache)
        self.mounts.append(mount)
        return mount

    def predictor(self, path, name="predictor"):
        predictor = Predictor(self.programs, path, name)
        self.predictors.append(predictor)
        return predictor

    def preloaded(self, name):
        """A library from Tests/Support that is loaded before a daemon's own; made once."""
        library = self.path(name + ".so")
        if not os.path.exists(library):
            compiler = shutil.which("cc") or shutil.which("clang")
            if not compiler:
                raise Skip(f"there is no C compiler for {name}.c")
            run(compiler, "-shared", "-fPIC", "-O1", "-o", library,
                os.path.join(TOP, f"Tests/Support/{name}.c"), "-ldl")
        return library

    def certificate(self, name, *subjects):
        """A certificate of our own for these names: (certificate, key)."""
        paths = self.path(f"{name}.pem"), self.path(f"{name}.key")
        if not shutil.which("openssl"):
            raise Skip("there is no openssl")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-out",
            paths[0], "-keyout", paths[1], "-subj", "/CN=modelfs test", "-addext",
            "subjectAltName=" + ",".join(subjects))
        return paths

    def python(self, text, *arguments, **options):
        """A process that runs some Python; ended with the stage at the latest."""
        process = subprocess.Popen([sys.executable, "-c", text, *arguments],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, **options)
        self.processes.append(process)
        return process

    def reader(self, path, offset=0, count=1):
        """A process that reads a few bytes; it says `reading` before it does, and leaves SIGINT
        to the kernel, as `cat` does."""
        return self.python(
            "import os, signal, sys\n"
            "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
            "file = os.open(sys.argv[1], os.O_RDONLY)\n"
            "print('reading', flush=True)\n"
            "os.pread(file, int(sys.argv[3]), int(sys.argv[2]))\n", path, str(offset), str(count))

    def modelfs(self, *words, code=0, seconds=COMMAND_SECONDS, **variables):
        """Runs modelfs; gives what it said on both outputs."""
        done = subprocess.run([self.programs.modelfs, *words], text=True, timeout=seconds,
                              env=self.programs.environment(**variables), check=False,
                              stdin=subprocess.DEVNULL, capture_output=True)
        if code is not None:
            equal(done.returncode, code, " ".join(("modelfs",) + words), done.stdout, done.stderr)
        return done.stdout + done.stderr

    def clear(self):
        """Leaves nothing mounted and nothing running."""
        for action in reversed(self.actions):
            action()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for predictor in self.predictors:
            with contextlib.suppress(Exception):
                predictor.stop()
        for mount in self.mounts:
            with contextlib.suppress(Exception):
                if mount.is_served():
                    mount.end()
        for hub in self.hubs:
            with contextlib.suppress(Exception):
                hub.stop()
        sweep.sweep(self.scratch, report=lambda line: None)
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=STOP_SECONDS)
        if self.owned:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def abort(self):
        """Frees everyone who waits for one of our mounts."""
        for path, device, kind in sweep.our_mounts(self.scratch):
            if kind.startswith("fuse"):
                sweep.abort(path, device)


class Watchdog:
    """Ends a test that is stuck: first the mounts, then the exception."""

    def __init__(self, stage, seconds):
        self.stage, self.seconds = stage, seconds
        self.main = threading.main_thread().ident
        self.timer = threading.Timer(seconds, self.bark)
        self.timer.daemon = True
        self.has_barked = False
        self.is_over = threading.Event()

    def bark(self):
        self.has_barked = True
        self.stage.abort()
        if self.is_over.wait(STOP_SECONDS):
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self.main), ctypes.py_object(Failure))

    def __enter__(self):
        self.timer.start()
        return self

    def __exit__(self, kind, value, trace):
        self.timer.cancel()
        self.is_over.set()
        if self.has_barked:
            raise Failure(f"not done after {self.seconds} s") from value
        return False


def main(module, prepare=None):
    """Runs the promises of a suite; ends the process."""
    if module != "__main__":
        return
    patterns = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    counts = {"passed": 0, "failed": 0}
    stage = Stage()
    try:
        if prepare:
            prepare(stage)
        for number, words, seconds, function, way in _promises:
            if patterns and not any(p in (number, function.__name__) for p in patterns):
                continue
            stage.way = way
            keep(stage, number, words, seconds, function, counts)
    except Skip as skip:
        print(skip)
        stage.clear()
        sys.exit(SKIPPED)
    finally:
        stage.clear()
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    sys.exit(1 if counts["failed"] else 0)


def keep(stage, number, words, seconds, function, counts):
    """Tries one promise, and tells."""
    began = time.monotonic()
    name = f"{number} {words}: {function.__name__.replace('_', ' ')}"
    if stage.way is not None:
        name += " over plain HTTP" if stage.way is PLAIN else " through Xet"
    try:
        with Watchdog(stage, seconds):
            function(stage)
    except Skip as skip:
        print(f"skipped  {name}: {skip}", flush=True)
        return
    except Exception as error:  # pylint: disable=broad-except
        counts["failed"] += 1
        for hub in stage.hubs:
            with contextlib.suppress(OSError):
                hub.weather(latency="off", bandwidth="off", faults=[])
        print(f"FAILED   {name} ({time.monotonic() - began:.1f} s)", flush=True)
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        for line in text.splitlines()[-25:]:
            print(f"         {line}", flush=True)
        return
    counts["passed"] += 1
    print(f"ok       {name} ({time.monotonic() - began:.1f} s)", flush=True)


def paragraphs(text):
    """The numbered paragraphs of docs/SEMANTICS.md: number to first sentence."""
    return dict(re.findall(r"^\*\*(S\d+)\. (.+?)\.\*\*", text, re.MULTILINE))
