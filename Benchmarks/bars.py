#!/usr/bin/env python3
"""The project's measure: how fast weights are read and mapped, beside other ways to have them.

    bars.py --bin DIR [--part NAME ...] [--rounds N] [--megabytes N] [--cold-megabytes N]
            [--no-document]

Parts: flat, packed-fp32, packed-bf16, packed-fp16, restart, cold, first, python, memory, counts;
all of them without --part. Each writes out/bars/PART.json, and the marked section of
docs/PERFORMANCE.md is made anew of all that are there, each with the run that it is from.

Every way of a case runs once in each round, in turn, in the other order every second time; the
first round warms up and does not count. A ratio is one of medians of one run. "Hot": all pages are
in memory. "Warm": none is, and the bytes are on the local disk. "Cold": the bytes are at the Hub.
A bar is a row with what is wanted and whether it holds.
"""

import argparse
import functools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import barparts
import page
from bench import Case
from ways import (FILE, MIB, TOP, ProgramError, Tools, Ways, compact, drop, drop_everything,
                  probe, reclaimed_pages)
from sweep import sweep

MARKS = ("<!-- bars: begin -->", "<!-- bars: end -->")
FOLDER = os.path.join(TOP, "out", "bars")
HOT_RATIO = WARM_RATIO = 0.95
SETTLING_SECONDS = 3.0
# What must not be in the messages of a file that the kernel reads by itself.
HARMLESS = {"OPEN", "RELEASE", "FLUSH", "STATFS", "GETATTR", "LOOKUP", "FORGET", "BATCH_FORGET"}


class Part:
    """What a part has found."""

    def __init__(self, name, arguments, ways):
        self.name, self.arguments, self.ways = name, arguments, ways
        self.results, self.bars, self.tables, self.sums = [], [], [], {}

    def bar(self, what, case, value, wanted, *, least=True, unit="×", note=""):
        """A row of the table of bars: `value` is to be at least (or at most) `wanted`."""
        holds = value >= wanted if least else value <= wanted
        sign = "≥" if least else "≤"
        self.bars.append({"bar": what, "case": case, "value": value, "text": show(value, unit),
                          "wanted": f"{sign} {show(wanted, unit)}", "holds": holds, "note": note})
        print(f"  {'holds ' if holds else 'MISSED'} {what}, {case}: {show(value, unit)}"
              f" (wanted {sign} {show(wanted, unit)}) {note}", flush=True)

    def compare(self, name, kind, *, ways, threads=1, warm=False):
        """One piece of work on some of the ways; gives medians by way."""
        size = os.path.getsize(next(iter(self.ways.paths.values())))
        paths = {way: self.ways.paths[way] for way in ways if way in self.ways.paths}

        def work(path):
            told = probe(self.ways.tools, kind, path, threads)
            # Whatever brought the bytes, they are the same.
            if self.sums.setdefault((kind, size), told["sum"]) != told["sum"]:
                raise ProgramError(f"{path}: other bytes than elsewhere")
            return told["seconds"]

        def before(way):
            if warm:
                drop(self.ways.files[way])
        case = Case(name, {way: functools.partial(work, path) for way, path in paths.items()},
                    byte_count=size if kind != "random" else None, before=before)
        case.round(0)
        counted = self.ways.messages()
        for number in range(1, self.arguments.rounds + 1):
            case.round(number)
        result = case.result()
        for way, after in self.ways.messages().items():
            if way in paths:
                result["ways"][way]["messages"] = {
                    key: (count - counted[way].get(key, 0)) / self.arguments.rounds
                    for key, count in after.items() if count != counted[way].get(key, 0)}
        self.results.append(result)
        medians = {way: row["median"] for way, row in result["ways"].items()}
        print(f"{name}: " + ", ".join(f"{way} {value * 1e3:.1f} ms"
                                      for way, value in medians.items()), flush=True)
        return medians

    def speed(self, what, case, medians, way, yardstick, wanted, note=""):
        """A bar for how fast a way is beside another one; none where that is not installed."""
        if yardstick in medians:
            self.bar(what, f"{case}, beside {yardstick}", medians[yardstick] / medians[way],
                     wanted, note=note)

    def found(self):
        return {"part": self.name, "setting": setting(self.arguments, self.name),
                "notes": self.ways.notes, "versions": versions(), "bars": self.bars,
                "cases": self.results, "tables": self.tables}


def show(value, unit):
    if unit == "s":
        return f"{value * 1e3:.0f} ms" if value < 10 else f"{value:.2f} s"
    if unit == "MiB":
        return f"{value / MIB:.0f} MiB"
    return f"{value:.2f} {unit}".rstrip()


def setting(arguments, name):
    size = arguments.cold_megabytes if name in ("cold", "first") else arguments.megabytes
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    commit = subprocess.run(["git", "-C", TOP, "rev-parse", "--short", "HEAD"], text=True,
                            capture_output=True, check=False).stdout.strip()
    return (f"{arguments.rounds} rounds after one to warm up, {size} MiB,"
            f" {time.strftime('%Y-%m-%d %H:%M')}, commit {commit}, load at the end {load}")


@functools.cache
def versions():
    return subprocess.run([os.path.join(TOP, "scripts/versions.sh"), sys.executable],
                          capture_output=True, text=True, check=True).stdout.rstrip().splitlines()


# MARK: What is in the cache

def flat(part):
    """Files that the kernel reads by itself, beside the plain file."""
    ways = part.ways
    ways.prepare(["fp32"], part.arguments.megabytes)
    ways.native("fp32")
    mount = ways.mount("flat", "fp32")
    if not mount.status()["fileSystem"]["reading"]["isByKernel"]:
        ways.notes.append("the kernel does not read files by itself here, so no flat bar can hold")
    both = ["native", "flat"]
    # The plain file's pages are those that reading it brings, not those that writing it left. The
    # mount's are what the daemon has made of them a moment after the proof.
    drop(ways.files["native"])
    probe(ways.tools, "read", ways.paths["native"])
    time.sleep(SETTLING_SECONDS)
    for kind, name in (("map", "mmap in order"), ("read", "read(2) in order"),
                       ("tensors", "mmap in tensor order")):
        medians = part.compare(f"{name}, hot", kind, ways=both)
        part.speed("flat, hot", name, medians, "flat", "native", HOT_RATIO)
        sent = part.results[-1]["ways"]["flat"]["messages"]
        part.bar("flat, hot", f"{name}, messages other than OPEN and RELEASE",
                 sum(count for kind, count in sent.items() if kind not in HARMLESS), 0,
                 least=False, unit="", note=" ".join(f"{key} {value:.0f}"
                                                     for key, value in sorted(sent.items())))
    warm = [("read", "read(2) in order", 1), ("map", "mmap in order", 1)]
    warm += [("tensors", f"mmap in tensor order, {count} threads", count) for count in (1, 4, 16)]
    for kind, name, threads in warm:
        medians = part.compare(f"{name}, warm", kind, ways=both, threads=threads, warm=True)
        part.speed("flat, warm", name, medians, "flat", "native", WARM_RATIO)
    part.compare("2,000 random pages, warm", "random", ways=both, warm=True)
    barparts.daemon_killed(part, mount)


def packed(kind, part):
    """Packed files, beside what else keeps them compressed or cached."""
    ways = part.ways
    ways.prepare([kind], part.arguments.megabytes)
    ways.native(kind)
    mount = ways.mount("packed", kind, "--hot-size", "0")
    packed_bytes = mount.status()["fileSystem"]["packedBytes"]
    ways.images(kind)
    ways.rclone(kind)
    beside = (("EROFS-LZ4", 0.9), ("squashfuse", 3.0), ("rclone", 2.0))
    everything = ["native", "packed", "EROFS-LZ4", "squashfuse", "rclone"]
    cases = [("map", "mmap in order", 1), ("tensors", "mmap in tensor order, 1 threads", 1)]
    if kind == "fp32":
        cases += [("tensors", f"mmap in tensor order, {count} threads", count)
                  for count in (4, 16)]
    for probe_kind, name, threads in cases:
        medians = part.compare(f"{name}, warm", probe_kind, ways=everything, threads=threads,
                               warm=True)
        if probe_kind == "map":
            disk_rate = os.path.getsize(ways.paths["native"]) / medians["native"]
        for yardstick, wanted in beside:
            # Nobody has what lies packed sooner than the disk gives it, in order.
            most = medians.get(yardstick, 0) / (packed_bytes / disk_rate)
            note = f"the disk allows {most:.2f} ×" if most < wanted else ""
            part.speed(f"packed, warm, {kind}", name, medians, "packed", yardstick, wanted, note)
    if kind != "fp32":
        return
    part.compare("read(2) in order, warm", "read", ways=everything, warm=True)
    part.compare("2,000 random pages, warm", "random", ways=everything, warm=True)
    ways.cached_server(kind)
    # What the cases before have left takes the room of pages that are to stay.
    drop_everything()
    # With everybody's pages, what lies below them would be more than the machine has. Those of
    # rclone do not stay, so it keeps its own.
    for way in filter(ways.paths.get, ("EROFS-LZ4", "squashfuse")):
        probe(ways.tools, "map", ways.paths[way])
        drop(ways.files[way][1:])
    for probe_kind, name in (("map", "mmap in order"), ("read", "read(2) in order"),
                             ("tensors", "mmap in tensor order")):
        # Both sides' pages come anew, by reading in order, from memory that was put in order: how
        # fast they are touched depends on whether they lie one after another.
        for way in ("packed", "minimal FUSE"):
            drop(ways.files[way])
            compact()
            probe(ways.tools, "read", ways.paths[way])
            probe(ways.tools, "map", ways.paths[way])
            drop(ways.files[way][1:])
        reclaimed = reclaimed_pages()
        medians = part.compare(f"{name}, hot", probe_kind,
                               ways=["minimal FUSE", "packed", *everything[2:]])
        part.speed("packed, hot", name, medians, "packed", "minimal FUSE", HOT_RATIO)
        part.bar("packed, hot", f"{name}, READs",
                 part.results[-1]["ways"]["packed"]["messages"].get("READ", 0), 0, least=False,
                 unit="", note=f"pages that the kernel reclaimed: {reclaimed_pages() - reclaimed}")


PARTS = {
    "flat": flat,
    "packed-fp32": functools.partial(packed, "fp32"),
    "packed-bf16": functools.partial(packed, "bf16"),
    "packed-fp16": functools.partial(packed, "fp16"),
    "restart": barparts.restart,
    "cold": barparts.cold,
    "first": barparts.first_tensor,
    "python": barparts.in_python,
    "memory": barparts.memory,
    "counts": barparts.counts,
}


def run(name, arguments):
    print(f"== {name}", flush=True)
    scratch = tempfile.mkdtemp(prefix="modelfs-bars-", dir=arguments.scratch)
    os.environ["MODELFS_SCRATCH"] = scratch
    ways = Ways(arguments.bin, scratch, Tools())
    part = Part(name, arguments, ways)
    try:
        PARTS[name](part)
    finally:
        ways.close()
        if sweep(scratch):
            shutil.rmtree(scratch, ignore_errors=True)
    if name != "memory":
        part.bar("memory of the daemons", f"RssAnon + RssShmem in the part {name}",
                 ways.memory.peak, 256 * MIB, least=False, unit="MiB")
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, f"{name}.json"), "w", encoding="utf-8") as file:
        json.dump(part.found(), file, indent=1)


# MARK: The page

def bar_table(parts):
    lines = ["| bar | case | measured | wanted | holds |", "|---|---|---|---|---|"]
    for part in parts:
        for bar in part["bars"]:
            note = f" ({bar['note']})" if bar["note"] else ""
            lines.append(f"| {bar['bar']} | {bar['case']} | {bar['text']}{note} | {bar['wanted']} |"
                         f" {'yes' if bar['holds'] else '**no**'} |")
    return "\n".join(lines)


def summary(parts):
    """A line for each bar: how many of its rows hold, and those that do not."""
    rows = {}
    for part in parts:
        for bar in part["bars"]:
            rows.setdefault(bar["bar"], []).append(bar)
    lines = ["| bar | rows that hold | those that do not |", "|---|---|---|"]
    for name, bars in rows.items():
        wrong = [f"{bar['case']}: {bar['text']} ({bar['wanted']})"
                 for bar in bars if not bar["holds"]]
        more = f"; and {len(wrong) - 2} more" if len(wrong) > 2 else ""
        missed = "; ".join(wrong[:2]) + more
        lines.append(f"| {name} | {sum(bar['holds'] for bar in bars)} of {len(bars)} | {missed} |")
    return "\n".join(lines)


def folded(title, *texts):
    """What is read by whoever opens it."""
    return "\n\n".join([f"<details><summary>{title}</summary>", *texts, "</details>"])


def case_table(part):
    lines = ["| case | way | median | least to most | ratio | messages a round |",
             "|---|---|---|---|---|---|"]
    for result in part["cases"]:
        for way, row in result["ways"].items():
            rate = row.get("bytes_per_second")
            speed = f" ({rate / 1e9:.2f} GB/s)" if rate else ""
            sent = ", ".join(f"{key} {value:.0f}" for key, value in
                             sorted(row.get("messages", {}).items()) if value >= 0.5)
            lines.append(f"| {result['case']} | {way} | {row['median'] * 1e3:.1f} ms{speed} |"
                         f" {row['least'] * 1e3:.1f} to {row['most'] * 1e3:.1f} ms |"
                         f" {row['ratio']:.2f} | {sent} |")
    return "\n".join(lines)


def document():
    """The section of the page: the bars, and then what was measured for them."""
    parts = []
    for name in PARTS:
        path = os.path.join(FOLDER, f"{name}.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                parts.append(json.load(file))
    held = sum(bar["holds"] for part in parts for bar in part["bars"])
    total = sum(len(part["bars"]) for part in parts)
    texts = [f"{held} of {total} rows hold. Speeds are those of ModelFS beside the yardstick's:"
             " above 1 it is the faster one.", summary(parts),
             folded("All rows", bar_table(parts))]
    for part in parts:
        about = ". ".join([part["setting"], *part["notes"]]) + "."
        tables = ([case_table(part)] if part["cases"] else []) + part["tables"]
        texts.append(folded(f"Part {part['part']}: {about}", *tables))
    texts.append("```\n" + "\n".join(versions()) + "\n```")
    return "\n\n".join(texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", default=os.path.join(TOP, ".build/release"))
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only these")
    parser.add_argument("--rounds", type=int, default=5, help="that count; at least 5")
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--cold-megabytes", type=int, default=512)
    parser.add_argument("--scratch", default="/tmp", help="on the disk that is measured")
    parser.add_argument("--no-document", action="store_true", help="leave PERFORMANCE.md alone")
    arguments = parser.parse_args()
    if not os.path.exists("/dev/fuse") or os.geteuid() != 0:
        sys.exit("bars: this needs /dev/fuse and root (page caches are dropped, images mounted)")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    failed = []
    for name in arguments.part or PARTS:
        try:
            run(name, arguments)
        except (ProgramError, OSError, subprocess.SubprocessError) as error:
            # The other parts stand for themselves.
            failed.append(name)
            print(f"bars: {name}: {error}", file=sys.stderr)
    text = document()
    print(f"\n{text}")
    if not arguments.no_document:
        page.replace(MARKS, text)
    if failed:
        sys.exit(f"bars: not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
