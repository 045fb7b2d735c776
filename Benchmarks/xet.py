#!/usr/bin/env python3
"""Measures files that come through Xet beside the official client, hf_xet, in one run.

    xet.py --bin DIR [--rounds N] [--megabytes N] [--threads N] [--only PATTERN] [--no-document]

Both sides read the same file of the same modelfs-hub on 127.0.0.1, in turn, each with nothing
cached: hf_xet downloads it into a file, a reader reads it through a mount from its begin to its
end. Both begin with the file's Xet hash and size known and without a token. The first round warms
up and does not count. Processor time is that of the whole client: hf_xet's process, which hashes
nothing, or daemon and reader together, until the file is proven by its chunks and again until its
SHA-256 is computed too. Memory is RssAnon and RssShmem, looked at every 20 ms.

The random reads are of 4 KiB each, far from each other, over 30 ms of latency: by one thread, and
by many at once. A thread's first read, which connects, is not counted. The rate is that of each
thread over its own time, added up: when the first ones have ended, no longer all of them read.

Writes out/bench-xet.json, and the marked section of docs/PERFORMANCE.md.
"""

import argparse
import json
import os
import random
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import numpy

import page

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from programs import LocalHub, Mount, ProgramError, Programs  # noqa: E402
from sweep import sweep  # noqa: E402

NAME = "bench/xet"
MARKS = ("<!-- xet-bench: begin -->", "<!-- xet-bench: end -->")
BLOCK = 1 << 20
SMALL = 4096
# Of random reads: farther than what one of them may bring with it.
APART = 512 << 10
LATENCY = 0.030
PROOF_SECONDS = 120.0
MEMORY_SECONDS = 0.02
MEMORY_LIMIT = 256 << 20
NETWORKS = {
    "200 MB/s": {"latency": "off", "bandwidth": "200MB/s"},
    "200 MB/s, 30 ms": {"latency": "30ms", "bandwidth": "200MB/s"},
    "unshaped": {"latency": "off", "bandwidth": "off"},
}
# In a process of its own, which has everything loaded before the clock starts.
CLIENT = """
import hf_xet, json, resource, sys, time
url, value, size, path = sys.argv[1:]
session = hf_xet.XetSession()
print("ready", flush=True)
sys.stdin.readline()
before = resource.getrusage(resource.RUSAGE_SELF)
began = time.perf_counter()
with session.new_file_download_group(token_refresh_url=url) as group:
    group.start_download_file(hf_xet.XetFileInfo(value, int(size)), path)
seconds = time.perf_counter() - began
after = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime]),
      flush=True)
sys.stdin.readline()
"""


def weights(size):
    """Numbers as in the weights of a model, in 16 bits: they compress by an eighth."""
    numbers = numpy.random.default_rng(11)
    left = size
    while left > 0:
        words = numbers.standard_normal(4 << 20, dtype="float32").view("uint32") >> 16
        part = words.astype("uint16").tobytes()[:left]
        left -= len(part)
        yield part


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_memory(pid):
    """Bytes that belong to the process alone: no pages of files."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        found = re.findall(r"Rss(?:Anon|Shmem):\s+(\d+) kB", file.read())
    return sum(int(text) for text in found) * 1024


class MemoryPeak(threading.Thread):
    """Looks at a process's memory again and again, for the time of a `with`."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.peak = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(MEMORY_SECONDS):
            try:
                self.peak = max(self.peak, own_memory(self.pid))
            except OSError:
                return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


class Bench:
    def __init__(self, arguments, scratch):
        self.arguments = arguments
        self.scratch = scratch
        self.programs = Programs(os.path.abspath(arguments.bin), scratch)
        self.hub = LocalHub(self.programs)
        self.size = arguments.megabytes << 20
        self.value = None
        self.results = []

    def prepare(self):
        folder = os.path.join(self.scratch, "source")
        os.makedirs(folder)
        path = os.path.join(folder, "model.bin")
        with open(path, "wb") as file:
            for part in weights(self.size):
                file.write(part)
        self.hub.add(NAME, folder, "--tag", "v1")
        os.remove(path)
        self.hub.start("--admin")
        tree = self.ask(f"/api/models/{NAME}/tree/v1")
        self.value = tree[0]["xetHash"]

    def ask(self, path, value=None):
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.hub.endpoint + path, data=data)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def weather(self, **changes):
        self.ask("/_modelfs/faults", changes)

    def observed(self, work):
        """What a way took, with what it cost the Hub."""
        self.ask("/_modelfs/stats/reset", {})
        before = processor_seconds(self.hub.process.pid)
        row = work()
        stats = self.ask("/_modelfs/stats")
        row["hub processor"] = processor_seconds(self.hub.process.pid) - before
        row["bytes"] = stats["xorbBytes"]
        row["requests"] = sum(stats["requests"][kind] for kind in
                              ("xet-token", "reconstruction", "xorb-data", "data"))
        return row

    def official(self):
        path = os.path.join(self.scratch, "copy.bin")
        url = f"{self.hub.endpoint}/api/models/{NAME}/xet-read-token/v1"
        home = os.path.join(self.scratch, "client")
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, url, self.value, str(self.size), path], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=self.programs.environment(HF_HOME=home, HF_XET_TELEMETRY_ENABLED="0"))
        try:
            process.stdout.readline()
            with MemoryPeak(process.pid) as memory:
                process.stdin.write("\n")
                process.stdin.flush()
                said = process.stdout.readline()
            if not said or os.path.getsize(path) != self.size:
                raise ProgramError("hf_xet did not download the file")
            seconds, processor = json.loads(said)
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(home, ignore_errors=True)
            if os.path.exists(path):
                os.remove(path)
        return {"seconds": seconds, "processor": processor, "memory": memory.peak}

    def mounted(self, work, *options):
        """Runs the work on a mount with an empty cache; names are known when it begins."""
        mount = Mount(self.programs, self.hub.endpoint, name="cold", cache="cold-cache")
        mount.forget()
        mount.start(*options)
        try:
            path = f"{mount.path}/{NAME}@v1/model.bin"
            if os.stat(path).st_size != self.size:
                raise ProgramError("the file has another size in the mount")
            return work(path, mount.status()["processID"])
        finally:
            mount.stop()
            mount.forget()

    def through_mount(self, path, daemon):
        def processor():
            own = resource.getrusage(resource.RUSAGE_THREAD)
            return own.ru_utime + own.ru_stime + processor_seconds(daemon)
        buffer = bytearray(BLOCK)
        with MemoryPeak(daemon) as memory:
            before = processor()
            began = time.perf_counter()
            descriptor = os.open(path, os.O_RDONLY)
            offset = 0
            while count := os.preadv(descriptor, [buffer], offset):
                offset += count
            os.close(descriptor)
            seconds = time.perf_counter() - began
            if offset != self.size:
                raise ProgramError(f"{path} ended at {offset}")
            costs = {"processor until read": processor() - before}
            deadline = time.monotonic() + PROOF_SECONDS
            for name, words in (("processor", (b"xet", b"sha256")),
                                ("processor with SHA-256", (b"sha256",))):
                while os.getxattr(path, "user.modelfs.verified").split()[-1] not in words:
                    if time.monotonic() > deadline:
                        raise ProgramError("the file was not proven")
                    time.sleep(0.01)
                costs[name] = processor() - before
            return {"seconds": seconds, "memory": memory.peak, **costs}

    def random_reads(self, path, thread_count):
        """How fast threads read, while all of them do.

        They begin at times that are spread over one read: threads that begin at once ask for all
        their plans at once, then for all their data, and wait for each other in a row.
        """
        places = list(range(self.size // APART))
        random.Random(5).shuffle(places)
        each = min(self.arguments.reads + 1, len(places) // thread_count)
        barrier = threading.Barrier(thread_count)
        times = [[] for _ in range(thread_count)]

        def read(index):
            descriptor = os.open(path, os.O_RDONLY)
            for number, place in enumerate(places[index::thread_count][:each]):
                if number == 1:
                    barrier.wait()
                    time.sleep(2 * LATENCY * index / thread_count)
                began = time.perf_counter()
                if len(os.pread(descriptor, SMALL, place * APART + 12_345)) != SMALL:
                    raise ProgramError("a read is short")
                # The first one of a thread connects.
                if number > 0:
                    times[index].append((began, time.perf_counter()))
            os.close(descriptor)
        threads = [threading.Thread(target=read, args=(index,)) for index in range(thread_count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        begin = max(each[0][0] for each in times)
        end = min(each[-1][1] for each in times)
        reads = [pair for each in times for pair in each]
        rate = sum(max(0.0, min(end, last) - max(begin, first)) / (last - first)
                   for first, last in reads) / (end - begin)
        return {"seconds": 1 / rate, "reads": each * thread_count, "rate": rate,
                "round trips": statistics.median(last - first for first, last in reads) / LATENCY}

    def run(self):
        self.prepare()
        try:
            for name, weather in NETWORKS.items():
                if re.search(self.arguments.only, name):
                    self.weather(**weather)
                    self.compare(name, {
                        "hf_xet": self.official,
                        "mount": lambda: self.mounted(self.through_mount)})
            if re.search(self.arguments.only, "random reads"):
                self.weather(latency="30ms", bandwidth="off")
                self.compare("random reads of 4 KiB, 30 ms", {
                    way: lambda count=count: self.mounted(
                        lambda path, _: self.random_reads(path, count))
                    for way, count in (("1 thread", 1),
                                       (f"{self.arguments.threads} threads",
                                        self.arguments.threads))})
        finally:
            self.hub.stop()
        return self.results

    def compare(self, name, ways):
        samples = {way: [] for way in ways}
        for number in range(self.arguments.rounds + 1):
            order = list(ways.items())
            for way, work in reversed(order) if number % 2 else order:
                row = self.observed(work)
                facts = ", ".join(f"{key} {value:.3f}" for key, value in row.items())
                print(f"{name}, round {number}, {way}: {facts}", flush=True)
                if number > 0:
                    samples[way].append(row)
        rows = {}
        for way, found in samples.items():
            rows[way] = {key: statistics.median(row[key] for row in found) for key in found[0]}
            rows[way]["samples"] = found
        self.results.append({"case": name, "ways": rows})


def tables(results):
    lines = ["| network | way | wall | ratio | processor | ratio | with SHA-256 | memory |"
             " requests | fetched |", "|---|---|---|---|---|---|---|---|---|---|"]
    reads = []
    for result in results:
        ways = result["ways"]
        base = ways[next(iter(ways))]
        for way, row in ways.items():
            ratio = row["seconds"] / base["seconds"]
            if "rate" in row:
                reads.append(f"| {result['case']} | {way} | {row['rate']:.0f} a second |"
                             f" {row['rate'] / base['rate']:.1f} | {row['round trips']:.2f} |"
                             f" {row['requests'] / row['reads']:.2f} |"
                             f" {row['bytes'] / row['reads'] / 1024:.0f} KiB |")
                continue
            lines.append(
                f"| {result['case']} | {way} | {row['seconds']:.2f} s | {ratio:.3f} |"
                f" {row['processor']:.2f} s | {row['processor'] / base['processor']:.2f} |"
                + (f" {row['processor with SHA-256']:.2f} s |"
                   if "processor with SHA-256" in row else " – |") +
                f" {row['memory'] / (1 << 20):.0f} MiB | {row['requests']:.0f} |"
                f" {row['bytes'] / 1e6:.1f} MB |")
    parts = [] if len(lines) == 2 else ["\n".join(lines)]
    if reads:
        parts.append("\n".join(
            ["| case | way | reads | ratio | round trips' time | requests for each |"
             " fetched for each |", "|---|---|---|---|---|---|---|", *reads]))
    return "\n\n".join(parts)


def report(arguments, results):
    versions = subprocess.run([os.path.join(TOP, "scripts/versions.sh"), sys.executable],
                              capture_output=True, text=True, check=True).stdout.rstrip()
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    setting = (f"{arguments.rounds} rounds after one to warm up, {arguments.megabytes} MiB of"
               f" bf16 weights, {time.strftime('%Y-%m-%d')}, load at the end {load}")
    text = f"{setting}.\n\n{tables(results)}\n\n```\n{versions}\n```"
    print(f"\n{text}")
    os.makedirs(os.path.join(TOP, "out"), exist_ok=True)
    with open(os.path.join(TOP, "out", "bench-xet.json"), "w", encoding="utf-8") as file:
        json.dump({"setting": setting, "versions": versions.splitlines(), "cases": results},
                  file, indent=2)
    if not arguments.no_document:
        page.replace(MARKS, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default=os.path.join(TOP, ".build/release"))
    parser.add_argument("--rounds", type=int, default=5, help="that count; at least 5")
    parser.add_argument("--megabytes", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--reads", type=int, default=32, help="of each thread at most")
    parser.add_argument("--only", default="", help="cases whose names match")
    parser.add_argument("--no-document", action="store_true", help="leave PERFORMANCE.md alone")
    arguments = parser.parse_args()
    if not os.path.exists("/dev/fuse"):
        sys.exit("xet: /dev/fuse is missing, so nothing can be mounted here")
    scratch = tempfile.mkdtemp(prefix="modelfs-bench-", dir="/tmp")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        report(arguments, Bench(arguments, scratch).run())
    except ProgramError as error:
        sys.exit(f"xet: {error}")
    finally:
        if sweep(scratch):
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
