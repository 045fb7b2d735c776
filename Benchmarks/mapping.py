#!/usr/bin/env python3
"""Measures reads and mappings of a model that is in the cache, beside other ways to have it there.

    mapping.py --bin DIR [--rounds N] [--megabytes N] [--type fp32|bf16|fp16] [--no-document]

Ways: a plain file; a mount whose files the kernel reads by itself (flat); a mount with flat files
that the daemon reads and checks; a mount with packed ones; and, where their tools are installed,
the kernel's EROFS with LZ4 and squashfuse with LZ4. Every way of a case runs once in each round, in
turn. "Hot": all pages are in memory. "Warm": none is, and the bytes are on the local disk. Only
pages of our own files are dropped, so this disturbs nobody else.

Beside the times it counts READ messages of the kernel. Writes out/mapping.json, and a section of
docs/PERFORMANCE.md.
"""

import argparse
import concurrent.futures
import contextlib
import functools
import glob
import json
import mmap
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import numpy

import bench
import page
from bench import TOP, Case
from programs import LocalHub, Mount, ProgramError, Programs
from sweep import sweep

NAME = "bench/mapping"
MARKS = ("<!-- mapping: begin -->", "<!-- mapping: end -->")
TENSOR_BYTES = 4 << 20
PAGE = 4096
MIB = 1 << 20


def weights(path, byte_count, kind):
    """A file as weights are: normally distributed, small."""
    generator = numpy.random.default_rng(1)
    with open(path, "wb") as file:
        for _ in range(byte_count // (16 * MIB)):
            values = (generator.standard_normal(16 * MIB // (4 if kind == "fp32" else 2)) * 0.02)
            values = values.astype(numpy.float32)
            if kind == "fp16":
                values = values.astype(numpy.float16)
            elif kind == "bf16":
                values = (values.view(numpy.uint32) >> 16).astype(numpy.uint16)
            file.write(values.tobytes())


def drop(paths):
    """Has the kernel forget the pages of files that nobody maps."""
    for path in paths:
        with open(path, "rb") as file:
            with contextlib.suppress(OSError):  # images have nothing to write
                os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def map_in(path, threads=1, shuffled=False):
    """Seconds to touch a byte of each page of a mapping: by tensors, by several threads."""
    def work():
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            view = numpy.frombuffer(mapped, numpy.uint8)
            starts = list(range(0, len(view), TENSOR_BYTES))
            if shuffled:
                random.Random(7).shuffle(starts)

            def touch(start):
                return int(view[start:start + TENSOR_BYTES:PAGE].sum())
            with concurrent.futures.ThreadPoolExecutor(threads) as pool:
                sum(pool.map(touch, starts))
            del view
    return bench.timed(work)


def random_pages(path, count=2000):
    """Seconds to read single pages, one after another."""
    def work():
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        order = random.Random(3)
        pages = os.fstat(descriptor).st_size // PAGE
        for _ in range(count):
            os.pread(descriptor, PAGE, order.randrange(pages) * PAGE)
        os.close(descriptor)
    return bench.timed(work)


class Mapping:
    """A model in several kinds of caches, each with a path to read and files to drop."""

    def __init__(self, arguments, scratch):
        self.arguments, self.scratch = arguments, scratch
        self.programs = Programs(arguments.bin, scratch)
        self.hub = LocalHub(self.programs)
        self.mounts = {}
        self.mounted = []
        self.paths, self.files, self.notes = {}, {}, []

    def prepare(self):
        folder = os.path.join(self.scratch, "source")
        os.makedirs(folder)
        native = os.path.join(folder, "model.safetensors")
        weights(native, self.arguments.megabytes * MIB, self.arguments.type)
        self.paths["native"], self.files["native"] = native, [native]
        self.hub.add(NAME, folder)
        self.hub.start()
        self.mount("flat")
        self.mount("checked", "--check-reads")
        self.mount("packed", "--hot-size", "0")
        self.image("EROFS-LZ4", "mkfs.erofs", ["mkfs.erofs", "-zlz4", "-C65536"], folder,
                   ["mount", "-t", "erofs", "-o", "loop,ro"])
        self.image("squashfuse", "mksquashfs", None, folder, ["squashfuse"])

    def mount(self, name, *options):
        mount = Mount(self.programs, self.hub.endpoint, f"hf://{NAME}", name, f"cache-{name}")
        self.mounts[name] = mount.start(*options)
        path = os.path.join(mount.path, "model.safetensors")
        bench.full_read(path)
        deadline = time.monotonic() + 300
        while not os.getxattr(path, "user.modelfs.verified").startswith(b"yes") or (
                name == "packed" and mount.status()["fileSystem"]["hotBytes"] > 0):
            if time.monotonic() > deadline:
                raise ProgramError(f"{name}: not proven and laid out in time")
            time.sleep(0.1)
        self.paths[name] = path
        self.files[name] = [path] + [
            file for pattern in ("flat/*/*", "packs/*")
            for file in glob.glob(os.path.join(mount.cache, pattern))]
        if name == "flat" and not mount.status()["fileSystem"]["reading"]["isByKernel"]:
            self.notes.append("the kernel does not read files by itself here")

    def image(self, name, maker, command, folder, mounter):
        if shutil.which(maker) is None or shutil.which(mounter[0]) is None:
            self.notes.append(f"{name}: its tools are not installed")
            return
        image, place = (os.path.join(self.scratch, name + end) for end in (".img", ""))
        os.makedirs(place)
        make = command + [image, folder] if command else [
            "mksquashfs", folder, image, "-comp", "lz4", "-no-progress"]
        for words in (make, mounter + [image, place]):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                self.notes.append(f"{name}: {' '.join(words[:3])}: {done.stderr.strip()[-200:]}")
                return
        self.mounted.append(place)
        self.paths[name] = os.path.join(place, "model.safetensors")
        self.files[name] = [self.paths[name], image]

    def case(self, name, measure, is_warm, byte_count=None):
        """One piece of work on every way."""
        ways = {way: functools.partial(measure, path) for way, path in self.paths.items()}
        before = (lambda way: drop(self.files[way])) if is_warm else None
        return Case(name, ways, byte_count=byte_count, before=before)

    def cases(self):
        size = os.path.getsize(self.paths["native"])
        for state in ("hot", "warm"):
            is_warm = state == "warm"
            yield self.case(f"read(2) in order, {state}", bench.full_read, is_warm, size)
            yield self.case(f"mmap in order, {state}", map_in, is_warm, size)
            if not is_warm:
                continue
            for threads in (1, 4, 16):
                yield self.case(
                    f"mmap by shuffled tensors, {threads} threads, warm",
                    functools.partial(map_in, threads=threads, shuffled=True), True, size)
            yield self.case("2,000 random pages, warm", random_pages, True)

    def reads(self):
        return {name: mount.status()["fileSystem"]["kernelMessages"].get("READ", 0)
                for name, mount in self.mounts.items()}

    def run(self):
        results = []
        for case in self.cases():
            print(case.name, flush=True)
            case.round(0)
            before = self.reads()
            for number in range(1, self.arguments.rounds + 1):
                case.round(number)
            after = self.reads()
            result = case.result()
            for way in self.mounts:
                count = (after[way] - before[way]) / self.arguments.rounds
                result["ways"][way]["reads"] = count
            results.append(result)
        return results

    def close(self):
        for place in self.mounted:
            subprocess.run(["umount", place], check=False, capture_output=True)
        for mount in self.mounts.values():
            try:
                mount.stop()
            except ProgramError as error:
                print(error, file=sys.stderr)
        self.hub.stop()


def table(results):
    lines = ["| case | way | median | least to most | ratio | READs a round |",
             "|---|---|---|---|---|---|"]
    for result in results:
        for way, row in result["ways"].items():
            rate = row.get("bytes_per_second")
            speed = f" ({rate / 1e9:.2f} GB/s)" if rate else ""
            reads = f"{row['reads']:.0f}" if "reads" in row else ""
            lines.append(
                f"| {result['case']} | {way} | {row['median'] * 1000:.1f} ms{speed} | "
                f"{row['least'] * 1000:.1f} to {row['most'] * 1000:.1f} ms | "
                f"{row['ratio']:.2f} | {reads} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=2048)
    parser.add_argument("--type", choices=("fp32", "bf16", "fp16"), default="bf16")
    parser.add_argument("--no-document", action="store_true")
    arguments = parser.parse_args()
    scratch = tempfile.mkdtemp(prefix="modelfs-mapping-")
    os.environ["MODELFS_SCRATCH"] = scratch
    mapping = Mapping(arguments, scratch)
    try:
        mapping.prepare()
        results = mapping.run()
    finally:
        mapping.close()
        if sweep(scratch):
            shutil.rmtree(scratch, ignore_errors=True)
    head = (f"{arguments.rounds} rounds after one to warm up, {arguments.megabytes} MiB of "
            f"{arguments.type}, Linux {os.uname().release}, {os.cpu_count()} cores, "
            f"{time.strftime('%Y-%m-%d')}. Load of the machine: {os.getloadavg()[1]:.1f}.")
    text = "\n".join([head, *mapping.notes, "", table(results)])
    print(text)
    os.makedirs(os.path.join(TOP, "out"), exist_ok=True)
    with open(os.path.join(TOP, "out", "mapping.json"), "w", encoding="utf-8") as file:
        json.dump({"head": head, "notes": mapping.notes, "results": results}, file, indent=1)
    if not arguments.no_document:
        page.replace(MARKS, text)


if __name__ == "__main__":
    main()
