#!/usr/bin/env python3
# seconds: 240
"""Several endpoints: which one is asked, what happens when one goes away or is wrong, whom a token
goes to. Copies of one modelfs-hub are mirrors that can be killed; PlainHub is one that lies."""

import hashlib
import os
import shutil
import signal
import stat
import sys
import time

from suite import (PLAIN, TOP, XET, drop_names, equal, expect, main, noise, promise, raises, read,
                   says, wait_for, within, write)

sys.path.insert(0, os.path.join(TOP, "Tests/Support"))
from plain_hub import PlainHub, PlainHubHandler  # noqa: E402

NAME = "acme/mirrored"
SIZE = 24_000_000
SECOND = "some/other"
TOKEN, OWN = "hf_of_the_first", "hf_of_the_second"


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/large.bin", noise(1, SIZE))
    write(folder + "/small.txt", "small")
    stage.source = folder
    stage.first = stage.hub("first")
    stage.first.add(NAME, folder, "--tag", "v1")
    shutil.copytree(stage.first.root, stage.path("second"))
    shutil.copytree(stage.first.root, stage.path("third"))
    stage.second = stage.hub("second")
    stage.third = stage.hub("third")
    stage.number = 0


def fresh(stage, hubs, *options, **variables):
    """A mount of these endpoints with an empty cache."""
    stage.number += 1
    words = [word for hub in hubs for word in ("--endpoint", getattr(hub, "endpoint", hub))]
    tree = stage.mount(hubs[0], name=f"mount{stage.number}", cache=f"cache{stage.number}")
    return tree.start(*words, *options, **variables)


def start(stage, *hubs, xet=True):
    for hub in (stage.first, stage.second, stage.third):
        hub.stop()
    for hub in hubs:
        hub.start("--access-log", xet=xet)


def kill(hub):
    """The machine of a Hub is gone, in the middle of whatever it does."""
    hub.process.send_signal(signal.SIGKILL)
    hub.process.wait()
    hub.process = None


def states(tree):
    return [each["state"] for each in tree.status()["fileSystem"]["hub"]["endpoints"]]


@promise("S145", "Several endpoints are asked in order", 60, ways=(PLAIN, XET))
def one_that_dies_in_the_middle_of_a_read_is_no_error(stage):
    start(stage, stage.first, stage.second)
    idle = stage.second.requests()
    tree = fresh(stage, [stage.first, stage.second], **stage.way)
    os.stat(f"{tree.path}/{NAME}@v1/large.bin")
    equal(stage.second.requests(), idle, "requests to the second before anything is wrong")
    stage.first.weather(bandwidth="4MB/s")
    reader = stage.python(
        "import hashlib, sys\n"
        "digest = hashlib.sha256()\n"
        "with open(sys.argv[1], 'rb', buffering=0) as file:\n"
        "    while data := file.read(1 << 16):\n"
        "        digest.update(data)\n"
        "print(digest.hexdigest())\n", f"{tree.path}/{NAME}@v1/large.bin")
    wait_for(lambda: 2_000_000 < tree.fetched() < SIZE - 4_000_000, 10, "a part of the file")
    kill(stage.first)
    out, err = reader.communicate(timeout=30)
    equal((out.strip(), err), (hashlib.sha256(noise(1, SIZE)).hexdigest(), ""), "the read")
    expect(stage.second.data_bytes() > 1_000_000, "the second brought", stage.second.data_bytes())
    # What had come from the first was not fetched again, but for what was on its way.
    expect(tree.fetched() < SIZE * 1.5, "fetched", tree.fetched())
    # The servers of Xet are not the Hub: that one is gone is known when it is asked itself.
    equal(states(tree), ["away" if stage.way is PLAIN else "resting", "present"])
    os.listdir(f"{tree.path}/{NAME}@")
    page = stage.modelfs("status", "--cache", tree.cache)
    says(page, f"{stage.first.endpoint} " + (
        "not reachable" if stage.way is PLAIN else "of no use for now"),
         f"{stage.second.endpoint} reachable")
    if stage.way is PLAIN:
        expect("an endpoint is not reachable" in tree.log(), tree.log())
    # It is asked first again as soon as it answers.
    stage.first.start("--access-log", xet=True)
    wait_for(lambda: states(tree) == ["present", "present"], 31, "a probe")
    before = stage.first.requests()
    expect(not os.path.exists(f"{tree.path}/{NAME}@unknown"), "a revision that is not there")
    expect(stage.first.requests() > before, "the first is asked again")
    tree.end()


@promise("S145", "Several endpoints are asked in order", 60)
def one_that_answers_with_errors_is_passed_over(stage):
    start(stage, stage.first, stage.second, xet=False)
    stage.first.faults("status=503")
    tree = fresh(stage, [stage.first, stage.second])
    with within(12, "a read past an endpoint in trouble"):
        equal(read(f"{tree.path}/{NAME}@v1/small.txt"), b"small")
        equal(read(f"{tree.path}/{NAME}@v1/large.bin"), noise(1, SIZE))
    equal(states(tree), ["resting", "present"])
    tree.end()


@promise("S145", "Several endpoints are asked in order", 60)
def the_variable_lists_them_and_an_only_one_is_as_before(stage):
    start(stage, stage.second, xet=False)
    tree = stage.mount(stage.first, name="listed", cache="listed-cache")
    tree.start(MODELFS_ENDPOINTS=f"{stage.first.endpoint}, {stage.second.endpoint}/")
    equal(read(f"{tree.path}/{NAME}@v1/small.txt"), b"small")
    os.makedirs(stage.path("again"))
    told = stage.modelfs("mount", "--cache", tree.cache, "--endpoint", "http://127.0.0.1:1",
                         "hf://models", stage.path("again"))
    says(told, "not used: --endpoint")
    tree.end()
    for bad in ("ftp://x", "huggingface.co"):
        told = stage.modelfs("mount", "--cache", stage.path("bad"), "--endpoint", bad,
                             stage.path("again"), code=2)
        says(told, f"the endpoint '{bad}' is not a URL like https://huggingface.co")
    loose = stage.path("loose")
    write(loose, "http://127.0.0.1:1 hf_x\n")
    os.chmod(loose, 0o644)
    told = stage.modelfs("mount", "--cache", stage.path("bad"), stage.path("again"), code=2,
                         MODELFS_ENDPOINT_TOKENS=loose)
    says(told, "others may read it", "chmod 600")


@promise("S145", "Several endpoints are asked in order", 60)
def all_away_is_as_without_a_hub(stage):
    start(stage, stage.first, stage.second, xet=False)
    tree = fresh(stage, [stage.first, stage.second], "--ref-ttl", "1s", "--read-deadline", "3s")
    equal(read(f"{tree.path}/{NAME}@v1/small.txt"), b"small")
    kill(stage.first)
    kill(stage.second)
    time.sleep(1.1)
    drop_names()
    equal(read(f"{tree.path}/{NAME}@v1/small.txt"), b"small")
    with within(5, "an error"), raises(5, "an uncached file"):
        read(f"{tree.path}/{NAME}@v1/large.bin")
    equal(states(tree), ["away", "away"])
    stage.second.start()
    wait_for(lambda: states(tree)[1] == "present", 31, "a probe of the second")
    equal(read(f"{tree.path}/{NAME}@v1/large.bin"), noise(1, SIZE))
    tree.end()


class Mirror(PlainHub):
    """Notes each token that it is sent."""

    def __init__(self, files):
        super().__init__()
        self.tokens = set()
        self.is_stopped = False
        hub = self

        class Handler(PlainHubHandler):
            def route(self):
                # Connections that are kept open end with the server.
                if hub.is_stopped:
                    self.close_connection = True
                else:
                    super().route()

            def note_credentials(self, kind):
                if "Authorization" in self.headers:
                    hub.tokens.add(self.headers["Authorization"])
                super().note_credentials(kind)
        Handler.hub = hub
        self.server.RequestHandlerClass = Handler
        self.commit = self.repository(SECOND).add(files, "v1")

    def spoil(self, path, change):
        file = self.repositories[SECOND].commits[self.commit][path]
        file.data = change(file.data)


def mirrors(stage, count=2):
    files = {"large.bin": noise(5, 6_000_000), "small.txt": b"right\n"}
    made = [Mirror(files).start() for _ in range(count)]
    for each in made:
        stage.actions.append(lambda hub=each: stop(hub))
    return made, files


def stop(mirror):
    if not mirror.is_stopped:
        mirror.is_stopped = True
        mirror.stop()


@promise("S146", "A mirror is not trusted", 60)
def wrong_bytes_come_again_from_another(stage):
    (first, second), files = mirrors(stage)
    for path in files:
        first.spoil(path, lambda data: bytes([data[0] ^ 1]) + data[1:])
    tree = fresh(stage, [first, second], "--proof", "first")
    for path, data in files.items():
        equal(read(f"{tree.path}/{SECOND}@v1/{path}"), data, path)
    equal(tree.log().count("an endpoint has a file wrong"), len(files), tree.log())
    expect(first.endpoint in tree.log().split("an endpoint has a file wrong")[1])
    tree.end()


@promise("S146", "A mirror is not trusted", 60)
def a_wrong_size_is_passed_over_and_told_once(stage):
    (first, second), files = mirrors(stage)
    tree = fresh(stage, [first, second])
    os.stat(f"{tree.path}/{SECOND}@v1/large.bin")
    first.spoil("large.bin", lambda data: data[:-1000])
    equal(read(f"{tree.path}/{SECOND}@v1/large.bin"), files["large.bin"])
    equal(tree.log().count("an endpoint has a file wrong"), 1, tree.log())
    tree.end()


@promise("S146", "A mirror is not trusted", 60)
def tokens_go_where_they_belong(stage):
    (first, second, third), files = mirrors(stage, 3)
    tokens = stage.path("tokens")
    write(tokens, f"# of mirrors\n{second.endpoint} {OWN}\n")
    os.chmod(tokens, stat.S_IRUSR | stat.S_IWUSR)
    tree = fresh(stage, [first, second, third], "--ref-ttl", "1s", HF_TOKEN=TOKEN,
                 MODELFS_ENDPOINT_TOKENS=tokens)
    equal(read(f"{tree.path}/{SECOND}@v1/small.txt"), files["small.txt"])
    stop(first)
    os.listdir(f"{tree.path}/some")
    time.sleep(1.1)
    os.stat(f"{tree.path}/{SECOND}@main/large.bin")
    stop(second)
    equal(read(f"{tree.path}/{SECOND}@main/large.bin"), files["large.bin"])
    expect(third.requests, "the third was never asked")
    equal([hub.tokens for hub in (first, second, third)],
          [{f"Bearer {TOKEN}"}, {f"Bearer {OWN}"}, set()], "the tokens that each has seen")
    equal([hub.leaked for hub in (first, second, third)], [[], [], []], "leaked")
    said = tree.log() + stage.modelfs("status", "--json", "--cache", tree.cache)
    expect(TOKEN not in said and OWN not in said, "a token was shown")
    tree.end()


@promise("S146", "A mirror is not trusted", 90)
def a_ref_does_not_move_back(stage):
    start(stage, stage.first, stage.second, xet=False)
    changed = stage.path("changed")
    write(changed + "/small.txt", "newer")
    time.sleep(1.1)
    stage.first.add(NAME, changed)
    tree = fresh(stage, [stage.first, stage.second], "--ref-ttl", "1s")
    path = f"{tree.path}/{NAME}@main/small.txt"
    equal(read(path), b"newer")
    os.listdir(f"{tree.path}/{NAME}@")
    kill(stage.first)
    for _ in range(3):
        time.sleep(1.1)
        drop_names()
        equal(read(path), b"newer")
        os.listdir(f"{tree.path}/{NAME}@")
        os.listdir(f"{tree.path}/acme")
    lines = [line for line in tree.log().splitlines() if "endpoints disagree" in line]
    expect(1 <= len(lines) <= 2, lines)
    expect(stage.first.endpoint in lines[0] and stage.second.endpoint in lines[0], lines[0])
    # Also not when the daemon is a new one.
    tree.restart("--ref-ttl", "1s", "--endpoint", stage.first.endpoint, "--endpoint",
                 stage.second.endpoint)
    time.sleep(1.1)
    equal(read(path), b"newer")
    # But a later commit counts, whoever has it.
    write(changed + "/small.txt", "newest")
    stage.second.add(NAME, changed)
    wait_for(lambda: read(path) == b"newest", 10, "a later commit of the second")
    tree.end()


main(__name__, prepare)
