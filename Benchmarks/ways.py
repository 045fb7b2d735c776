"""Ways to have a model at hand, as the benchmarks compare them: files, mounts, images, servers.

Everything lives below one scratch folder and is taken away by `close`. Each way has a path to read,
and the files whose pages have to be dropped for its bytes to come from the disk again.
"""

import contextlib
import glob
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request

import numpy

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from programs import LocalHub, Mount, ProgramError, Programs  # noqa: E402

FILE = "model.safetensors"
MIB = 1 << 20
TENSOR_BYTES = 4 * MIB
START_SECONDS = 60.0
PROOF_SECONDS = 300.0
PROBE_SECONDS = 300.0
MEMORY_SECONDS = 0.05
KINDS = {"fp32": ("F32", 4), "bf16": ("BF16", 2), "fp16": ("F16", 2)}


def weights(path, byte_count, kind):
    """A safetensors file whose numbers are as weights are: normally distributed, small."""
    name, width = KINDS[kind]
    generator = numpy.random.default_rng(1)
    count = byte_count // TENSOR_BYTES
    header = {"__metadata__": {"format": "pt"}}
    for index in range(count):
        header[f"model.layers.{index}.weight"] = {
            "dtype": name, "shape": [TENSOR_BYTES // width // 1024, 1024],
            "data_offsets": [index * TENSOR_BYTES, (index + 1) * TENSOR_BYTES]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _ in range(count):
            values = (generator.standard_normal(TENSOR_BYTES // width, numpy.float32) * 0.02)
            values = values.astype(numpy.float32)
            if kind == "fp16":
                values = values.astype(numpy.float16)
            elif kind == "bf16":
                values = (values.view(numpy.uint32) >> 16).astype(numpy.uint16)
            file.write(values.tobytes())


def drop(paths):
    """Has the kernel forget the pages of files that nobody maps."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            with contextlib.suppress(OSError):  # images have nothing to write
                os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def drop_everything():
    """Empties the page cache of the whole machine; needs root."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")


def compact():
    """Has the kernel put free memory together; needs root."""
    with open("/proc/sys/vm/compact_memory", "w", encoding="ascii") as file:
        file.write("1")


def reclaimed_pages():
    """Pages that the kernel has taken back so far, for want of memory: of all, or of a group."""
    with open("/proc/vmstat", encoding="ascii") as file:
        return sum(int(count) for name, count in map(str.split, file)
                   if name in ("pgsteal_anon", "pgsteal_file", "pginodesteal"))


def own_memory(pid):
    """Bytes that belong to a process alone: RssAnon and RssShmem, no pages of files."""
    total = 0
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) * 1024
    return total


class MemoryWatch(threading.Thread):
    """Looks at the memory of all daemons of a run, again and again."""

    def __init__(self):
        super().__init__(daemon=True)
        self.pids, self.peak, self.ended = set(), 0, threading.Event()

    def run(self):
        while not self.ended.wait(MEMORY_SECONDS):
            for pid in list(self.pids):
                try:
                    self.peak = max(self.peak, own_memory(pid))
                except OSError:
                    self.pids.discard(pid)


class Tools:
    """The small C programs beside this file, built when they are first wanted."""

    def __init__(self):
        self.folder = os.path.join(TOP, "out", "bench-tools")

    def build(self, name, *options, target=None):
        source = os.path.join(TOP, "Benchmarks", "Tools", f"{name}.c")
        program = os.path.join(self.folder, target or name)
        if os.path.exists(program) and os.path.getmtime(program) > os.path.getmtime(source):
            return program
        os.makedirs(self.folder, exist_ok=True)
        done = subprocess.run(["cc", "-O2", "-o", program, source, *options],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProgramError(f"cc cannot build {source}:\n{done.stderr}")
        return program

    @property
    def probe(self):
        return self.build("probe", "-lpthread")

    @property
    def counts(self):
        return self.build("counts", "-shared", "-fPIC", "-fno-builtin", "-ldl",
                          target="counts.so")

    @property
    def cached_server(self):
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], text=True,
                               capture_output=True, check=True).stdout.split()
        return self.build("cachedserver", *flags)


def probe(tools, kind, path, threads=1, stalls=False):
    """Runs the probe once, in a process of its own; gives what it says."""
    words = [tools.probe, kind, path, str(threads), str(TENSOR_BYTES)]
    done = subprocess.run(words + (["stalls"] if stalls else []), capture_output=True, text=True,
                          check=False, timeout=PROBE_SECONDS)
    if done.returncode != 0:
        raise ProgramError(f"probe {kind} {path}: {done.stderr}")
    return json.loads(done.stdout)


class Hub(LocalHub):
    """A local Hub that can be shaped and asked."""

    def ask(self, path, value=None):
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.endpoint + path, data=data)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def weather(self, latency="off", bandwidth="off"):
        self.ask("/_modelfs/faults", {"latency": latency, "bandwidth": bandwidth})

    def sent_bytes(self):
        stats = self.ask("/_modelfs/stats")
        return stats["dataBytes"] + stats["xorbBytes"]


class Index:
    """An HTTP server with one page, which names a file, and a redirect to where the Hub has it:
    rclone's http remote wants a listing, which the Hub's resolve URLs have not."""

    def __init__(self, target):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = f'<a href="{FILE}">{FILE}</a>'.encode() if self.path == "/" else b""
                self.send_response(200 if self.path == "/" else 307)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                if self.path != "/":
                    self.send_header("Location", target)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Ways:
    """A model in several kinds of places."""

    def __init__(self, binaries, scratch, tools):
        self.scratch, self.tools = scratch, tools
        self.programs = Programs(os.path.abspath(binaries), scratch)
        self.hub = Hub(self.programs)
        self.paths, self.files, self.notes = {}, {}, []
        self.mounts, self.mounted, self.processes, self.indexes = {}, [], [], []
        self.memory = MemoryWatch()
        self.memory.start()

    def prepare(self, kinds, mebibytes):
        """A repository bench/KIND for each type of numbers."""
        for kind in kinds:
            folder = os.path.join(self.scratch, f"source-{kind}")
            os.makedirs(folder)
            weights(self.source(kind), mebibytes * MIB, kind)
            self.hub.add(f"bench/{kind}", folder, "--tag", "v1")
        self.hub.start("--admin")

    def source(self, kind):
        return os.path.join(self.scratch, f"source-{kind}", FILE)

    def native(self, kind):
        self.paths["native"] = self.source(kind)
        self.files["native"] = [self.source(kind)]

    def fresh(self, name, source="hf://models"):
        return Mount(self.programs, self.hub.endpoint, source, name, f"cache-{name}")

    def mount(self, name, kind, *options, **variables):
        """A mount whose cache has all of the file, proven and laid out as it will be."""
        mount = self.fresh(name, f"hf://bench/{kind}@v1").start(*options, **variables)
        self.mounts[name] = mount
        self.memory.pids.add(mount.status()["processID"])
        path = os.path.join(mount.path, FILE)
        probe(self.tools, "read", path)
        self.settle(name, path)
        self.paths[name] = path
        self.files[name] = [path, *self.stored(name)]
        return mount

    def settle(self, name, path):
        mount = self.mounts[name]
        deadline = time.monotonic() + PROOF_SECONDS
        while not os.getxattr(path, "user.modelfs.verified").startswith(b"yes") or (
                name.startswith("packed") and mount.status()["fileSystem"]["hotBytes"] > 0):
            if time.monotonic() > deadline:
                raise ProgramError(f"{name}: not proven and laid out in time")
            time.sleep(0.1)

    def stored(self, name):
        """The files of a cache that hold bytes of models."""
        return [file for pattern in ("flat/*/*", "packs/*")
                for file in glob.glob(os.path.join(self.mounts[name].cache, pattern))]

    def unmount(self, name):
        self.mounts.pop(name).stop()
        self.paths.pop(name, None)

    def images(self, kind):
        folder = os.path.dirname(self.source(kind))
        self.image("EROFS-LZ4", ["mkfs.erofs", "-zlz4", "-C65536"], folder,
                   ["mount", "-t", "erofs", "-o", "loop,ro"])
        self.image("squashfuse", ["mksquashfs"], folder, ["squashfuse"])

    def image(self, name, maker, folder, mounter):
        image, place = (os.path.join(self.scratch, name + end) for end in (".img", ""))
        os.makedirs(place)
        make = maker + [image, folder]
        if name == "squashfuse":
            make = maker + [folder, image, "-comp", "lz4", "-no-progress", "-quiet"]
        if not self.has(name, maker[0], mounter[0]):
            return
        for words in (make, mounter + [image, place]):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                self.notes.append(f"{name}: {' '.join(words[:3])}: {done.stderr.strip()[-200:]}")
                return
        self.mounted.append(place)
        self.paths[name] = os.path.join(place, FILE)
        self.files[name] = [self.paths[name], image]

    def has(self, name, *tools):
        missing = [tool for tool in tools if shutil.which(tool) is None]
        if missing:
            self.notes.append(f"{name}: left out, since {', '.join(missing)} is not installed")
        return not missing

    def rclone(self, kind):
        if not self.has("rclone", "rclone"):
            return
        index = Index(f"{self.hub.endpoint}/bench/{kind}/resolve/v1/{FILE}")
        self.indexes.append(index)
        place, cache = (os.path.join(self.scratch, name) for name in ("rclone", "rclone-cache"))
        os.makedirs(place)
        self.start("rclone", place, [
            "rclone", "mount", ":http:", place, "--http-url", index.url, "--config", "/dev/null",
            "--read-only", "--vfs-cache-mode", "full", "--cache-dir", cache,
            "--dir-cache-time", "24h", "--vfs-cache-max-age", "24h", "--attr-timeout", "24h"])
        path = os.path.join(place, FILE)
        probe(self.tools, "read", path)
        self.paths["rclone"] = path
        self.files["rclone"] = [path] + [
            found for found in glob.glob(cache + "/vfs/**/*", recursive=True)
            if os.path.isfile(found)]

    def cached_server(self, kind):
        """The minimal FUSE server, with all pages of its file in the kernel."""
        place = os.path.join(self.scratch, "minimal-FUSE")
        os.makedirs(place)
        self.start("minimal FUSE", place, [self.tools.cached_server, self.source(kind), place])
        self.paths["minimal FUSE"] = os.path.join(place, FILE)
        # Its bytes are in its memory, so what is dropped are the kernel's pages alone.
        self.files["minimal FUSE"] = [self.paths["minimal FUSE"]]

    def start(self, name, place, words):
        log = open(os.path.join(self.scratch, f"{name}.log"), "wb")
        with log:
            process = subprocess.Popen(words, env=self.programs.environment(), stdout=log,
                                       stderr=log, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        self.mounted.append(place)
        deadline = time.monotonic() + START_SECONDS
        while not os.path.exists(os.path.join(place, FILE)):
            if process.poll() is not None or time.monotonic() > deadline:
                with open(log.name, encoding="utf-8", errors="replace") as file:
                    raise ProgramError(f"{name} does not mount: {file.read()[-500:]}")
            time.sleep(0.02)

    def messages(self):
        """The kernel's messages to each of our mounts so far, by kind."""
        return {name: mount.status()["fileSystem"]["kernelMessages"]
                for name, mount in self.mounts.items()}

    def close(self):
        self.memory.ended.set()
        for place in self.mounted:
            subprocess.run(["umount", place], check=False, capture_output=True)
        for process in self.processes:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
        for name in list(self.mounts):
            try:
                self.unmount(name)
            except ProgramError as error:
                print(error, file=sys.stderr)
        for index in self.indexes:
            index.server.shutdown()
        self.hub.stop()
