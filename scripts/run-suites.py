#!/usr/bin/env python3
"""Runs the end-to-end suites, one after the other, and says which passed.

    run-suites.py [--bin DIR] [--scratch DIR] [--seconds N] [--folder DIR] [--list] [PATTERN ...]

A suite is an executable file in Tests/Official or Tests/EndToEnd. It passes by exiting 0, is
skipped by exiting 77 with the reason as its last line, and fails by anything else. What it may
rely on, and the marks `# seconds: N` and `# needs: fuse` among its first lines, is told in
docs/TESTING.md. After each suite its process group is killed and swept: a suite that leaves a
process or a mount behind has failed. Exits 1 if any suite failed.
"""

import argparse
import fnmatch
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = [os.path.join(TOP, "Tests/Official"), os.path.join(TOP, "Tests/EndToEnd")]
SKIPPED = 77
# A suite without a mark of its own gets this long.
DEFAULT_SECONDS = 180
# What a suite started may take this long to end by itself.
GRACE_SECONDS = 3
# Lines of its output that are shown when a suite fails; the whole is kept in out/.
TAIL_LINES = 60


def load_sweep():
    spec = importlib.util.spec_from_file_location("sweep", os.path.join(TOP, "scripts/sweep.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Suite:
    """One executable file and the marks in its head."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.join(*path.split(os.sep)[-2:])
        with open(path, encoding="utf-8", errors="replace") as file:
            head = "".join(line for _, line in zip(range(30), file))
        seconds = re.search(r"^# seconds: (\d+)$", head, re.MULTILINE)
        needs = re.search(r"^# needs: (.+)$", head, re.MULTILINE)
        self.seconds = int(os.environ.get("MODELFS_SUITE_SECONDS")
                           or (seconds.group(1) if seconds else DEFAULT_SECONDS))
        self.needs = re.split(r"[,\s]+", needs.group(1).strip()) if needs else []
        if self.name.startswith("EndToEnd/") and "fuse" not in self.needs:
            self.needs.append("fuse")

    def command(self):
        return [sys.executable, self.path] if self.path.endswith(".py") else [self.path]


def is_program(path):
    """Whether a Python file does something when it is run; else other suites import it."""
    with open(path, encoding="utf-8") as file:
        return re.search(r"^(if __name__ ==|main\(__name__)", file.read(), re.MULTILINE) is not None


def find_suites(directories, patterns):
    """The suites in their order, and files that look like suites but cannot run."""
    suites, broken = [], []
    for directory in directories:
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            path = os.path.join(directory, name)
            if not os.path.isfile(path) or not name.endswith((".py", ".sh")):
                continue
            if os.access(path, os.X_OK):
                suite = Suite(path)
                if not patterns or any(fnmatch.fnmatch(suite.name, f"*{p}*") for p in patterns):
                    suites.append(suite)
            elif name.endswith(".sh") or is_program(path):
                broken.append(path)
    return suites, broken


def missing_need(suite, fuse_reason):
    """Why the suite cannot run here; None when it can."""
    for need in suite.needs:
        if need == "fuse" and fuse_reason:
            return fuse_reason
        if need == "root" and os.geteuid() != 0:
            return "needs root"
    return None


def fuse_reason():
    """Why nothing can be mounted here; None when it can."""
    if not os.path.exists("/dev/fuse"):
        return "/dev/fuse is missing (in a container: --device /dev/fuse --cap-add SYS_ADMIN)"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be opened: {error.strerror}"
    if os.geteuid() != 0 and not shutil.which("fusermount3"):
        return "neither root nor fusermount3 is at hand"
    return None


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def run(suite, arguments, sweep, seconds):
    """Runs one suite; gives ('passed' | 'failed' | 'skipped', what to say, its output)."""
    scratch = os.path.join(arguments.scratch, re.sub(r"[^A-Za-z0-9]+", "-", suite.name))
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    environment = dict(os.environ, MODELFS_SCRATCH=scratch, MODELFS_BIN=arguments.bin,
                       TMPDIR=scratch, HF_HOME=os.path.join(scratch, "hf-home"),
                       PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1",
                       HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1",
                       PATH=os.pathsep.join([arguments.bin, os.path.dirname(sys.executable),
                                             os.environ["PATH"]]))
    for name in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        environment.pop(name, None)
    log = os.path.join(arguments.logs, os.path.basename(scratch) + ".log")
    with open(log, "wb") as output:
        process = subprocess.Popen(suite.command(), cwd=TOP, env=environment, stdout=output,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
        arguments.running = process
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            code = None
    leftovers = []
    kill_group(process)
    # A daemon may still be closing its databases after its last umount.
    sweep.wait_until_gone(scratch, GRACE_SECONDS)
    clean = sweep.sweep(scratch, report=leftovers.append)
    process.wait()
    arguments.running = None
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if clean:
        shutil.rmtree(scratch, ignore_errors=True)
    if code is None:
        return "failed", f"not done after {seconds:.0f} s", text
    if code == SKIPPED:
        return "skipped", (text.strip().splitlines() or ["no reason given"])[-1], text
    if code != 0:
        return "failed", f"exit {code}" if code > 0 else f"killed by signal {-code}", text
    if leftovers:
        return "failed", "left something behind", text + "\n".join(leftovers) + "\n"
    return "passed", "", text


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default=os.path.join(TOP, ".build/debug"))
    parser.add_argument("--scratch", default=f"/tmp/modelfs-suites-{os.getpid()}")
    parser.add_argument("--seconds", type=float, default=1200, help="for all suites together")
    parser.add_argument("--folder", action="append", help="in place of the project's own")
    parser.add_argument("--list", action="store_true", help="name the suites and end")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    arguments = parser.parse_args()
    arguments.bin = os.path.abspath(arguments.bin)
    arguments.scratch = os.path.realpath(arguments.scratch)
    arguments.logs = os.path.join(TOP, "out", "suites")
    arguments.running = None
    return arguments


def finish(arguments, sweep):
    """Leaves nothing behind, whatever happened."""
    if arguments.running:
        kill_group(arguments.running)
    if sweep.sweep(arguments.scratch):
        shutil.rmtree(arguments.scratch, ignore_errors=True)


def main():
    arguments = parse()
    suites, broken = find_suites(arguments.folder or FOLDERS, arguments.patterns)
    if arguments.list:
        for suite in suites:
            print(f"{suite.name:40} at most {suite.seconds} s  {' '.join(suite.needs)}")
        return 0
    sweep = load_sweep()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    os.makedirs(arguments.logs, exist_ok=True)
    os.makedirs(arguments.scratch, exist_ok=True)
    reason = fuse_reason()
    deadline = time.monotonic() + arguments.seconds
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    # Said again at the end: who reads only the last lines of a log finds what to look for.
    failures = []
    try:
        for path in broken:
            counts["failed"] += 1
            print(f"failed   {os.path.basename(path)}: a suite, but not executable")
        for suite in suites:
            began = time.monotonic()
            missing = missing_need(suite, reason)
            left = deadline - began
            if missing:
                result, remark, text = "skipped", missing, ""
            elif left <= 0:
                result, remark, text = "failed", "no time left to run it", ""
            else:
                result, remark, text = run(suite, arguments, sweep, min(suite.seconds, left))
            counts[result] += 1
            seconds = time.monotonic() - began
            print(f"{result:8} {suite.name} ({seconds:.1f} s){': ' if remark else ''}{remark}",
                  flush=True)
            if result == "failed":
                failures.append(f"{suite.name}: {remark}")
                failures += [line for line in text.splitlines() if line.startswith("FAILED")]
                for line in text.splitlines()[-TAIL_LINES:]:
                    print(f"    | {line}")
    finally:
        finish(arguments, sweep)
    for line in failures:
        print(f"failed:  {line}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
