#!/usr/bin/env python3
"""Times `modelfs pull` beside `hf download` with hf_xet: cold, and again over a changed revision.

    pull.py --bin DIR [--megabytes N] [--rounds N] [--no-document]

Both fetch from the same modelfs-hub through Xet, in turn, each round into folders of their own, and
neither has anything cached in the first case. In the second, both have fetched revision v1 before
and fetch v2, of which 2 % of the bytes differ in 8 places. The folders are compared byte for byte.
Writes a section of docs/PERFORMANCE.md.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "scripts"))

# pylint: disable=wrong-import-position
import page  # noqa: E402
from programs import LocalHub, Programs  # noqa: E402

NAME = "bench/pull"
MARKS = ("<!-- pull: begin -->", "<!-- pull: end -->")
MIB = 1 << 20


def weights(byte_count):
    generator = numpy.random.default_rng(3)
    values = (generator.standard_normal(byte_count // 4) * 0.02).astype(numpy.float32)
    return bytearray((values.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes() * 2)


def write(folder, data):
    os.makedirs(folder)
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(data)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        file.write("{}")


class Bench:
    """A Hub with two revisions, and the two ways to have them in a folder."""

    def __init__(self, arguments, scratch):
        self.arguments, self.scratch = arguments, scratch
        self.programs = Programs(arguments.bin, scratch)
        self.hub = LocalHub(self.programs)
        data = weights(arguments.megabytes * MIB)
        write(os.path.join(scratch, "v1"), data)
        picks = random.Random(5)
        part = len(data) // 400
        for _ in range(8):
            start = picks.randrange(len(data) - part)
            data[start:start + part] = picks.randbytes(part)
        write(os.path.join(scratch, "v2"), data)
        for tag in ("v1", "v2"):
            self.hub.add(NAME, os.path.join(scratch, tag), "--tag", tag)
        self.hub.start()

    def modelfs(self, place, tag):
        self.run([self.programs.modelfs, "pull", f"hf://{NAME}@{tag}", place + "/files",
                  "--cache", place + "/cache"], place)

    def official(self, place, tag):
        client = os.path.join(os.path.dirname(sys.executable), "hf")
        self.run([client, "download", NAME, "--revision", tag, "--local-dir", place + "/files"],
                 place)

    def run(self, command, place):
        os.makedirs(place, exist_ok=True)
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=300, env=self.programs.environment(
                HF_ENDPOINT=self.hub.endpoint, HF_HOME=place + "/home"))
        if done.returncode != 0:
            sys.exit(f"{command}: {done.stdout}{done.stderr}")

    def timed(self, way, place, tag):
        began = time.monotonic()
        way(place, tag)
        took = time.monotonic() - began
        with open(os.path.join(self.scratch, tag, "model.safetensors"), "rb") as wanted, \
                open(place + "/files/model.safetensors", "rb") as found:
            if wanted.read() != found.read():
                sys.exit(f"{place}: the bytes differ")
        return took


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-document", action="store_true")
    arguments = parser.parse_args()
    scratch = tempfile.mkdtemp(prefix="modelfs-bench-")
    bench = Bench(arguments, scratch)
    times = {}
    try:
        for number in range(arguments.rounds + 1):
            for name in ("hf download", "modelfs pull"):
                way = bench.official if name == "hf download" else bench.modelfs
                place = os.path.join(scratch, f"{name.split()[0]}-{number}")
                for case, tag in (("cold", "v1"), ("a changed revision", "v2")):
                    took = bench.timed(way, place, tag)
                    # The first round warms up.
                    if number > 0:
                        times.setdefault((case, name), []).append(took)
                shutil.rmtree(place)
    finally:
        bench.hub.stop()
        shutil.rmtree(scratch)
    lines = [f"{arguments.rounds} rounds after one to warm up, {arguments.megabytes} MiB of bf16, "
             f"{time.strftime('%Y-%m-%d')}, load at the end {os.getloadavg()[0]:.1f}.", "",
             "| case | way | median | least to most | ratio |", "|---|---|---|---|---|"]
    for case in ("cold", "a changed revision"):
        base = statistics.median(times[case, "hf download"])
        for name in ("hf download", "modelfs pull"):
            samples = times[case, name]
            median = statistics.median(samples)
            lines.append(f"| {case} | {name} | {median:.2f} s | {min(samples):.2f} to "
                         f"{max(samples):.2f} s | {median / base:.2f} |")
    print("\n".join(lines))
    if not arguments.no_document:
        page.replace(MARKS, "\n".join(lines))


main()
