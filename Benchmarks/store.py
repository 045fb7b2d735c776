#!/usr/bin/env python3
"""Measures the chunk store: reading, filling, hashing, compression, deduplication, a large index.

    store.py --bin DIR [--rounds N] [--mebibytes N] [--small] [--chunks N] [--no-document]

Runs store-bench from DIR (its cases run in turn, in one run; see Benchmarks/StoreBench), lets the
official client store the same weights and compares the sizes, and has ScaleTests open an index of
ten million chunks. Writes out/store-bench.json, and the marked section of docs/PERFORMANCE.md.
"""

import argparse
import glob
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import page

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MARKS = ("<!-- store-bench: begin -->", "<!-- store-bench: end -->")
# In a process of its own: the client reads its settings once.
UPLOAD = """
import hf_xet, sys
commit = hf_xet.XetSession().new_upload_commit(endpoint="local://" + sys.argv[2])
commit.start_upload_file(sys.argv[1], sha256=hf_xet.SKIP_SHA256)
commit.wait_to_finish()
"""


def official_size(path, scratch):
    """Bytes of the xorbs that the official client makes of a file, by its own choice of codec."""
    folder = os.path.join(scratch, f"official-{os.path.basename(path)}")
    os.makedirs(folder)
    environment = dict(os.environ, HF_XET_TELEMETRY_ENABLED="0",
                       HF_XET_XORB_COMPRESSION_POLICY="auto")
    subprocess.run([sys.executable, "-c", UPLOAD, path, folder], check=True, env=environment)
    xorbs = [name for name in glob.glob(f"{folder}/**/xorbs/default.*", recursive=True)
             if not name.endswith(".tagset")]
    size = sum(os.path.getsize(name) for name in xorbs)
    shutil.rmtree(folder)
    return size


def measure(arguments, scratch):
    command = [os.path.join(arguments.bin, "store-bench"), "--rounds", str(arguments.rounds),
               "--folder", scratch, "--export", scratch]
    if arguments.small:
        command.append("--small")
    elif arguments.mebibytes:
        command += ["--mebibytes", str(arguments.mebibytes)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def compare_sizes(results, scratch):
    for name, own in results["sizes"].items():
        path = os.path.join(scratch, f"{name}.bin")
        own["officialBytes"] = official_size(path, scratch)
        own["besideOfficial"] = own["recordBytes"] / own["officialBytes"]


def scale(arguments, scratch):
    """Runs the test with that many chunks; it says what it found in a file."""
    result = os.path.join(scratch, "scale.json")
    environment = dict(os.environ, MODELFS_SCALE_CHUNKS=str(arguments.chunks),
                       MODELFS_SCALE_RESULT=result)
    done = subprocess.run(["swift", "test", "--disable-xctest", "--filter", "ScaleTests"], cwd=TOP,
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if not os.path.exists(result):
        print(done.stdout[-4000:], file=sys.stderr)
        sys.exit("store.py: the large index could not be measured")
    with open(result, encoding="ascii") as file:
        return dict(json.load(file), isWithin=done.returncode == 0)


def rate(value):
    return f"{value / 1e9:.2f} GB/s"


def mebibytes(value):
    return f"{value / (1 << 20):.2f} MiB"


def case_table(cases):
    lines = ["| case | way | rate | per core | ratio | ratio per core |",
             "|---|---|---|---|---|---|"]
    for case in cases:
        for way in case["ways"]:
            lines.append(
                f"| {case['name']} | {way['way']} | {rate(way['bytesPerSecond'])} |"
                f" {rate(way['bytesPerCoreSecond'])} | {way['wallRatio']:.2f} |"
                f" {way['processorRatio']:.2f} |")
    return lines


def summed(case, names):
    """The samples of several ways of a case, added round by round, as a rate by core."""
    ways = [next(way for way in case["ways"] if way["way"].startswith(name)) for name in names]
    rounds = zip(*(way["samples"] for way in ways))
    return case["byteCount"] / statistics.median(
        sum(sample["processor"] for sample in samples) for samples in rounds)


def filling_table(cases):
    """What filling takes as a whole, and what the work that nobody can leave out takes."""
    lines = ["| fill | all of it: write, prove, cool, per core | SHA-256, cutting and chunk hashes,"
             " a file written twice, per core | ratio |",
             "|---|---|---|---|"]
    for case in cases:
        if not case["name"].startswith("fill "):
            continue
        own = summed(case, ["store: write", "store: prove", "store: cool"])
        least = summed(case, ["SHA-256", "cutting and chunk hashes", "native file", "native file"])
        lines.append(f"| {case['name'][5:]} | {rate(own)} | {rate(least)} | {own / least:.2f} |")
    return lines


def size_table(sizes):
    lines = ["| content | stored | official client | beside it | chunks stored / LZ4 / LZ4 by 2 /"
             " LZ4 by 4 / top bytes of 2 / of 4 / of 2 in 4 |", "|---|---|---|---|---|"]
    for name, own in sizes.items():
        lines.append(
            f"| {name} | {own['recordBytes'] / own['rawBytes']:.4f} |"
            f" {own['officialBytes'] / own['rawBytes']:.4f} | {own['besideOfficial']:.4f} |"
            f" {' / '.join(str(count) for count in own['chunks'])} |")
    return lines


def threshold_table(rows):
    lines = ["| chunks | saving | decoding per core | helps disks below |", "|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row['chunks']} | {100 * row['saving']:.1f} % |"
            f" {rate(row['decodeBytesPerSecond'])} | {rate(row['breakEvenBytesPerSecond'])} |")
    return lines


def dedup_table(rows):
    lines = ["| revision | new bytes | places | grown | recipe | allowed | within |",
             "|---|---|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row['revision']} | {row['newBytes']} | {row['editPlaces']} |"
            f" {mebibytes(row['grownBytes'])} | {mebibytes(row['recipeBytes'])} |"
            f" {mebibytes(row['allowedBytes'])} | {'yes' if row['isWithin'] else 'NO'} |")
    return lines


def section(results, versions, commit_time):
    found = results.get("scale")
    setting = (
        f"{results['rounds']} rounds after one to warm up, {results['mebibytes']} MiB of weights,"
        f" page cache {'dropped' if results['dropsPages'] else 'NOT dropped'} for \"from disk\","
        f" {commit_time}.")
    index = "The large index was left out." if not found else (
        f"An index of {found['chunks']} chunks ({mebibytes(found['indexBytes'])}, debug build):"
        f" opened in {1e3 * found['openSeconds']:.1f} ms, {found['hashLookupsPerSecond']:.0f}"
        f" look-ups by hash a second, {found['recipeLoadsPerSecond']:.0f} recipe segments a second"
        f" with 1,024 chunks each, memory grown by {mebibytes(found['grownBytes'])}"
        f" by eight readers ({'within' if found['isWithin'] else 'OVER'} the 64 MiB).")
    parts = [[setting], case_table(results["cases"]), filling_table(results["cases"]),
             size_table(results["sizes"]),
             threshold_table(results["thresholds"]), dedup_table(results["dedup"]), [index],
             ["```", *versions, "```"]]
    return "\n\n".join("\n".join(part) for part in parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default=os.path.join(TOP, ".build/release"))
    parser.add_argument("--rounds", type=int, default=5, help="that count; at least 5")
    parser.add_argument("--mebibytes", type=int, help="of weights; 512 unless said")
    parser.add_argument("--chunks", type=int, default=10_000_000,
                        help="in the large index; 0 leaves it out")
    parser.add_argument("--small", action="store_true", help="a quick check of the benchmark")
    parser.add_argument("--no-document", action="store_true", help="leave PERFORMANCE.md alone")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    scratch = tempfile.mkdtemp(prefix="modelfs-store-bench-", dir="/tmp")
    try:
        results = measure(arguments, scratch)
        compare_sizes(results, scratch)
        if arguments.chunks:
            results["scale"] = scale(arguments, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    versions = subprocess.run([os.path.join(TOP, "scripts/versions.sh"), sys.executable],
                              capture_output=True, text=True, check=True).stdout.rstrip()
    results["versions"] = versions.splitlines()
    text = section(results, results["versions"], time.strftime("%Y-%m-%d"))
    print(text)
    os.makedirs(os.path.join(TOP, "out"), exist_ok=True)
    with open(os.path.join(TOP, "out", "store-bench.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=2)
    if not arguments.no_document:
        page.replace(MARKS, text)


if __name__ == "__main__":
    main()
