#!/usr/bin/env python3
# seconds: 120
"""Our BLAKE3 against the official implementation (PyPI blake3) on random inputs.

    python3 Tests/Official/blake3_test.py [--count 500] [--seed 1]

Uses no network and leaves nothing behind.
"""

import argparse
import os
import random
import shutil
import subprocess
import tempfile


def main():
    from blake3 import blake3

    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folder = tempfile.mkdtemp(prefix="blake3-", dir=os.environ.get("MODELFS_SCRATCH"))
    try:
        data = generator.randbytes(1 << 20)
        with open(f"{folder}/input", "wb") as file:
            file.write(data)
        with open(f"{folder}/cases.txt", "w") as file:
            for _ in range(options.count):
                # Lengths of every magnitude, often next to a whole number of leaves.
                length = int(2 ** generator.uniform(0, 20))
                if generator.random() < 0.3:
                    length = max(0, length // 1024 * 1024 + generator.randint(-1, 1))
                offset = generator.randint(0, len(data) - length)
                part = data[offset:offset + length]
                key = generator.randbytes(32)
                plain, keyed = blake3(part).hexdigest(), blake3(part, key=key).hexdigest()
                file.write(f"{offset} {length} {key.hex()} {plain} {keyed}\n")
        subprocess.run(
            ["swift", "test", "--disable-xctest", "--filter", "OfficialBlake3Tests"],
            cwd=root, env=dict(os.environ, BLAKE3_FOLDER=folder), check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
