#!/usr/bin/env python3
# seconds: 150
"""The daemon and its command line: starting, handing over, ending, failing, and telling."""

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import time

from suite import (Skip, alive, drop_pages, equal, expect, free_port, main, noise, promise, raises,
                   read, says, wait_for, within, write)

NAME = "acme/daemon"


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/config.json", "{}")
    write(folder + "/sub/large.bin", noise(1, 2_000_000))
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.add("acme/gated", folder, "--gated")
    hub.start()
    stage.server = hub


def mounts_of(stage):
    """Our mounts, as the kernel tells: path to type."""
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        found = [line.split(" ") for line in lines]
    return [fields[4] for fields in found if fields[4].startswith(stage.scratch)]


def shared_mounts(mount):
    """Where the one filesystem of a cache is mounted, that its mountpoints are bound from."""
    found = os.stat(mount.cache)
    place = f"/run/modelfs/{found.st_dev:x}-{found.st_ino:x}"
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        return [line for line in lines if line.split(" ")[4] == place]


@promise("S27", "One daemon serves a cache")
def mounts_are_handed_over(stage):
    mount = stage.mount(stage.server, name="first", cache="cache-one").start()
    pid = mount.daemon()
    second = mount.add(f"hf://{NAME}@v1", "second")
    equal(second.daemon(), pid, "the daemon of the second mount")
    equal(read(second.path + "/config.json"), b"{}")
    os.makedirs(stage.path("third"))
    said = stage.modelfs("mount", stage.path("third"), "--cache", mount.cache, "--ref-ttl", "5s",
                         "--cache-size", "1GB")
    says(said, "not used: --cache-size, --ref-ttl")
    said = stage.modelfs("mount", stage.path("third"), "--cache", mount.cache,
                         HF_ENDPOINT="http://127.0.0.1:9", HF_TOKEN="hf_x", HF_HUB_OFFLINE="1")
    says(said, "not used: HF_ENDPOINT (its Hub is", ", HF_HUB_OFFLINE", "HF_TOKEN is not used")
    equal(len(mount.status()["mounts"]), 3)
    said = stage.modelfs("mount", "hf://models", mount.path, "--cache", mount.cache)
    says(said, "mounted already")
    said = stage.modelfs("mount", "--foreground", stage.path("third"), "--cache", mount.cache,
                         code=11)
    says(said, f"served by process {pid}")
    for path in (mount.path, second.path):
        stage.modelfs("umount", path, "--cache", mount.cache)
        expect(alive(pid), "it ended before its last mount")
    stage.modelfs("umount", stage.path("third"), "--cache", mount.cache)
    wait_for(lambda: not alive(pid), 5, "the end with the last mount")
    equal([path for path in mounts_of(stage) if path in (mount.path, second.path)], [], "mounts")


@promise("S27", "One daemon serves a cache")
def two_that_start_together_become_one(stage):
    places = [stage.path(f"race{index}") for index in range(6)]
    cache = stage.path("cache-race")
    for place in places:
        os.makedirs(place)
    started = [subprocess.Popen([stage.programs.modelfs, "mount", place, "--cache", cache],
                                env=stage.programs.environment(HF_ENDPOINT=stage.server.endpoint),
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
               for place in places]
    for process in started:
        _, errors = process.communicate(timeout=20)
        equal(process.returncode, 0, errors)
    status = json.loads(stage.modelfs("status", "--json", "--cache", cache))
    equal(sorted(entry["mountpoint"] for entry in status["mounts"]), sorted(places))
    stage.modelfs("umount", "--all", "--cache", cache)


@promise("S28", "An unmount is orderly")
def what_is_in_use_is_not_taken_away(stage):
    mount = stage.mount(stage.server, name="busy", cache="cache-busy").start()
    file = os.open(f"{mount.path}/{NAME}@v1/sub/large.bin", os.O_RDONLY)
    said = stage.modelfs("umount", mount.path, "--cache", mount.cache, code=11)
    says(said, "in use", "--lazy")
    stage.modelfs("umount", "--lazy", mount.path, "--cache", mount.cache)
    expect(mount.path not in mounts_of(stage))
    equal(os.listdir(mount.path), [])
    os.close(file)
    mount.start()
    done = subprocess.run(["umount", mount.path], check=False, timeout=10)
    equal(done.returncode, 0, "umount")
    wait_for(lambda: not mount.is_served(), 5, "the end after a plain umount")
    said = stage.modelfs("umount", mount.path, "--cache", mount.cache, code=7)
    says(said, "no modelfs is mounted")


@promise("S28", "An unmount is orderly")
def signals_end_it_in_order(stage):
    for number in (signal.SIGTERM, signal.SIGINT):
        place = stage.path(f"signal{number}")
        os.makedirs(place)
        process = subprocess.Popen(
            [stage.programs.modelfs, "mount", "--foreground", place, "--cache",
             stage.path("cache-signal")],
            env=stage.programs.environment(HF_ENDPOINT=stage.server.endpoint), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        stage.processes.append(process)
        expect("is mounted at" in process.stdout.readline())
        equal(read(f"{place}/{NAME}@v1/config.json"), b"{}")
        process.send_signal(number)
        process.communicate(timeout=15)
        equal(process.returncode, 0, f"the end by {number}")
        expect(place not in mounts_of(stage))


@promise("S28", "An unmount is orderly")
def a_signal_with_files_in_use_detaches(stage):
    mount = stage.mount(stage.server, name="used", cache="cache-used").start()
    pid = mount.daemon()
    file = os.open(f"{mount.path}/{NAME}@v1/config.json", os.O_RDONLY)
    equal(os.read(file, 2), b"{}")
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not alive(pid), 15, "the end")
    expect(mount.path not in mounts_of(stage))
    expect("unmounted lazily, files are in use" in mount.log(), mount.log()[-500:])
    with contextlib.suppress(OSError):
        os.close(file)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


@promise("S28", "An unmount is orderly")
def a_signal_while_no_daemon_runs_unmounts(stage):
    mount = stage.mount(stage.server, name="paused", cache="cache-paused").start()
    keeper = mount.keeper()
    # Deaths in a row cost pauses that grow; this one is long enough for any machine.
    while "seconds=3.2" not in mount.log():
        for pid in children(keeper):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    equal(children(keeper), [], "workers in a pause")
    os.kill(keeper, signal.SIGTERM)
    wait_for(lambda: not alive(keeper), 15, "the keeper's end")
    expect(mount.path not in mounts_of(stage))
    expect("that nobody serves" not in mount.log(), mount.log()[-500:])


def error_of(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error.errno
    return None


@promise("S29", "What a dead daemon left is cleaned up")
def a_stale_mount_is_cleaned(stage):
    mount = stage.mount(stage.server, name="stale", cache="cache-stale").start()
    path = f"{mount.path}/{NAME}@v1/sub/large.bin"
    equal(read(path), noise(1, 2_000_000))
    time.sleep(1)
    equal(len(shared_mounts(mount)), 1, "shared mounts")
    mount.kill()
    # While the last thread of the dead one ends, it may still be ECONNABORTED.
    wait_for(lambda: error_of(os.statvfs, mount.path) == errno.ENOTCONN, 5, "a dead mount")
    said = stage.modelfs("status", "--cache", mount.cache, code=9)
    says(said, mount.path, "left by a dead daemon")
    done = subprocess.run([stage.programs.modelfs, "mount", mount.path, "--cache", mount.cache],
                          env=stage.programs.environment(HF_ENDPOINT=stage.server.endpoint),
                          capture_output=True, text=True, timeout=30, check=False)
    equal(done.returncode, 0, done.stderr)
    says(done.stdout, "cleaned up")
    fetched = mount.fetched()
    drop_pages(path)
    equal(read(path), noise(1, 2_000_000))
    expect(mount.fetched() - fetched <= 2_000_000)
    equal(mounts_of(stage).count(mount.path), 1, "mounts at this place")
    equal(len(shared_mounts(mount)), 1, "shared mounts after a dead one")
    mount.end()
    equal(shared_mounts(mount), [], "shared mounts after the end")


@promise("S29", "What a dead daemon left is cleaned up")
def a_daemon_with_two_mounts_is_cleaned(stage):
    mount = stage.mount(stage.server, name="stale-a", cache="cache-stale2").start()
    other = mount.add(f"hf://{NAME}@v1", "stale-b")
    mount.kill()
    mount.start()
    stage.modelfs("umount", other.path, "--cache", mount.cache)
    equal([path for path in mounts_of(stage) if "stale-" in path], [mount.path])
    mount.end()


def failing(stage, code, *words, wanted, **variables):
    """A command that must fail with that code and these words in its message."""
    said = stage.modelfs(*words, code=code, HF_ENDPOINT=variables.pop(
        "HF_ENDPOINT", stage.server.endpoint), **variables)
    for text in wanted:
        expect(text in " ".join(said.split()), text, "is missing in", said)
    return said


@promise("S53", "A mount that fails says what is wrong and what to do")
def mountpoints_that_cannot_be(stage):
    cache = ("--cache", stage.path("cache-failing"))
    missing, full, plain = (stage.path(name) for name in ("missing", "full", "plain-file"))
    write(full + "/something", "x")
    write(plain, "x")
    failing(stage, 4, "mount", missing, *cache, wanted=["does not exist", "mkdir -p"])
    failing(stage, 4, "mount", full, *cache, wanted=["is not empty", "something"])
    failing(stage, 4, "mount", plain, *cache, wanted=["is not a folder"])
    failing(stage, 4, "mount", stage.path("cache-failing/flat"), *cache,
            wanted=["does not exist"] if not os.path.exists(stage.path("cache-failing/flat"))
            else ["inside the cache"])
    os.makedirs(stage.path("taken"))
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", stage.path("taken")], check=False,
                      capture_output=True, timeout=10).returncode == 0:
        stage.actions.append(lambda: subprocess.run(["umount", stage.path("taken")], check=False,
                                                    capture_output=True, timeout=10))
        failing(stage, 4, "mount", stage.path("taken"), *cache, wanted=["is busy", "tmpfs"])
    equal([path for path in mounts_of(stage) if path in (missing, full, plain)], [])


@promise("S53", "A mount that fails says what is wrong and what to do")
def caches_that_cannot_be(stage):
    place = stage.path("cached-mount")
    os.makedirs(place)
    write(stage.path("foreign/data.txt"), "x")
    write(stage.path("a-file"), "x")
    failing(stage, 5, "mount", place, "--cache", stage.path("foreign"),
            wanted=["is not a cache", "data.txt"])
    failing(stage, 5, "mount", place, "--cache", stage.path("a-file"), wanted=["is not a folder"])
    write(stage.path("newer/format"), "modelfs cache 99\n")
    failing(stage, 5, "mount", place, "--cache", stage.path("newer"),
            wanted=["modelfs cache 99", "knows version", "rm -r"])
    write(stage.path("theirs/format"), "modelfs cache 1\n")
    os.chown(stage.path("theirs"), 12345, 12345)
    failing(stage, 5, "mount", place, "--cache", stage.path("theirs"),
            wanted=["belongs to another user (12345)"])
    failing(stage, 5, "mount", place, "--cache", "/proc/nowhere/cache",
            wanted=["cannot be written"])
    equal(os.listdir(place), [])


@promise("S53", "A mount that fails says what is wrong and what to do")
def sources_that_cannot_be(stage):
    place = stage.path("sourced")
    os.makedirs(place)
    cache = ("--cache", stage.path("cache-sourced"))
    for source in ("hf://a/b/../c", "hf://model/x/y", "hf://bad--name/x", "hf://a/b@",
                   "hf://a b/c"):
        failing(stage, 2, "mount", source, place, *cache, wanted=["is no source", "hf://models"])
    failing(stage, 2, "mount", "models", place, *cache, wanted=["does not begin with hf://"])
    failing(stage, 2, "mount", "hf://models", *cache, wanted=["mountpoint"])
    failing(stage, 7, "mount", "hf://acme/nothing@main", place, *cache, wanted=["there is no"])
    failing(stage, 7, "mount", f"hf://{NAME}@nothing", place, *cache,
            wanted=["has no branch, tag or commit 'nothing'", "NAME@"])
    failing(stage, 7, "mount", f"hf://{NAME}@v1/nothing", place, *cache,
            wanted=["has no folder 'nothing'"])
    failing(stage, 7, "mount", f"hf://{NAME}@v1/config.json", place, *cache,
            wanted=["has no folder 'config.json'"])
    failing(stage, 8, "mount", "hf://acme/gated@main", place, *cache,
            wanted=["is gated", "Ask for access"])
    failing(stage, 8, "mount", f"hf://{NAME}@v1", place, "--cache", stage.path("cache-refused"),
            wanted=["refuses the token"], HF_TOKEN="hf_notatokennotatokennotatoken")
    away = f"http://127.0.0.1:{free_port()}"
    failing(stage, 6, "mount", f"hf://{NAME}@v1", place, "--cache", stage.path("cache-away"),
            "--read-deadline", "1s", wanted=["not reachable", away], HF_ENDPOINT=away)
    failing(stage, 6, "mount", f"hf://{NAME}@v1", place, "--cache", stage.path("cache-away"),
            "--offline", wanted=["must not be asked"])
    failing(stage, 2, "mount", place, "--cache", stage.path("cache-away"),
            wanted=["HF_ENDPOINT", "not a URL", "unset it"], HF_ENDPOINT="nonsense")
    expect(place not in mounts_of(stage), "a failed mount is there")


@promise("S53", "A mount that fails says what is wrong and what to do")
def of_several_none_stays(stage):
    places = [stage.path("several-a"), stage.path("several-b")]
    for place in places:
        os.makedirs(place)
    failing(stage, 7, "mount", "hf://models", places[0], "hf://acme/nothing@main", places[1],
            "--cache", stage.path("cache-several"), wanted=["there is no"])
    equal([path for path in mounts_of(stage) if "several" in path], [])
    stage.modelfs("status", "--cache", stage.path("cache-several"), code=9)
    # What was there before is not this command's to take away.
    stage.modelfs("mount", "hf://models", places[0], "--cache", stage.path("cache-several"),
                  HF_ENDPOINT=stage.server.endpoint)
    failing(stage, 7, "mount", "hf://models", places[0], "hf://acme/nothing@main", places[1],
            "--cache", stage.path("cache-several"), wanted=["there is no"])
    equal([path for path in mounts_of(stage) if "several" in path], [places[0]])
    stage.modelfs("umount", places[0], "--cache", stage.path("cache-several"))


@promise("S53", "A mount that fails says what is wrong and what to do")
def words_that_cannot_be(stage):
    for words in (("mount", "--nothing", "/x"), ("mount", "--cache-size", "huge", "/x"),
                  ("mount", "--cache-size", "1MB", "/x"), ("mount", "--uid", "nobody-here", "/x"),
                  ("mount", "--read-deadline", "soon", "/x"), ("nothing",), ("umount",),
                  ("mount", "--allow-other", "--no-allow-other", "/x")):
        said = stage.modelfs(*words, code=2)
        expect(len(said.splitlines()) <= 12 and "modelfs" in said, said)
    for words in (("--help",), ("mount", "--help"), ("status", "--help"), ("umount", "--help")):
        said = stage.modelfs(*words, code=0)
        expect("Examples" in said and "Usage" in said and "\x1b" not in said, said)
    expect(re.search(r"\d+\.\d+", stage.modelfs("--version")), "no version")


@promise("S53", "A mount that fails says what is wrong and what to do")
def without_the_device(stage):
    if not shutil.which("unshare"):
        raise Skip("unshare is missing")
    place = stage.path("deviceless")
    os.makedirs(place)
    script = 'mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", stage.programs.modelfs, "mount", place,
         "--cache", stage.path("cache-deviceless")],
        env=stage.programs.environment(HF_ENDPOINT=stage.server.endpoint), text=True,
        capture_output=True, timeout=20, check=False, stdin=subprocess.PIPE)
    if "unshare" in done.stderr:
        raise Skip(done.stderr.strip())
    equal(done.returncode, 3, done.stdout, done.stderr)
    says(done.stderr, "/dev/fuse", "modprobe fuse")


SCHEMA = {
    "processID": int, "version": str, "startedAt": str, "cachePath": str, "mounts": list,
    "fileSystem": dict, "problems": list,
}
FILE_SYSTEM = {
    "usedBytes": int, "limitBytes": int, "hub": dict, "kernelMessages": dict, "hubRequests": dict,
    "bytesFetched": int, "fetches": list, "refusals": list,
}


def check_schema(value, schema, place):
    for name, kind in schema.items():
        expect(isinstance(value.get(name), kind), place, name, value.get(name))


@promise("S54", "The names in status --json stay")
def status_has_its_names(stage):
    mount = stage.mount(stage.server, name="told", cache="cache-told").start()
    revision = mount.add(f"hf://{NAME}@v1", "told-revision")
    read(revision.path + "/sub/large.bin")
    with raises(errno.ENOENT):
        os.stat(mount.path + "/acme/nothing@main")
    status = mount.status()
    check_schema(status, SCHEMA, "status")
    check_schema(status["fileSystem"], FILE_SYSTEM, "fileSystem")
    equal(status["processID"], mount.daemon())
    equal(status["cachePath"], mount.cache)
    told = {entry["mountpoint"]: entry for entry in status["mounts"]}
    equal(told[mount.path]["source"], "hf://models")
    equal(told[revision.path]["repository"], "models/" + NAME)
    equal(len(told[revision.path]["commit"]), 40)
    tree = status["fileSystem"]
    equal(tree["hub"]["endpoint"], stage.server.endpoint)
    equal(tree["hub"]["state"], "present")
    expect(tree["bytesFetched"] >= 2_000_000 and tree["usedBytes"] >= 2_000_000, tree)
    expect(tree["kernelMessages"]["READ"] >= 1 and tree["kernelMessages"]["LOOKUP"] >= 1, tree)
    expect(tree["hubRequests"]["tree"] == 1 and tree["hubRequests"]["data"] >= 1, tree)
    check_schema(status["problems"][-1], {"time": str, "level": str, "text": str}, "problem")
    page = stage.modelfs("status", "--cache", mount.cache)
    for text in (mount.path, revision.path, "pinned to commit", "Cache", "Hub", "READ", "tree",
                 "acme/nothing"):
        expect(text in page, text, "is missing in", page)
    mine = [line for line in page.splitlines() if "another daemon" in line]
    equal([line for line in mine if mount.path in line or "/run/modelfs" in line], [], "others")
    expect("\x1b" not in page, "colours without a terminal")
    # A command that asks at the wrong cache is told where to ask.
    says(stage.modelfs("status", "--cache", stage.path("no-such-cache"), code=9),
         f"{mount.path}: served by another daemon: modelfs status --cache {mount.cache}")
    mount.end()
    stage.modelfs("status", "--cache", mount.cache, code=9)
    stage.modelfs("status", "--cache", stage.path("no-such-cache"), code=9)


@promise("S54", "The names in status --json stay")
def status_tells_what_is_fetched(stage):
    mount = stage.mount(stage.server, name="fetching", cache="cache-fetching").start()
    path = f"{mount.path}/{NAME}@v1/sub/large.bin"
    os.stat(path)
    stage.server.faults("stall=600,path=/_data/*")
    reader = stage.reader(path)
    fetch = wait_for(lambda: mount.status()["fileSystem"]["fetches"], 5, "a fetch")[0]
    equal(fetch["file"], f"{NAME}@v1/sub/large.bin")
    equal(fetch["totalBytes"], 2_000_000)
    expect("large.bin" in stage.modelfs("status", "--cache", mount.cache))
    reader.kill()
    reader.wait(timeout=5)
    stage.server.faults()
    with within(10, "the end"):
        mount.end()


main(__name__, prepare)
