#!/usr/bin/env python3
"""Measures reads and listings through a mount beside the plainest alternative, in one run.

    bench.py --bin DIR [--rounds N] [--megabytes N] [--files N] [--only PATTERN] [--no-document]

A case is a pair (or more) of ways to do the same work. Each round runs every way once, in turn,
in the other order every second time, so that a slow moment of the machine meets all of them; the
first round warms up and does not count. Medians are compared within the run only. Everything is
served by a modelfs-hub on 127.0.0.1, unshaped: it is the overhead that is measured, not a network.

Writes out/bench.json, and the marked section of docs/PERFORMANCE.md.
"""

import argparse
import json
import mmap
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

import page

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from programs import LocalHub, Mount, ProgramError, Programs  # noqa: E402
from sweep import sweep  # noqa: E402

WEIGHTS = "bench/weights"
MANY = "bench/many"
# Folders of the many files, beside the top: 10 with 10 each, so 110 as in the case.
FOLDERS, FOLDERS_IN_EACH = 10, 10
BLOCK = 1 << 20
PAGE = 4096
MARKS = ("<!-- bench: begin -->", "<!-- bench: end -->")


class Case:
    """One piece of work; `ways` maps a name to a function, the first being the yardstick."""

    def __init__(self, name, ways, unit="s", byte_count=None, before=None):
        self.name = name
        self.ways = ways
        self.unit = unit
        self.byte_count = byte_count
        self.before = before
        self.samples = {way: [] for way in ways}

    def round(self, number):
        """Runs every way once, from the last to the first in every second round: whoever comes
        second finds caches and clocks warm. Round 0 does not count."""
        ways = list(self.ways.items())
        for way, work in reversed(ways) if number % 2 else ways:
            if self.before:
                self.before(way)
            value = work()
            if number > 0:
                self.samples[way].append(value)

    def result(self):
        base = statistics.median(self.samples[next(iter(self.ways))])
        rows = {}
        for way, samples in self.samples.items():
            median = statistics.median(samples)
            rows[way] = {"median": median, "least": min(samples), "most": max(samples),
                         "ratio": median / base, "samples": samples}
            if self.byte_count:
                rows[way]["bytes_per_second"] = self.byte_count / median
        return {"case": self.name, "unit": self.unit, "ways": rows}


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def first_byte(path):
    """Seconds until the first byte of a file is here, its lookup and open included."""
    def work():
        descriptor = os.open(path, os.O_RDONLY)
        if len(os.pread(descriptor, 1, 0)) != 1:
            raise ProgramError(f"{path} gave no byte")
        os.close(descriptor)
    return timed(work)


def full_read(path):
    """Seconds to read a file from its begin to its end, into one buffer."""
    buffer = bytearray(BLOCK)

    def work():
        descriptor = os.open(path, os.O_RDONLY)
        offset = 0
        while count := os.preadv(descriptor, [buffer], offset):
            offset += count
        os.close(descriptor)
        if offset != os.stat(path).st_size:
            raise ProgramError(f"{path} ended at {offset}")
    return timed(work)


def touch(path, every_byte=False):
    """Seconds to map a file and touch one byte of each page, or all bytes."""
    def work():
        with open(path, "rb") as file:
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                view = numpy.frombuffer(mapped, numpy.uint64 if every_byte else numpy.uint8)
                total = (view if every_byte else view[::PAGE]).sum()
                del view
        return total
    return timed(work)


def curl(url, output, until_first_byte=False):
    """What curl itself says it took, redirects included."""
    variable = "%{time_starttransfer}" if until_first_byte else "%{time_total}"
    extra = ["--range", "0-0"] if until_first_byte else []
    done = subprocess.run(
        ["curl", "--fail", "--silent", "--show-error", "--location", "--output", output,
         "--write-out", variable, *extra, url], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProgramError(f"curl {url}: {done.stderr.strip()}")
    return float(done.stdout)


def shell(command):
    return timed(lambda: subprocess.run(["bash", "-c", command], check=True,
                                        stdout=subprocess.DEVNULL))


def drop_pages():
    """Empties the page cache of the whole machine; needs root."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")


class Bench:
    def __init__(self, arguments, scratch):
        self.arguments = arguments
        self.scratch = scratch
        self.programs = Programs(os.path.abspath(arguments.bin), scratch)
        self.hub = LocalHub(self.programs)
        self.weights = os.path.join(scratch, "weights", "model.bin")
        self.many = os.path.join(scratch, "many")
        self.notes = []

    def prepare(self):
        os.makedirs(os.path.dirname(self.weights))
        with open(self.weights, "wb") as file:
            for _ in range(self.arguments.megabytes):
                file.write(os.urandom(BLOCK))
        self.make_many()
        self.hub.add(WEIGHTS, os.path.dirname(self.weights), "--tag", "v1")
        self.hub.add(MANY, self.many, "--tag", "v1")
        self.hub.start()

    def make_many(self):
        folders = [self.many]
        for outer in range(FOLDERS):
            folders.append(os.path.join(self.many, f"folder-{outer:02}"))
            folders += [os.path.join(folders[-1], f"inner-{inner}")
                        for inner in range(FOLDERS_IN_EACH)]
        for folder in folders:
            os.makedirs(folder, exist_ok=True)
        for index in range(self.arguments.files):
            folder = folders[1 + index % (len(folders) - 1)]
            with open(os.path.join(folder, f"file-{index:05}.txt"), "w", encoding="ascii") as file:
                file.write(f"{index}\n")

    def mount(self, name="mount"):
        return Mount(self.programs, self.hub.endpoint, name=name, cache=f"{name}-cache")

    def cold(self, repository, work):
        """Runs the work on a mount with an empty cache, made for it and removed after it."""
        mount = self.mount("cold")
        mount.forget()
        mount.start()
        try:
            return work(f"{mount.path}/{repository}@v1", mount)
        finally:
            mount.stop()
            mount.forget()

    def cold_cases(self):
        url = f"{self.hub.endpoint}/{WEIGHTS}/resolve/v1/model.bin"
        copy = os.path.join(self.scratch, "copy")
        size = os.path.getsize(self.weights)

        def through(work):
            return lambda: self.cold(WEIGHTS, lambda path, _: work(f"{path}/model.bin"))

        def with_names(path, _):
            os.listdir(path)
            return first_byte(f"{path}/model.bin")
        return [
            Case("first byte, cold", {
                "curl": lambda: curl(url, "/dev/null", until_first_byte=True),
                "mount": through(first_byte),
                "mount, names known": lambda: self.cold(WEIGHTS, with_names)}),
            Case("full read, cold", {
                "curl to a file": lambda: curl(url, copy),
                "curl to /dev/null": lambda: curl(url, "/dev/null"),
                "mount": through(full_read)}, byte_count=size),
        ]

    def hot_cases(self, mount):
        path = f"{mount.path}/{WEIGHTS}@v1/model.bin"
        size = os.path.getsize(self.weights)

        def pair(work, **options):
            return {"native": lambda: work(self.weights, **options),
                    "mount": lambda: work(path, **options)}
        paths = {"native": self.weights, "mount": path}
        warm = {"byte_count": size, "before": lambda way: full_read(paths[way])}
        hot = [Case("read(2), hot", pair(full_read), **warm),
               Case("mmap, touch every page, hot", pair(touch), **warm),
               Case("mmap, sum every byte, hot", pair(touch, every_byte=True), **warm)]
        if os.geteuid() != 0 or not os.access("/proc/sys/vm/drop_caches", os.W_OK):
            return hot, []
        drop = {"byte_count": size, "before": lambda _: drop_pages()}
        return hot, [Case("read(2), from disk", pair(full_read), **drop),
                     Case("mmap, touch every page, from disk", pair(touch), **drop)]

    def listing_cases(self, mount):
        path = f"{mount.path}/{MANY}@v1"

        def requests(_, cold):
            before = cold.request_count() or 0
            seconds = shell(f"ls -lR {cold.path}/{MANY}@v1")
            asked = (cold.request_count() or 0) - before
            self.notes.append(asked)
            return seconds
        paths = {"native": self.many, "mount": path}

        def warm(way):
            shell(f"ls -lR {paths[way]}")
        return [
            Case("ls -lR, first time (native: again)", {
                "native": lambda: shell(f"ls -lR {self.many}"),
                "mount": lambda: self.cold(MANY, requests)}, before=warm),
            Case("ls -lR, again", {
                "native": lambda: shell(f"ls -lR {self.many}"),
                "mount": lambda: shell(f"ls -lR {path}")}, before=warm),
            Case("find -type f, again", {
                "native": lambda: shell(f"find {self.many} -type f"),
                "mount": lambda: shell(f"find {path} -type f")}, before=warm),
        ]

    def run(self):
        self.prepare()
        mount = self.mount().start()
        try:
            hot, from_disk = self.hot_cases(mount)
            # What empties the machine's caches comes last, so that it is felt by nobody else.
            cases = self.cold_cases() + hot + self.listing_cases(mount) + from_disk
            cases = [case for case in cases if re.search(self.arguments.only, case.name)]
            for number in range(self.arguments.rounds + 1):
                print(f"round {number} of {self.arguments.rounds}"
                      f"{' (warming up)' if number == 0 else ''}", flush=True)
                for case in cases:
                    case.round(number)
        finally:
            mount.stop()
            self.hub.stop()
        return [case.result() for case in cases]


def value_text(value, rate):
    text = f"{value * 1e3:.2f} ms" if value < 1 else f"{value:.3f} s"
    return text + (f" ({rate / 1e9:.2f} GB/s)" if rate else "")


def table(results):
    lines = ["| case | way | median | least to most | ratio |", "|---|---|---|---|---|"]
    for result in results:
        for way, row in result["ways"].items():
            median = value_text(row["median"], row.get("bytes_per_second"))
            spread = f"{value_text(row['least'], None)} to {value_text(row['most'], None)}"
            lines.append(f"| {result['case']} | {way} | {median} | {spread} |"
                         f" {row['ratio']:.2f} |")
    return "\n".join(lines)


def report(arguments, results, notes):
    versions = subprocess.run([os.path.join(TOP, "scripts/versions.sh"), sys.executable],
                              capture_output=True, text=True, check=True).stdout.rstrip()
    setting = (f"{arguments.rounds} rounds after one to warm up, a file of"
               f" {arguments.megabytes} MiB, {arguments.files} files in"
               f" {FOLDERS * (FOLDERS_IN_EACH + 1)} folders, {time.strftime('%Y-%m-%d')}")
    if notes:
        setting += f"; requests to the Hub for the first ls -lR: {statistics.median(notes):.0f}"
    text = f"{setting}.\n\n{table(results)}\n\n```\n{versions}\n```"
    print(f"\n{text}")
    os.makedirs(os.path.join(TOP, "out"), exist_ok=True)
    with open(os.path.join(TOP, "out", "bench.json"), "w", encoding="utf-8") as file:
        json.dump({"setting": setting, "versions": versions.splitlines(), "cases": results,
                   "requests_of_first_listing": notes}, file, indent=2)
    if not arguments.no_document:
        page.replace(MARKS, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default=os.path.join(TOP, ".build/release"))
    parser.add_argument("--rounds", type=int, default=7, help="that count; at least 5")
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--only", default="", help="cases whose names match")
    parser.add_argument("--no-document", action="store_true", help="leave PERFORMANCE.md alone")
    arguments = parser.parse_args()
    if not os.path.exists("/dev/fuse"):
        sys.exit("bench: /dev/fuse is missing, so nothing can be mounted here")
    scratch = tempfile.mkdtemp(prefix="modelfs-bench-", dir="/tmp")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        bench = Bench(arguments, scratch)
        results = bench.run()
        report(arguments, results, bench.notes)
    except ProgramError as error:
        sys.exit(f"bench: {error}")
    finally:
        if sweep(scratch):
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
