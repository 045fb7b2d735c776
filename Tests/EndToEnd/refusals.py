#!/usr/bin/env python3
# seconds: 120
"""What is not there or not allowed, and where the token goes."""

import errno
import os
import time

from suite import (drop_names, equal, expect, free_port, main, noise, promise, raises, read, run,
                   says, wait_for, write)


def prepare(stage):
    """A Hub whose data lies on another port, with open, private and gated repositories."""
    hub = stage.hub()
    folder = stage.path("source")
    write(folder + "/config.json", "{}")
    write(folder + "/large.bin", noise(1, 3_000_000))
    write(folder + "/other.bin", noise(2, 3_000_000))
    hub.add("acme/open", folder)
    hub.add("acme/private", folder, "--private")
    write(stage.path("gated", "config.json"), '{"gated": true}')
    write(stage.path("gated", "large.bin"), noise(3, 3_000_000))
    write(stage.path("gated", "later.bin"), noise(4, 3_000_000))
    hub.add("acme/gated", stage.path("gated"), "--gated")
    stage.token = hub.token()
    stage.other = hub.token("--read", "acme/open")
    hub.start("--data-listen", f"127.0.0.1:{free_port()}", "--access-log")
    stage.server = hub
    stage.home = stage.path("hf-home")
    stage.tree = stage.mount(hub).start("--log-level", "debug")


def login(stage, token):
    write(stage.home + "/token", token)


def logout(stage):
    if os.path.exists(stage.home + "/token"):
        os.unlink(stage.home + "/token")


@promise("S38", "What does not exist is ENOENT")
def what_is_missing_is_asked_for_once(stage):
    top = stage.tree.path
    for path in ("/acme/nothing", "/acme/nothing@main", "/acme/open@nothing", "/nobody/at-all",
                 "/acme/open@main/nothing.txt", "/acme/open@main/config.json.bak",
                  "/acme/nothing@"):
        with raises(errno.ENOENT, path):
            os.stat(top + path)
    before = stage.server.requests()
    for index in range(300):
        expect(not os.path.exists(top + "/acme/nothing@main"))
        expect(not os.path.exists(top + f"/acme/open@main/absent{index}.py"))
        if index % 100 == 0:
            drop_names()
    equal(stage.server.requests(), before, "requests for what is missing")
    lines = [line for line in stage.tree.log().splitlines() if "acme/nothing@main" in line]
    expect(1 <= len(lines) <= 2, "lines in the log:", lines)


@promise("S38", "What does not exist is ENOENT")
def what_is_missing_is_believed_for_a_while(stage):
    with raises(errno.ENOENT):
        os.stat(stage.tree.path + "/acme/later@main")
    stage.missing_since = time.monotonic()
    stage.server.add("acme/later", stage.path("source"))
    with raises(errno.ENOENT):
        os.stat(stage.tree.path + "/acme/later@main")


@promise("S40", "A private repository that the Hub hides is ENOENT")
def private_is_missing_and_the_log_says_why(stage):
    with raises(errno.ENOENT):
        os.stat(stage.tree.path + "/acme/private@main")
    wait_for(lambda: "private" in stage.tree.problems(), 2, "a line that names the causes")
    told = stage.tree.problems()
    expect("no such repository, or a private one that this token does not open" in told, told)
    os.makedirs(stage.path("mount-private"), exist_ok=True)
    told = stage.modelfs("mount", "hf://acme/private@main", stage.path("mount-private"), "--cache",
                         stage.tree.cache, code=7, HF_ENDPOINT=stage.server.endpoint)
    expect("or it is private" in told, told)


@promise("S39", "A gated repository is EACCES")
def gated_is_refused_at_its_directory(stage):
    top = stage.tree.path
    with raises(errno.EACCES, "the directory"):
        os.stat(top + "/acme/gated@main")
    with raises(errno.EACCES, "a file"):
        read(top + "/acme/gated@main/config.json")
    refusals = stage.tree.status()["fileSystem"]["refusals"]
    told = [refusal for refusal in refusals if refusal["repository"] == "models/acme/gated"]
    expect(told and told[0]["reason"] and "accept the conditions" in told[0]["advice"], refusals)
    page = stage.modelfs("status", "--cache", stage.tree.cache)
    says(page, "acme/gated", "accept the conditions")
    os.makedirs(stage.path("mount-gated"), exist_ok=True)
    told = stage.modelfs("mount", "hf://acme/gated@main", stage.path("mount-gated"), "--cache",
                         stage.tree.cache, code=8, HF_ENDPOINT=stage.server.endpoint)
    expect("gated" in told and stage.server.endpoint + "/acme/gated" in told, told)


@promise("S39", "A gated repository is EACCES")
def a_refused_token_is_told(stage):
    mount = stage.mount(stage.server, "hf://models", "refused", "cache-refused")
    mount.start(HF_TOKEN="hf_wrongwrongwrongwrongwrongwrongwrong")
    with raises(errno.EACCES):
        os.stat(mount.path + "/acme/open@main")
    page = stage.modelfs("status", "--cache", mount.cache)
    says(page, "log in again")
    mount.end()


@promise("S27", "One daemon serves a cache")
def a_token_beside_a_daemon_is_told(stage):
    place = stage.path("mount-beside")
    os.makedirs(place)

    def beside(source, mount, code, **variables):
        said = stage.modelfs("mount", source, place, "--cache", mount.cache, code=code,
                             HF_ENDPOINT=stage.server.endpoint, **variables)
        if code == 0:
            stage.modelfs("umount", place, "--cache", mount.cache)
        return said

    # A daemon that looks into the token file: without one, then with another, then with the same.
    logout(stage)
    said = beside("hf://models", stage.tree, 0, HF_TOKEN=stage.token)
    says(said, "HF_TOKEN is not used: the daemon has no token; it would read one from",
         stage.home + "/token", "hf auth login")
    said = beside("hf://acme/private@main", stage.tree, 7, HF_TOKEN=stage.token)
    says(said, "or it is private", "HF_TOKEN is not used")
    login(stage, stage.other)
    wait_for(lambda: "the daemon has the token in" in
             beside("hf://models", stage.tree, 0, HF_TOKEN=stage.token), 10, "the other token")
    login(stage, stage.token)
    wait_for(lambda: "HF_TOKEN" not in
             beside("hf://models", stage.tree, 0, HF_TOKEN=stage.token), 10, "the same token")
    logout(stage)
    # One that has its own.
    mount = stage.mount(stage.server, "hf://models", "own-token", "cache-own-token")
    mount.start(HF_TOKEN=stage.other)
    said = beside("hf://models", mount, 0, HF_TOKEN=stage.token)
    says(said, "the daemon has the HF_TOKEN that it was started with", "umount --all")
    expect("HF_TOKEN" not in beside("hf://models", mount, 0, HF_TOKEN=stage.other))
    expect("HF_TOKEN" not in beside("hf://models", mount, 0))
    for each in (stage.token, stage.other):
        expect(each not in said, "a token is shown")
    mount.end()


@promise("S41", "Cached bytes outlive a token")
def a_refusal_is_believed_for_its_token_alone(stage):
    logout(stage)
    mount = stage.mount(stage.server, "hf://models", "later", "cache-later").start()
    with raises(errno.ENOENT, "without a token"):
        os.stat(mount.path + "/acme/private@main")
    login(stage, stage.token)
    # The kernel has the name for missing 5 seconds, and the daemon looks at the file once a second.
    time.sleep(6.5)
    equal(read(mount.path + "/acme/private@main/config.json"), b"{}", "the first look after that")
    mount.end()
    logout(stage)


@promise("S41", "Cached bytes outlive a token")
def a_new_token_is_picked_up(stage):
    login(stage, stage.token)
    top = stage.tree.path
    wait_for(lambda: can(top + "/acme/gated@main/config.json"), 4, "the token file was not read")
    equal(read(top + "/acme/gated@main/config.json"), b'{"gated": true}')
    wait_for(lambda: can(top + "/acme/private@main/config.json"), 8, "the private one")


def can(path):
    try:
        read(path)
        return True
    except OSError:
        return False


@promise("S41", "Cached bytes outlive a token", 80)
def a_revoked_token_leaves_what_is_cached(stage):
    top = stage.tree.path
    token = stage.server.token()
    login(stage, token)
    time.sleep(1.2)
    equal(read(top + "/acme/gated@main/large.bin"), noise(3, 3_000_000))
    run(stage.server.programs.hub, "token", "revoke", token, "--root", stage.server.root)
    with raises(errno.EACCES, "bytes that are not cached"):
        read(top + "/acme/gated@main/later.bin")
    with open(top + "/acme/gated@main/large.bin", "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        equal(file.read(), noise(3, 3_000_000), "cached bytes")
    equal(read(top + "/acme/gated@main/config.json"), b'{"gated": true}')
    login(stage, stage.token)
    wait_for(lambda: can(top + "/acme/gated@main/later.bin"), 20, "the renewed token")
    equal(read(top + "/acme/gated@main/later.bin"), noise(4, 3_000_000))


@promise("S51", "The token goes to the Hub's own host alone")
def the_data_host_sees_no_token(stage):
    login(stage, stage.token)
    mount = stage.mount(stage.server, "hf://models", "hosts", "cache-hosts").start()
    equal(read(mount.path + "/acme/private@main/large.bin"), noise(1, 3_000_000))
    stats = stage.server.stats()
    expect(stats["requests"]["data"] > 0, "no data was asked for", stats)
    equal(stats["dataWithAuthorization"], 0, "requests for data with a token")
    mount.end()


@promise("S52", "The token is shown nowhere")
def the_token_is_not_shown(stage):
    mount = stage.mount(stage.server, "hf://models", "secret", "cache-secret")
    mount.start("--log-level", "debug", HF_TOKEN=stage.token)
    read(mount.path + "/acme/private@main/config.json")
    for path in ("/acme/gated@nothing", "/acme/nothing"):
        with raises(errno.ENOENT):
            os.stat(mount.path + path)
    pid = mount.daemon()
    shown = mount.log() + stage.tree.log()
    shown += stage.modelfs("status", "--cache", mount.cache)
    shown += stage.modelfs("status", "--json", "--cache", mount.cache)
    shown += run("ps", "-o", "args=,comm=", "-p", str(pid))
    for place, _, names in os.walk(mount.cache):
        for name in names:
            if not name.startswith("lock") and not os.path.islink(os.path.join(place, name)):
                path = os.path.join(place, name)
                if os.path.isfile(path):
                    shown += read(path).decode("latin-1")
    expect(stage.token not in shown, "the token is shown")
    expect(stage.token[3:15] not in shown, "a part of the token is shown")
    with open(stage.server.log, encoding="utf-8", errors="replace") as file:
        expect(stage.token not in file.read(), "the Hub's log shows it")
    mount.end()


@promise("S38", "What does not exist is ENOENT")
def what_is_made_later_is_found(stage):
    began = stage.missing_since
    wait_for(lambda: os.path.exists(stage.tree.path + "/acme/later@main"),
             began + 37 - time.monotonic(), "a new repository")


main(__name__, prepare)
