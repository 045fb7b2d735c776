#!/usr/bin/env python3
# seconds: 240
"""The README, tried as a new user would: its commands in its order, and what they print.

A block that is fenced as `console` is a transcript. Lines that begin with `$ ` are typed into one
bash, with a home folder of its own; the lines below are what has to come out, on either output.
In them `…` stands for whatever differs from run to run, be it a word or several lines; where lines
are broken does not count. A command may go on over lines that end with a backslash. All transcripts
are run, none is left out; only what a reader would choose too is replaced: the home folder, and the
port of the Hub.

    Tests/EndToEnd/readme.py            # all of it
    Tests/EndToEnd/readme.py --record   # prints what came out, to be put into the README
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from suite import SKIPPED, Stage, TOP, free_port, noise, write

README = os.path.join(TOP, "README.md")
# What the README calls them.
HOME = "/home/you"
PORT = "127.0.0.1:8080"
COMMAND_SECONDS = 60
# How long a server in the background may take until it listens.
LISTEN_SECONDS = 30


class Step:
    """A command of the README and what it prints."""

    def __init__(self, line, command):
        self.line, self.command, self.wanted = line, command, []


def steps(text):
    """The steps of all transcripts, in order."""
    found, fence, is_open = [], None, False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fence = line[3:].strip() if fence is None else None
        elif fence != "console":
            continue
        elif line.startswith("$ "):
            found.append(Step(number, line[2:]))
            is_open = line.endswith("\\")
        elif is_open:
            found[-1].command += "\n" + line
            is_open = line.endswith("\\")
        else:
            found[-1].wanted.append(line)
    return found


def fits(wanted, found):
    """Whether what was printed is what the README has, wherever its lines are broken: where they
    are depends on how long a reader's home folder is."""
    text = " ".join(" ".join(wanted).split())
    pattern = ".*".join(re.escape(part) for part in text.split("…"))
    # A `…` between words may stand for none.
    pattern = pattern.replace(r"\ .*\ ", ".*").removeprefix(r".*\ ").removesuffix(r"\ .*")
    starts, ends = text.startswith("…"), text.endswith("…")
    pattern = (".*" if starts else "") + pattern.removeprefix(".*")
    pattern = pattern.removesuffix(".*") + (".*" if ends else "")
    return bool(re.fullmatch(pattern, " ".join(" ".join(found).split())))


class Shell:
    """One bash that lives as long as the tour does."""

    def __init__(self, environment, folder):
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            errors="replace", start_new_session=True)
        self.count = 0

    def run(self, command):
        """What a command prints on both outputs; None if it does not end."""
        self.count += 1
        mark = f"--end-of-step-{self.count}--"
        self.process.stdin.write(f"{command}\nprintf '%s\\n' {mark}\n")
        self.process.stdin.flush()
        lines = []
        watchdog = threading.Timer(COMMAND_SECONDS, self.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                # What was printed without an end of line stands before the mark.
                text, is_over, _ = line.rstrip("\n").partition(mark)
                if text or not is_over:
                    lines.append(text.rstrip())
                if is_over:
                    return lines
        finally:
            watchdog.cancel()
        return None

    def kill(self):
        """Ends it with everything it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self):
        self.kill()
        self.process.wait()


def wait_until_listening(address):
    host, port = address.split(":")
    deadline = time.monotonic() + LISTEN_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)


def environment(stage, home, hub):
    """That of somebody who has just installed it."""
    kept = {name: value for name, value in os.environ.items()
            if name in ("LANG", "LC_ALL", "TERM", "TMPDIR")}
    kept.update(HOME=home, MODELFS_SCRATCH=stage.scratch, LC_ALL="C.UTF-8", PS1="",
                PATH=os.path.dirname(stage.programs.modelfs) + ":/usr/sbin:/usr/bin:/sbin:/bin",
                HF_ENDPOINT=hub.endpoint,
                # A machine with a data disk would have its cache there.
                MODELFS_CACHE=home + "/.cache/modelfs")
    return kept


def the_hub(stage):
    """A stand-in for the real Hub, with the repository that the README names there."""
    folder = stage.path("stand-in")
    write(folder + "/config.json", '{"model_type": "bert"}\n')
    write(folder + "/model.safetensors", noise(1, 3_000_000))
    hub = stage.hub("stand-in-hub")
    hub.add("sentence-transformers/all-MiniLM-L6-v2", folder)
    return hub.start(xet=True)


def main():
    stage = Stage()
    home = stage.path("home")
    os.makedirs(home, exist_ok=True)
    failed = count = 0
    shell = None
    try:
        port = f"127.0.0.1:{free_port()}"
        shell = Shell(environment(stage, home, the_hub(stage)), home)
        with open(README, encoding="utf-8") as file:
            tour = steps(file.read())
        for step in tour:
            count += 1
            began = time.monotonic()
            command = step.command.replace(HOME, home).replace(PORT, port)
            found = shell.run(command)
            if command.rstrip().endswith("&"):
                wait_until_listening(port)
            if found is None:
                print(f"FAILED   README.md:{step.line}: {step.command}: not done in "
                      f"{COMMAND_SECONDS} s")
                failed += 1
                break
            found = [line.replace(home, HOME).replace(port, PORT) for line in found]
            if "--record" in sys.argv:
                print("$ " + step.command, *found, sep="\n")
            elif fits(step.wanted, found):
                print(f"ok       README.md:{step.line}: {step.command} "
                      f"({time.monotonic() - began:.1f} s)", flush=True)
            else:
                failed += 1
                print(f"FAILED   README.md:{step.line}: {step.command}")
                for name, lines in (("the README", step.wanted), ("printed", found)):
                    print(f"         {name}:")
                    print(*("           " + line for line in lines or ["(nothing)"]), sep="\n")
    finally:
        if shell:
            shell.close()
        stage.clear()
        shutil.rmtree(home, ignore_errors=True)
    print(f"{count - failed} passed, {failed} failed")
    if not count:
        print("the README has no transcript")
    sys.exit(1 if failed or not count else 0)


if __name__ == "__main__":
    if not os.path.exists("/dev/fuse"):
        print("there is no /dev/fuse")
        sys.exit(SKIPPED)
    main()
