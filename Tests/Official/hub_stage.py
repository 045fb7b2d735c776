"""The Hub that the official clients play on (sources, repositories, tokens, servers), and the play.

Importing it sets the environment that the official client reads when it is imported in turn.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRATCH = tempfile.mkdtemp(prefix="hub-client-", dir=os.environ.get("MODELFS_SCRATCH"))

os.environ.update(
    HF_HOME=os.path.join(SCRATCH, "home"), HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
for variable in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
    os.environ.pop(variable, None)

from huggingface_hub import HfApi  # noqa: E402  (it reads its settings when it is imported)

STOP_SECONDS = 10


def program():
    if len(sys.argv) > 1:
        return sys.argv[1]
    if "MODELFS_HUB" in os.environ:
        return os.environ["MODELFS_HUB"]
    binaries = os.environ.get("MODELFS_BIN") or os.path.join(TOP, ".build/debug")
    return os.path.join(binaries, "modelfs-hub")


class Failure(Exception):
    """A check that does not hold."""


def expect(condition, *detail):
    if not condition:
        raise Failure(" ".join(str(part) for part in detail) or "not so")


def equal(found, wanted, what=""):
    expect(found == wanted, what, f"found {found!r:.300}, wanted {wanted!r:.300}")


def refused(kind, call, *arguments, **options):
    """The call must raise that class, and not merely one above or below it."""
    try:
        call(*arguments, **options)
    except kind as error:
        equal(type(error), kind)
        return error
    raise Failure(f"no {kind.__name__}")


def run(*command, code=0):
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=120)
    expect(done.returncode == code, command, "ended with", done.returncode, done.stderr)
    return done.stdout


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def files_below(folder):
    """Path and content of each file."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if f"{os.sep}.cache{os.sep}" in path:
                continue
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def git_blob(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Server:
    """modelfs-hub serve, until it is stopped."""

    def __init__(self, root, *options):
        self.log = open(os.path.join(SCRATCH, "serve.log"), "a+b")
        self.process = subprocess.Popen(
            [program(), "serve", "--root", root, "--listen", "127.0.0.1:0", "--admin", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        self.url = line.strip().removeprefix("listening on ")
        if not self.url.startswith("http://127.0.0.1:"):
            self.stop()
            raise Failure(f"serve says {line!r}")

    def api(self, token=None):
        return HfApi(endpoint=self.url, token=token or False)

    def get(self, path, **headers):
        """Status, headers and body of a plain request that follows nothing."""
        class Still(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_):
                return None
        opener = urllib.request.build_opener(Still)
        url = path if path.startswith("http") else self.url + path
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with opener.open(urllib.request.Request(url, headers=headers), timeout=20) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def post(self, path, value=None):
        data = json.dumps(value).encode() if value is not None else b""
        request = urllib.request.Request(self.url + path, data=data, method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def stats(self):
        return json.loads(self.get("/_modelfs/stats")[2])

    def stop(self):
        """Ends it in the orderly way; gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        self.log.close()
        return code


class Stage:
    """The sources, the Hub made of them, and a server for it."""

    def __init__(self):
        self.root = os.path.join(SCRATCH, "hub")
        self.caches = 0
        self.make_sources()
        self.v1 = self.add("acme/model", "v1", "--tag", "v1.0", "--message", "First words\n\nMore.")
        # A second of difference, so that dates can be told apart.
        time.sleep(1.1)
        self.v2 = self.add("acme/model", "v2", "--tag", "v2.0", "--message", "Second")
        self.pull = self.add("acme/model", "v1", "--revision", "refs/pr/3")
        self.feature = self.add("acme/model", "v1", "--revision", "feature/x")
        self.add("acme/secret", "v1", "--private")
        self.add("acme/gated", "v1", "--gated")
        self.add("acme/data", "v2", "--type", "dataset", "--tag", "v1")
        self.add("acme/space", "v2", "--type", "space")
        self.add("acme/hidden-data", "v1", "--type", "dataset", "--private")
        self.add("acme/many", "many")
        self.add("legacy", "v1")
        self.add("zebra/stripes", "v1")
        self.hub("alias", "oldname", "acme/model")
        self.hub("alias", "acme/former", "acme/model")
        self.all_token = self.hub("token", "create").strip()
        self.one_token = self.hub("token", "create", "--read", "acme/secret").strip()
        self.gated_token = self.hub("token", "create", "--read", "acme/gated").strip()
        self.old_token = self.hub("token", "create", "--expires", "1ms").strip()
        self.server = Server(self.root, "--data-listen", "127.0.0.1:0")

    def hub(self, *words):
        return run(program(), *words, "--root", self.root)

    def add(self, name, source, *options):
        """The commit that was made."""
        return self.hub("add", name, self.source(source), *options).split()[0]

    def source(self, name):
        return os.path.join(SCRATCH, "source", name)

    def cache(self):
        """A cache folder that nothing was downloaded to."""
        self.caches += 1
        return os.path.join(SCRATCH, f"cache-{self.caches}")

    def make_sources(self):
        common = {
            "config.json": b'{"hidden_size": 4}\n', "sub/deep/notes.txt": b"deep\n",
            "sub/vocab.txt": b"a\nb\n", "sub.txt": b"beside\n", "empty.txt": b"",
            "a file with spaces & more.md": b"# odd\n", "\u00fcnicode/\u65e5\u672c.txt": b"ok\n",
            "onnx/model.onnx": noise(2, 70_000),
        }
        for path, data in common.items():
            write(os.path.join(self.source("v1"), path), data)
            write(os.path.join(self.source("v2"), path), data)
        write(os.path.join(self.source("v1"), "model.safetensors"), noise(1, 300_001))
        write(os.path.join(self.source("v2"), "model.safetensors"), noise(3, 300_002))
        write(os.path.join(self.source("v2"), "sub/new.txt"), b"new\n")
        for number in range(2100):
            path = f"folder{number % 7}/file{number:04}.txt"
            write(os.path.join(self.source("many"), path), b"%d\n" % number)

    def close(self):
        self.server.stop()


def play(heading, checks, make_stage):
    """Runs the checks in order, on one stage, with a line for each; the exit code."""
    print(heading)
    passed = failed = 0
    stage = None
    try:
        stage = make_stage()
        for function in checks:
            name = function.__name__.replace("_", " ")
            try:
                note = function(stage)
                passed += 1
                print(f"ok      {name}" + (f" ({note})" if note else ""), flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
    except Failure as error:
        failed += 1
        print(f"FAILED  to begin: {error}")
    finally:
        if stage:
            stage.close()
        shutil.rmtree(SCRATCH, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
