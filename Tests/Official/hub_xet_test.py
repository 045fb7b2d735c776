#!/usr/bin/env python3
# seconds: 300
"""The local Hub's Xet side in the eyes of the official client.

Fills a Hub with files of many kinds and lengths in two revisions, serves it, and lets the newest
`huggingface_hub` and `hf_xet` read it: whole snapshots, single files, ranges, with expiring tokens
and URLs, with reconstructions of version 1 alone, and without Xet. What the client computes from
the sources must be what the Hub says of them. Prints a line for each check and then 'N passed,
N failed'.

    python3 Tests/Official/hub_xet_test.py [MODELFS_HUB]

The program is the argument, or $MODELFS_HUB, or that of $MODELFS_BIN, or the debug build. Needs
`pip install huggingface_hub hf_xet numpy`. Everything is on 127.0.0.1 and in one temporary folder.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

os.environ["HF_XET_TELEMETRY_ENABLED"] = "0"

from hub_stage import (
    SCRATCH, Failure, Server, equal, expect, files_below, play, program, run, write)

import hf_xet  # after hub_stage, which sets its environment
import huggingface_hub
import numpy

CHECKS = []
RUN_COUNT = 8


def check(function):
    CHECKS.append(function)
    return function


def content(random, kind, length):
    """So many bytes of some kind."""
    if kind == "noise":
        return random.bytes(length)
    if kind == "zeros":
        return bytes(length)
    if kind == "fp32":
        return random.normal(0, 0.02, length // 4 + 1).astype("float32").tobytes()[:length]
    if kind == "bf16":
        words = random.normal(0, 0.02, length // 2 + 1).astype("float32").view("uint32") >> 16
        return words.astype("uint16").tobytes()[:length]
    if kind == "text":
        words = [b"layer", b"weight", b"bias", b" = ", b"{\n", b"}\n", b"0.1, ", b"norm."]
        return b"".join(words[n] for n in random.integers(0, 8, length // 2 + 1))[:length]
    raise Failure(kind)


def size_below(folder):
    return sum(os.path.getsize(os.path.join(place, name))
               for place, _, names in os.walk(folder) for name in names)


class Stage:
    """Two revisions of a model, a private model, and a server."""

    def __init__(self):
        self.root = os.path.join(SCRATCH, "hub")
        self.count = 0
        random = numpy.random.default_rng(7)
        files = {"README.md": b"# small\n", "config.json": b"{}\n", "empty.bin": b""}
        kinds = ["noise", "zeros", "fp32", "bf16", "text"]
        lengths = [1, 8191, 8192, 8193, 131071, 131072, 131073, 700_000, 3_000_001, 12_000_000]
        for number, length in enumerate(lengths):
            for kind in {kinds[number % 5], kinds[(number + 2) % 5]}:
                files[f"{kind}/{length}.bin"] = content(random, kind, length)
        # Longer than a xorb, with a part that stands in it twice.
        half = content(random, "noise", 35 << 20)
        files["two-xorbs.bin"] = half + content(random, "bf16", 34 << 20) + half[:5_000_000]
        changed = bytearray(files["two-xorbs.bin"])
        self.run_length = len(changed) // 50 // RUN_COUNT
        for number in range(RUN_COUNT):
            start = (2 * number + 1) * len(changed) // (2 * RUN_COUNT)
            changed[start:start + self.run_length] = random.bytes(self.run_length)
        self.v1, self.v2 = self.folder("v1"), self.folder("v2")
        for path, data in files.items():
            write(os.path.join(self.v1, path), data)
            write(os.path.join(self.v2, path), data)
        write(os.path.join(self.v2, "two-xorbs.bin"), bytes(changed))
        write(os.path.join(self.folder("secret"), "s.bin"), random.bytes(400_000))
        began = time.monotonic()
        self.commit = self.add("acme/model", self.v1, "--tag", "v1")
        self.seconds = time.monotonic() - began
        self.first_size = size_below(os.path.join(self.root, "xet"))
        self.second = self.add("acme/model", self.v2, "--tag", "v2")
        self.second_size = size_below(os.path.join(self.root, "xet"))
        self.add("acme/secret", self.folder("secret"), "--private")
        self.token = run(program(), "token", "create", "--root", self.root).strip()
        self.server = Server(self.root, "--data-listen", "127.0.0.1:0")

    @staticmethod
    def folder(name):
        return os.path.join(SCRATCH, "source", name)

    def new_folder(self):
        self.count += 1
        return os.path.join(SCRATCH, f"new-{self.count}")

    def add(self, name, folder, *options, root=None):
        said = run(program(), "add", name, folder, "--root", root or self.root, *options)
        return said.split()[0]

    def served(self, *options, root=None):
        """A server of its own, for one check."""
        return Served(Server(root or self.root, *options))

    def close(self):
        self.server.stop()


class Served:
    """Stops a server at the end of a `with`."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        return self.server

    def __exit__(self, *_):
        self.server.stop()


def client(server, code, **variables):
    """Runs code with the official client in a process of its own: it remembers much."""
    home = os.path.join(SCRATCH, f"client-{time.monotonic_ns()}")
    environment = dict(os.environ, HF_ENDPOINT=server.url, HF_HOME=home,
                       HF_HUB_DISABLE_SYMLINKS_WARNING="1", **variables)
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True,
                          env=environment, check=False, timeout=120)
    shutil.rmtree(home, ignore_errors=True)
    expect(done.returncode == 0, "the client ended with", done.returncode, done.stderr[-600:])
    return done.stdout


def snapshot(server, target, revision, repository="acme/model", **variables):
    client(server, f"""
import huggingface_hub
huggingface_hub.snapshot_download({repository!r}, revision={revision!r}, local_dir={target!r})
""", **variables)
    return files_below(target)


def same_files(found, folder):
    wanted = files_below(folder)
    equal(sorted(found), sorted(wanted))
    for path, data in wanted.items():
        expect(found[path] == data, path, "differs")


def hashes(folder):
    """Path and Xet hash of each file, as the client computes it."""
    paths = sorted(files_below(folder))
    return dict(zip(paths, (
        info.hash for info in hf_xet.hash_files([os.path.join(folder, path) for path in paths]))))


def entry(server, path, revision="v1", repository="acme/model", token=None):
    return server.api(token).get_paths_info(repository, [path], revision=revision)[0]


def access(server, repository="acme/model", revision="v1", **headers):
    status, _, body = server.get(
        f"/api/models/{repository}/xet-read-token/{revision}", **headers)
    equal(status, 200)
    return json.loads(body)


def reconstruction(server, xet_hash, token, version=2, **headers):
    status, fields, body = server.get(
        f"/v{version}/reconstructions/{xet_hash}", Authorization=f"Bearer {token}", **headers)
    return status, fields, json.loads(body) if status == 200 else body


def streams(server, **options):
    url = f"{server.url}/api/models/acme/model/xet-read-token/v1"
    return hf_xet.XetSession().new_download_stream_group(token_refresh_url=url, **options)


@check
def hashes_agree(stage):
    """Of every large file, in trees and in paths-info; none of others."""
    count = 0
    for revision, folder in [("v1", stage.v1), ("v2", stage.v2)]:
        wanted = hashes(folder)
        found = {
            item.path: item.xet_hash
            for item in stage.server.api().list_repo_tree(
                "acme/model", revision=revision, recursive=True) if hasattr(item, "xet_hash")}
        equal(sorted(found), sorted(wanted))
        for path, value in found.items():
            if path in ("README.md", "config.json", "empty.bin"):
                equal(value, None, path)
            else:
                equal(value, wanted[path], path)
                count += 1
    path = "two-xorbs.bin"
    equal(entry(stage.server, path).xet_hash, hashes(stage.v1)[path])
    return f"{count} files"


@check
def the_redirect_says_where(stage):
    status, headers, _ = stage.server.get("/acme/model/resolve/v1/two-xorbs.bin")
    equal(status, 302)
    value = entry(stage.server, "two-xorbs.bin").xet_hash
    equal(headers["X-Xet-Hash"], value)
    for part in [f"/api/models/acme/model/xet-read-token/{stage.commit}>; rel=\"xet-auth\"",
                 f"/reconstructions/{value}>; rel=\"xet-reconstruction-info\""]:
        expect(part in headers["Link"], headers["Link"])
    status, headers, _ = stage.server.get("/acme/model/resolve/v1/README.md")
    equal((headers["X-Xet-Hash"], headers["Link"]), (None, None))


@check
def snapshots(stage):
    for revision, folder in [("v1", stage.v1), ("v2", stage.v2)]:
        stage.server.post("/_modelfs/stats/reset")
        same_files(snapshot(stage.server, stage.new_folder(), revision), folder)
        stats = stage.server.stats()
        requests = stats["requests"]
        expect(requests["xet-token"] >= 1 and requests["reconstruction"] >= 20, requests)
        expect(requests["xorb-data"] >= 2, requests)
        equal((requests["data"], stats["dataWithAuthorization"]), (0, 0))
        expect(stats["xorbBytes"] > 60 << 20 and stats["reconstructionBytes"] > 0, stats)
    return f"{stats['xorbBytes']} bytes of xorbs"


@check
def single_files(stage):
    """With the data at an address of its own, and at the same one."""
    download_each(stage, stage.server)
    with stage.served() as server:
        download_each(stage, server)
        expect(server.stats()["requests"]["reconstruction"] >= 20, server.stats())


def download_each(stage, server):
    wanted = files_below(stage.v2)
    target = stage.new_folder()
    client(server, f"""
from huggingface_hub import hf_hub_download
for path in {sorted(wanted)!r}:
    hf_hub_download("acme/model", path, revision="v2", local_dir={target!r})
""")
    same_files(files_below(target), stage.v2)


@check
def ranges(stage):
    """hf_xet's streams, from inside chunks to inside others, across terms and xorbs."""
    random = numpy.random.default_rng(3)
    group = streams(stage.server)
    count = 0
    for path in ["two-xorbs.bin", "text/700000.bin", "noise/131073.bin", "zeros/12000000.bin"]:
        full = os.path.join(stage.v1, path)
        if not os.path.exists(full):
            continue
        with open(full, "rb") as file:
            data = file.read()
        info = hf_xet.XetFileInfo(entry(stage.server, path).xet_hash, len(data))
        pairs = [(0, 1), (len(data) - 1, len(data)), (0, len(data))]
        for _ in range(20):
            start = int(random.integers(0, len(data)))
            length = int(2 ** random.uniform(0, 22))
            pairs.append((start, min(len(data), start + length)))
        for start, end in pairs:
            found = b"".join(bytes(part) for part in group.download_stream(
                info, start=start, end=end))
            expect(found == data[start:end], path, start, end, "differs")
            count += 1
    expect(count > 40, count)
    return f"{count} ranges"


@check
def reconstructions_are_trimmed(stage):
    value = entry(stage.server, "two-xorbs.bin")
    token = access(stage.server)["accessToken"]
    status, _, whole = reconstruction(stage.server, value.xet_hash, token)
    equal(status, 200)
    equal(whole["offset_into_first_range"], 0)
    equal(sum(term["unpacked_length"] for term in whole["terms"]), value.size)
    start, end = 20_000_000, 20_500_000
    for version, key in [(1, "fetch_info"), (2, "xorbs")]:
        status, _, part = reconstruction(
            stage.server, value.xet_hash, token, version, Range=f"bytes={start}-{end - 1}")
        equal(status, 200)
        length = sum(term["unpacked_length"] for term in part["terms"])
        offset = part["offset_into_first_range"]
        expect(0 <= offset < 131072, offset)
        expect(end - start + offset <= length < end - start + 2 * 131072, length)
        expect(part[key], part)
    for text in [f"bytes={value.size}-", f"bytes={value.size + 7}-{value.size + 9}"]:
        equal(reconstruction(stage.server, value.xet_hash, token, Range=text)[0], 416)
    equal(reconstruction(stage.server, "0" * 63 + "1", token)[0], 404)
    status, _, _ = stage.server.get(
        f"/v1/chunks/default/{value.xet_hash}", Authorization=f"Bearer {token}")
    equal(status, 404)


@check
def tokens_open_one_commit(stage):
    value = entry(stage.server, "two-xorbs.bin").xet_hash
    path = f"/v2/reconstructions/{value}"
    good = access(stage.server)
    status, headers, _ = stage.server.get("/api/models/acme/model/xet-read-token/v1")
    for field in ["X-Xet-Cas-Url", "X-Xet-Access-Token", "X-Xet-Token-Expiration"]:
        expect(headers[field], field)
    expect(800 < good["exp"] - time.time() <= 901, good["exp"])
    equal(stage.server.get(path)[0], 401)
    equal(stage.server.get(path, Authorization=f"Bearer {stage.token}")[0], 401)
    token = good["accessToken"]
    forged = token[:-1] + ("0" if token[-1] != "0" else "1")
    equal(stage.server.get(path, Authorization=f"Bearer {forged}")[0], 401)
    equal(stage.server.get(path, Authorization=f"Bearer {token}")[0], 200)
    # Another revision's file, and another repository's.
    newer = entry(stage.server, "two-xorbs.bin", "v2").xet_hash
    equal(reconstruction(stage.server, newer, token)[0], 404)
    hidden = entry(stage.server, "s.bin", "main", "acme/secret", stage.token).xet_hash
    equal(reconstruction(stage.server, hidden, token)[0], 404)
    equal(stage.server.get("/api/models/acme/secret/xet-read-token/main")[0], 401)
    opened = access(stage.server, "acme/secret", "main", Authorization=f"Bearer {stage.token}")
    equal(reconstruction(stage.server, hidden, opened["accessToken"])[0], 200)
    with stage.served("--xet-token-lifetime", "1") as server:
        short = access(server)["accessToken"]
        equal(reconstruction(server, value, short)[0], 200)
        time.sleep(2)
        equal(reconstruction(server, value, short)[0], 401)


@check
def private_files(stage):
    found = snapshot(stage.server, stage.new_folder(), "main", "acme/secret",
                     HF_TOKEN=stage.token, HF_HUB_DISABLE_IMPLICIT_TOKEN="0")
    same_files(found, stage.folder("secret"))


@check
def urls_are_good_for_their_bytes_alone(stage):
    value = entry(stage.server, "two-xorbs.bin")
    token = access(stage.server)["accessToken"]
    _, _, found = reconstruction(stage.server, value.xet_hash, token, Range="bytes=5-900000")
    place = next(iter(found["xorbs"].values()))[0]
    first, last = (place["ranges"][0]["bytes"][name] for name in ("start", "end"))
    get = stage.server.get
    status, headers, body = get(place["url"], Range=f"bytes={first}-{last}")
    equal((status, len(body)), (206, last - first + 1))
    expect(headers["Content-Range"].startswith(f"bytes {first}-{last}/"))
    for text in [f"bytes={first}-{last + 1}", f"bytes={first + 1}-{last}", "bytes=0-", None]:
        equal(get(place["url"], **({"Range": text} if text else {}))[0], 403, text)
    url = place["url"].replace(f"-{last}&", f"-{last + 1}&")
    expect(url != place["url"], url)
    equal(get(url, Range=f"bytes={first}-{last + 1}")[0], 403)
    with stage.served("--url-lifetime", "1") as server:
        token = access(server)["accessToken"]
        _, _, found = reconstruction(server, value.xet_hash, token)
        time.sleep(2)
        place = next(iter(found["xorbs"].values()))[0]
        span = place["ranges"][0]["bytes"]
        equal(server.get(place["url"], Range=f"bytes={span['start']}-{span['end']}")[0], 403)


@check
def urls_that_expire_are_renewed(stage):
    faults = ["expire,count=2,path=/_xorb/*", "expire,count=1,path=/v2/*"]
    for fault in faults:
        with stage.served("--fault", fault) as server:
            target = stage.new_folder()
            client(server, f"""
from huggingface_hub import hf_hub_download
hf_hub_download("acme/model", "two-xorbs.bin", revision="v1", local_dir={target!r})
""")
            data = files_below(target)["two-xorbs.bin"]
            expect(data == files_below(stage.v1)["two-xorbs.bin"], "differs")
            stats = server.stats()
            expect(stats["statuses"].get("403", 0) >= 1, stats["statuses"])
            expect(stats["requests"]["reconstruction"] >= 2, stats["requests"])


@check
def tokens_that_end_are_renewed(stage):
    """During a transfer that takes longer than a token is good, and again after it has ended."""
    with stage.served("--xet-token-lifetime", "2", "--bandwidth", "20MB/s") as server:
        target = stage.new_folder()
        wanted = files_below(stage.v1)
        began = time.monotonic()
        client(server, f"""
from huggingface_hub import hf_hub_download
for path in ["two-xorbs.bin", "bf16/12000000.bin", "text/12000000.bin", "noise/700000.bin"]:
    if path in {sorted(wanted)!r}:
        hf_hub_download("acme/model", path, revision="v1", local_dir={target!r})
""")
        for path, data in files_below(target).items():
            expect(data == wanted[path], path, "differs")
        stats = server.stats()
        requests = stats["requests"]
        expect(requests["xet-token"] >= 2, requests)
        equal(stats["dataBytes"], 0)
        seconds = time.monotonic() - began
        expect(seconds > 0.9 * stats["xorbBytes"] / 20e6, "too fast:", seconds)
        return f"{requests['xet-token']} tokens"


@check
def version_1_alone(stage):
    with stage.served("--xet", "v1") as server:
        same_files(snapshot(server, stage.new_folder(), "v2"), stage.v2)
        stats = server.stats()
        expect(stats["requests"]["xorb-data"] > 0 and stats["requests"]["data"] == 0, stats)
        expect(stats["statuses"].get("404", 0) >= 1, stats["statuses"])


@check
def without_xet(stage):
    with stage.served("--no-xet") as server:
        equal(entry(server, "two-xorbs.bin").xet_hash, None)
        _, headers, _ = server.get("/acme/model/resolve/v1/two-xorbs.bin")
        equal((headers["X-Xet-Hash"], headers["Link"]), (None, None))
        equal(server.get("/api/models/acme/model/xet-read-token/v1")[0], 404)
        same_files(snapshot(server, stage.new_folder(), "v1"), stage.v1)
        requests = server.stats()["requests"]
        expect(requests["data"] > 0 and requests["xorb-data"] == 0, requests)


@check
def a_client_without_xet(stage):
    found = snapshot(stage.server, stage.new_folder(), "v1", HF_HUB_DISABLE_XET="1")
    same_files(found, stage.v1)


@check
def bad_weather(stage):
    faults = ["status=503,count=1,path=/v2/*", "truncate,count=2,path=/_xorb/*",
              "reset,count=1,path=/_xorb/*", "stall=1,count=1,path=/_xorb/*"]
    with stage.served("--latency", "5ms", *(w for f in faults for w in ("--fault", f))) as server:
        same_files(snapshot(server, stage.new_folder(), "v1"), stage.v1)
        expect(server.stats()["faults"] >= 4, server.stats())


@check
def revisions_share_chunks(stage):
    grown = stage.second_size - stage.first_size
    changed = RUN_COUNT * stage.run_length
    # Where a run begins and ends, a chunk of at most 128 KiB is cut anew on either side.
    expect(grown <= changed + RUN_COUNT * (256 << 10), grown, changed)
    return f"{changed} bytes changed, {grown} more on disk"


@check
def adding_again_changes_nothing(stage):
    before = size_below(os.path.join(stage.root, "xet"))
    said = run(program(), "add", "acme/model", stage.v2, "--root", stage.root)
    expect(said.startswith(stage.second) and "nothing changed" in said, said)
    # Nor does another repository with the same files.
    stage.add("acme/copy", stage.v2)
    equal(size_below(os.path.join(stage.root, "xet")), before)
    equal(entry(stage.server, "two-xorbs.bin", "main", "acme/copy").xet_hash,
          entry(stage.server, "two-xorbs.bin", "v2").xet_hash)


@check
def a_root_without_xet(stage):
    """As made before there was Xet: it is served plainly, and what is added later is not."""
    root = os.path.join(SCRATCH, "old")
    first = stage.add("acme/old", stage.folder("secret"), "--no-xet", root=root)
    equal(stage.add("acme/old", stage.folder("secret"), root=root), first)
    with stage.served(root=root) as server:
        equal(entry(server, "s.bin", "main", "acme/old").xet_hash, None)
        same_files(snapshot(server, stage.new_folder(), "main", "acme/old"),
                   stage.folder("secret"))
        expect(server.stats()["requests"]["data"] >= 1)
        server.post("/_modelfs/stats/reset")
        newer = stage.folder("newer")
        shutil.copytree(stage.folder("secret"), newer)
        write(os.path.join(newer, "t.bin"), b"new")
        stage.add("acme/old", newer, root=root)
        same_files(snapshot(server, stage.new_folder(), "main", "acme/old"), newer)
        requests = server.stats()["requests"]
        equal((requests["data"], requests["xorb-data"]), (0, 2))


@check
def a_killed_writer(stage):
    """Whenever it dies, the root is whole, and the next writer finishes the work."""
    root = os.path.join(SCRATCH, "killed")
    wanted = hashes(stage.v1)
    for milliseconds in [30, 100, 200, 400, 700, 1000]:
        process = subprocess.Popen(
            [program(), "add", "acme/model", stage.v1, "--root", root],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(milliseconds / 1000)
        process.kill()
        process.wait()
    stage.add("acme/model", stage.v1, root=root)
    with stage.served(root=root) as server:
        equal(entry(server, "two-xorbs.bin", "main").xet_hash, wanted["two-xorbs.bin"])
        same_files(snapshot(server, stage.new_folder(), "main"), stage.v1)
    equal(os.listdir(os.path.join(root, "incoming")), [])


def make_stage():
    stage = Stage()
    print(f"added {size_below(stage.v1) >> 20} MiB in {stage.seconds:.1f} s")
    return stage


def main():
    version = getattr(hf_xet, "__version__", "")
    return play(f"hf_xet {version}, huggingface_hub {huggingface_hub.__version__}, {program()}",
                CHECKS, make_stage)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
