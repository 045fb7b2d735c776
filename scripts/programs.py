"""Our programs as a script uses them: a local Hub with repos in it, a mount, its status.

Shared by the demo, the benchmarks, the soak and end-to-end suites. Everything lives below one
scratch folder, listens on 127.0.0.1 alone, and carries MODELFS_SCRATCH in its environment, by which
scripts/sweep.py finds whatever a script that died left behind.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

START_SECONDS = 15.0
STOP_SECONDS = 15.0
# A command that has not ended by then never will.
RUN_SECONDS = 180.0


class ProgramError(Exception):
    """A program of ours failed; the text is for the user."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_running(pid):
    """Whether there is such a process, and more than what its parent has yet to look at."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


class Programs:
    """Where the programs are, and the folder that they work in."""

    def __init__(self, binaries, scratch):
        self.scratch = scratch
        self.modelfs = os.path.join(binaries, "modelfs")
        self.hub = os.path.join(binaries, "modelfs-hub")
        self.predictor = os.path.join(binaries, "modelfs-predictor")
        keeper = os.path.join(binaries, "modelfs-keeper")
        for program in (self.modelfs, keeper, self.hub):
            if not os.access(program, os.X_OK):
                raise ProgramError(f"{program} is missing: make release")

    def environment(self, **variables):
        """That of this process, marked as ours, without tokens and endpoints of the user."""
        environment = dict(os.environ, MODELFS_SCRATCH=self.scratch)
        for name in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE",
                     "MODELFS_ENDPOINTS", "MODELFS_ENDPOINT_TOKENS"):
            environment.pop(name, None)
        environment["HF_HOME"] = os.path.join(self.scratch, "hf-home")
        # What a test or a benchmark fetches has to come from its Hub.
        environment["MODELFS_HF_CACHE"] = "off"
        # The user's own cache is never touched, also when a command names none.
        environment["MODELFS_CACHE"] = os.path.join(self.scratch, "default-cache")
        environment.update({name: value for name, value in variables.items() if value is not None})
        return environment

    def run(self, *command, **variables):
        """Runs to the end; gives standard output, or raises with what the program said."""
        try:
            done = subprocess.run(command, env=self.environment(**variables), text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False,
                                  timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ProgramError(f"{' '.join(command)}: not done in {RUN_SECONDS:.0f} s") from error
        if done.returncode != 0:
            words = " ".join(command)
            raise ProgramError(f"{words}: exit {done.returncode}\n{done.stderr or done.stdout}")
        return done.stdout


class LocalHub:
    """modelfs-hub over a folder of its own."""

    def __init__(self, programs, name="hub"):
        self.programs = programs
        self.root = os.path.join(programs.scratch, name)
        self.log = os.path.join(programs.scratch, f"{name}.log")
        self.port = free_port()
        self.process = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def add(self, repository, folder, *options):
        return self.programs.run(self.programs.hub, "add", repository, folder,
                                 "--root", self.root, *options)

    def start(self, *options):
        """Serves, and returns once it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.programs.hub, "serve", "--root", self.root,
                 "--listen", f"127.0.0.1:{self.port}", *options],
                env=self.programs.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(self.endpoint + "/api/models", timeout=1).close()
                return self
            except urllib.error.HTTPError:
                return self
            except OSError:
                time.sleep(0.02)
        self.stop()
        with open(self.log, encoding="utf-8", errors="replace") as log:
            raise ProgramError(f"modelfs-hub serve does not answer:\n{log.read()[-2000:]}")

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Mount:
    """One mount of one source, with a cache of its own."""

    def __init__(self, programs, endpoint, source="hf://models", name="mount", cache="cache"):
        self.programs = programs
        self.endpoint = endpoint
        self.source = source
        self.path = os.path.join(programs.scratch, name)
        self.cache = os.path.join(programs.scratch, cache)

    def start(self, *options, **variables):
        """Returns once the mount answers, as `modelfs mount` does."""
        os.makedirs(self.path, exist_ok=True)
        self.programs.run(self.programs.modelfs, "mount", self.source, self.path,
                          "--cache", self.cache, *options,
                          HF_ENDPOINT=self.endpoint, **variables)
        return self

    def stop(self):
        """Unmounts, and returns once the daemon has ended, if this was its last mount."""
        status = self.status()
        self.programs.run(self.programs.modelfs, "umount", self.path)
        if len(status["mounts"]) > 1:
            return
        deadline = time.monotonic() + STOP_SECONDS
        while is_running(status["processID"]):
            if time.monotonic() > deadline:
                raise ProgramError(f"the daemon of {self.cache} does not end")
            time.sleep(0.005)

    def forget(self):
        """Removes the cache of a mount that is stopped."""
        shutil.rmtree(self.cache, ignore_errors=True)

    def status(self):
        return json.loads(self.programs.run(
            self.programs.modelfs, "status", "--json", "--cache", self.cache))

    def fetched_bytes(self):
        return find_number(self.status(), "bytesFetched")

    def request_count(self):
        return find_number(self.status(), "hubRequests")


class Predictor:
    """modelfs-predictor on one folder, listening on a port of its own."""

    def __init__(self, programs, path, name="predictor"):
        self.programs = programs
        self.path = path
        self.name = name
        self.log_path = os.path.join(programs.scratch, f"{name}.log")
        self.port = free_port()
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def launch(self, *options, **variables):
        """Starts it, and does not wait."""
        history = os.path.join(self.programs.scratch, f"{self.name}.db")
        listen = [] if "--listen" in options else ["--listen", f"127.0.0.1:{self.port}"]
        kept = [] if "--history" in options else ["--history", history]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.programs.predictor, self.path, *listen, *kept, *options],
                env=self.programs.environment(**variables), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        return self

    def start(self, *options, seconds=START_SECONDS, **variables):
        """Starts it, and returns once a model serves."""
        self.launch(*options, **variables)
        return self.wait(seconds)

    def wait(self, seconds=START_SECONDS):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(self.url + "/readyz", timeout=1).close()
                return self
            except OSError:
                time.sleep(0.01)
        self.stop()
        raise ProgramError(f"{self.path} is not served:\n{self.log()[-2000:]}")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def ask(self, path, body=None, headers=None, seconds=RUN_SECONDS):
        """Status, header fields and body of an answer, whatever the status is."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(self.url + path, data=data, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def json(self, path, body=None, status=200, **options):
        """The answer of that status, as JSON."""
        found, _, text = self.ask(path, body, **options)
        if found != status:
            raise ProgramError(f"{path}: {found} in place of {status}: {text[:500]!r}")
        return json.loads(text)

    def predict(self, inputs, **options):
        answer = self.json("/predict", {"inputs": inputs}, **options)
        return answer["predictions" if isinstance(inputs, list) else "prediction"]

    def stop(self):
        """Ends it in the orderly way; gives its exit code."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ProgramError("modelfs-predictor does not end on SIGTERM") from None


def find_number(value, key):
    """The first number under the key, or the sum of the numbers in the object under it."""
    if isinstance(value, dict):
        if key in value:
            found = value[key]
            return sum(found.values()) if isinstance(found, dict) else found
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            found = find_number(item, key)
            if found is not None:
                return found
    return None
