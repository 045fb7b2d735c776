#!/usr/bin/env python3
# seconds: 240
"""Our Xet formats against the official client (PyPI hf_xet), in both directions.

Makes random inputs of 0 bytes to 64 MiB, lets the client hash them and upload them to folders
(`local://`) under each compression policy, runs the Swift suite OfficialFormatsTests on what came
out, then puts the xorbs that the suite has made in the place of the client's own and lets the
client download every file from them.

    python3 Tests/Official/xet_formats_test.py [--count 200] [--seed 1] [--most-mib 8]

One input has 64 MiB, the others no more than --most-mib. Uses no network and leaves nothing
behind.
"""

import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile

os.environ["HF_XET_TELEMETRY_ENABLED"] = "0"

POLICIES = ["none", "lz4", "bg4-lz4", "auto"]


KINDS = ["noise", "fp32", "bf16", "fp16", "text", "zeros", "repeats", "mixed"]


def make_input(random, number, most_bytes):
    """Bytes of some kind and length; the first ones have the lengths where mistakes live."""
    import numpy

    edges = [0, 1, 2, 8191, 8192, 8193, 65536, 131071, 131072, 131073, 262144, 64 << 20]
    if number < len(edges):
        length = edges[number]
    else:
        # Most are short, a few are as long as allowed.
        length = int(2 ** random.uniform(0, numpy.log2(most_bytes)))
    kind = KINDS[number % len(KINDS)]
    if kind == "noise":
        return random.bytes(length)
    if kind == "fp32":
        return random.normal(0, 0.02, length // 4 + 1).astype("float32").tobytes()[:length]
    if kind == "bf16":
        words = random.normal(0, 0.02, length // 2 + 1).astype("float32").view("uint32") >> 16
        return words.astype("uint16").tobytes()[:length]
    if kind == "fp16":
        return random.normal(0, 0.02, length // 2 + 1).astype("float16").tobytes()[:length]
    if kind == "text":
        words = [b"layer", b"weight", b"bias", b" = ", b"{\n", b"}\n", b"0.1, ", b"norm."]
        picks = random.integers(0, len(words), length // 2 + 1)
        return b"".join(words[pick] for pick in picks)[:length]
    if kind == "zeros":
        return bytes(length)
    if kind == "repeats":
        block = random.bytes(max(1, min(length, 200_000)))
        return (block * (length // len(block) + 1))[:length]
    half = random.bytes(length // 2)
    return (half + bytes(length - len(half)))[:length]


def name(number):
    return f"{number}-{KINDS[number % len(KINDS)]}"


def upload(paths, folders, policy):
    """One commit for each file, in a process of its own, since settings are read once."""
    program = (
        "import hf_xet,sys\n"
        "for line in sys.stdin:\n"
        "    path, folder = line.split()\n"
        "    commit = hf_xet.XetSession().new_upload_commit(endpoint='local://' + folder)\n"
        "    handle = commit.start_upload_file(path, sha256=hf_xet.SKIP_SHA256)\n"
        "    commit.wait_to_finish()\n"
        "    print(handle.result().xet_info.hash, flush=True)\n"
    )
    lines = "".join(f"{path} {folder}\n" for path, folder in zip(paths, folders))
    environment = dict(os.environ, HF_XET_XORB_COMPRESSION_POLICY=policy)
    done = subprocess.run(
        [sys.executable, "-c", program], input=lines, text=True, capture_output=True,
        env=environment, check=True)
    return done.stdout.split()


def download(file_hash, length, folder, target):
    import hf_xet

    session = hf_xet.XetSession()
    group = session.new_file_download_group(endpoint="local://" + folder)
    group.start_download_file(hf_xet.XetFileInfo(file_hash, length), target)
    group.wait_to_finish()
    with open(target, "rb") as file:
        return file.read()


def main():
    import hf_xet
    import numpy

    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most-mib", type=int, default=8)
    options = parser.parse_args()
    random = numpy.random.default_rng(options.seed)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folder = tempfile.mkdtemp(prefix="xet-formats-", dir=os.environ.get("MODELFS_SCRATCH"))
    try:
        inputs = []
        for number in range(options.count):
            path = f"{folder}/{name(number)}.bin"
            with open(path, "wb") as file:
                file.write(make_input(random, number, options.most_mib << 20))
            inputs.append(path)
        hashes = [info.hash for info in hf_xet.hash_files(inputs)]
        with open(f"{folder}/files.txt", "w") as file:
            file.writelines(f"{name(n)} {value}\n" for n, value in enumerate(hashes))
        stores = {}
        with open(f"{folder}/xorbs.txt", "w") as file:
            # Each input under one policy; over all inputs every kind meets every policy.
            for index, policy in enumerate(POLICIES):
                numbers = [n for n in range(options.count) if (n + n // 8) % len(POLICIES) == index]
                targets = [f"{folder}/store-{policy}-{n}" for n in numbers]
                for target in targets:
                    os.mkdir(target)
                uploaded = upload([inputs[n] for n in numbers], targets, policy)
                for n, target, value in zip(numbers, targets, uploaded):
                    assert value == hashes[n], f"the client disagrees with itself on {n}"
                    stores[n] = target
                    for xorb in glob.glob(f"{target}/**/xorbs/default.*", recursive=True):
                        if not xorb.endswith(".tagset"):
                            file.write(f"{policy} {name(n)} {xorb}\n")
        subprocess.run(
            ["swift", "test", "--disable-xctest", "--filter", "OfficialFormatsTests"],
            cwd=root, env=dict(os.environ, XET_FORMATS_FOLDER=folder), check=True)
        remade = 0
        for line in open(f"{folder}/xorbs.txt").read().split("\n")[:-1]:
            xorb = line.split()[2]
            os.replace(xorb + ".remade", xorb)
            remade += 1
        for n, target in stores.items():
            content = open(inputs[n], "rb").read()
            if not content:
                continue
            result = download(hashes[n], len(content), target, f"{folder}/download")
            assert result == content, f"input {n}: the client reads other bytes from our xorbs"
            os.unlink(f"{folder}/download")
        print(f"{options.count} inputs, {remade} xorbs: all agree")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
