#!/usr/bin/env python3
# seconds: 120
"""A Hub that lies: bad names, wrong sizes, pages that loop, JSON that is cut off or endless.

The Hub here is a script, since an honest one cannot say such things. Each repository is one lie;
the last one is honest, and has to work whatever the others did.
"""

import errno
import hashlib
import http.server
import json
import os
import socketserver
import threading
import time
import urllib.parse

from suite import (equal, expect, free_port, main, promise, raises, read, within)

GOOD = b"honest bytes"
ANSWER_MAX = 500 << 20


def oid(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def file(path, data=GOOD, size=None):
    return {"type": "file", "oid": oid(data), "size": len(data) if size is None else size,
            "path": path}


def folder(path):
    return {"type": "directory", "oid": oid(path.encode("utf-8", "surrogatepass")), "size": 0,
            "path": path}


def large(path, data, size=None):
    entry = file(path, data, size)
    entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": entry["size"],
                    "pointerSize": 130}
    return entry


BAD_NAMES = [
    file("../escape"), file("a/../../escape"), file("/absolute"), file("trailing/"),
    file("double//slash"), file("./dot"), file("dots/."), file(".."), file("."), file(""),
    file("nul\0byte"), file("line\nfeed"), file("x" * 256), file("deep/" * 70 + "file"),
    file("twice", b"one"), file("twice", b"two!"), file("both"), file("both/inner"),
    file("not-utf8-\ufffd"), file("deep/" * 70 + "x" * 4000),
    folder("fine"), file("fine/inner.txt"), file("kept.txt"), file("no-folder-entry/kept.txt"),
]
KEPT = {"fine/inner.txt", "kept.txt", "no-folder-entry/kept.txt", "both/inner"}

TREES = {
    "names": BAD_NAMES,
    "honest": [file("config.json"), folder("sub"), file("sub/a.txt")],
    "lying-small": [file("short.txt", size=5), file("long.txt", size=500), file("right.txt")],
    "lying-large": [large("short.bin", b"x" * 3_000_000, 4_000_000),
                    large("long.bin", b"x" * 3_000_000, 2_000_000), file("right.txt")],
    "other-bytes": [{**file("wrong.txt"), "oid": oid(b"other  bytes")}, file("right.txt")],
    "strange": [file("right.txt", b"strange bytes")],
    "negative": [file("right.txt"), file("negative", size=-1)],
    "absurd": [file("right.txt"), file("absurd", size=1 << 60)],
    "redirects": [file("right.txt", b"bytes at the end of many redirects")],
}


class LyingHub(http.server.BaseHTTPRequestHandler):
    """Answers by the name of the repository."""

    protocol_version = "HTTP/1.1"
    requests = []

    def log_message(self, *words):
        pass

    def give(self, body, status=200, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        LyingHub.requests.append(self.path)
        url = urllib.parse.urlsplit(self.path)
        parts = [urllib.parse.unquote(part) for part in url.path.split("/")[1:]]
        if parts[0] == "api" and len(parts) == 2:
            if "author=many" in self.path:
                return self.many(url)
            odd = [{"id": "liar/../x"}, {"id": 7}, None] if "author=odd" in self.path else []
            self.give([{"id": "liar/honest"}] + odd)
        elif parts[0] == "api" and len(parts) == 3:
            self.give({}, 404, X_Error_Code="RepoNotFound")
        elif parts[0] == "api":
            name = parts[3]
            commit = hashlib.sha1(name.encode()).hexdigest()
            if len(parts) > 4 and parts[4] == "tree":
                self.tree(name, commit, url)
            else:
                self.info(name, commit)
        elif "resolve" in parts:
            self.resolve(parts[1], parts[parts.index("resolve") + 1], "/".join(parts[4:]))
        else:
            self.give({}, 404)

    def many(self, url):
        """An owner with 2,500 repositories, a thousand a page."""
        first = int(dict(urllib.parse.parse_qsl(url.query)).get("cursor", "0"))
        base = f"http://127.0.0.1:{self.server.server_address[1]}{url.path}?author=many"
        more = {"Link": f'<{base}&cursor={first + 1000}>; rel="next"'} if first < 2000 else {}
        self.give([{"id": f"many/model{index:04}"}
                   for index in range(first, min(first + 1000, 2500))], **more)

    def info(self, name, commit):
        owner = "many" if name.startswith("model") else "liar"
        answer = {"id": f"{owner}/{name}", "sha": commit, "private": False, "gated": False,
                  "lastModified": "2026-01-02T03:04:05.000Z"}
        if name == "no-commit":
            del answer["sha"]
        elif name == "bad-commit":
            answer["sha"] = "../../etc/passwd"
        elif name == "bad-date":
            answer["lastModified"] = "yesterday, maybe"
        elif name == "bad-id":
            answer["id"] = "../../../etc"
        elif name == "array":
            answer = [1, 2, 3]
        elif name == "not-json":
            return self.give(b"<html>it works</html>")
        elif name == "nested":
            return self.give(b"[" * 1_000_000)
        elif name == "cut-info":
            return self.give(json.dumps(answer).encode()[:-9])
        return self.give(answer)

    def tree(self, name, commit, url):
        base = f"http://127.0.0.1:{self.server.server_address[1]}{url.path}"
        more = {}
        if name == "loop":
            more["Link"] = f'<{base}?cursor=1>; rel="next"'
        elif name == "endless-pages":
            cursor = int(dict(urllib.parse.parse_qsl(url.query)).get("cursor", "0")) + 1
            more["Link"] = f'<{base}?cursor={cursor}>; rel="next"'
        elif name == "elsewhere":
            more["Link"] = '<http://127.0.0.2:1/api/x?cursor=1>; rel="next"'
        elif name == "cut":
            return self.give(json.dumps(TREES["honest"]).encode()[:-20])
        elif name == "huge":
            return self.endless()
        elif name == "odd":
            return self.give([None, 7, {"type": "file"}, {"type": "file", "path": 3, "size": "x"},
                              *TREES["honest"]])
        elif name == "raw":
            body = json.dumps([file("kept.txt"), file("MARK")]).encode()
            return self.give(body.replace(b"MARK", b"\xff\xfe\x80"))
        return self.give(TREES.get(name, TREES["honest"]), **more)

    def endless(self):
        self.send_response(200)
        self.send_header("Content-Length", str(ANSWER_MAX))
        self.end_headers()
        entry = (json.dumps(file("x" * 200)) + ",").encode() * 4000
        sent = 0
        try:
            self.wfile.write(b"[")
            while sent < ANSWER_MAX:
                self.wfile.write(entry)
                sent += len(entry)
        except OSError:
            pass
        LyingHub.requests.append(f"sent {sent}")
        self.close_connection = True

    def resolve(self, name, commit, path):
        data = b"x" * 3_000_000 if path.endswith(".bin") else GOOD
        headers = {"X_Repo_Commit": commit, "ETag": '"x"'}
        if name == "strange":
            return self.give(b"strange bytes", X_Repo_Commit="0" * 40, ETag='"x"')
        if name == "redirects":
            return self.give(b"", 302, Location=self.path, **headers)
        wanted = self.headers.get("Range")
        if wanted and path.endswith(".bin"):
            first, last = wanted.split("=")[1].split("-")
            first, last = int(first), min(int(last or len(data) - 1), len(data) - 1)
            headers["Content_Range"] = f"bytes {first}-{last}/{len(data)}"
            return self.give(data[first:last + 1], 206, **headers)
        return self.give(data, **headers)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Clients that hang up are what is tested."""


def prepare(stage):
    server = Server(("127.0.0.1", free_port()), LyingHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stage.actions.append(server.shutdown)
    stage.tree = stage.mount(f"http://127.0.0.1:{server.server_address[1]}")
    stage.tree.start("--read-deadline", "2s")
    stage.top = stage.tree.path + "/liar/"
    equal(read(stage.top + "honest@main/config.json"), GOOD)


def still_fine(stage):
    """Everything else works, and the daemon is the one that it was."""
    os.posix_fadvise(os.open(stage.top + "honest@main/config.json", os.O_RDONLY), 0, 0,
                     os.POSIX_FADV_DONTNEED)
    equal(read(stage.top + "honest@main/config.json"), GOOD)
    equal(sorted(os.listdir(stage.top + "honest@main")), ["config.json", "sub"])


def resident(stage):
    """The most memory that the daemon ever had, in bytes."""
    with open(f"/proc/{stage.tree.daemon()}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


@promise("S8", "Names are the Hub's bytes, and bad ones never arrive")
def bad_names_are_left_out(stage):
    found = set()
    os.listdir(stage.top + "names@main")
    for place, _, names in os.walk(stage.top + "names@main"):
        for name in names:
            found.add(os.path.relpath(os.path.join(place, name), stage.top + "names@main"))
    equal(found - {"twice"}, KEPT)
    equal(read(stage.top + "names@main/both/inner"), GOOD)
    told = stage.tree.problems()
    expect("entries were left out of a tree" in told and "reasons=" in told, told)
    equal(os.listdir(stage.top + "raw@main"), ["kept.txt"])
    still_fine(stage)


@promise("S2", "Under a type stand owners, and under an owner its repositories")
def a_long_list_is_cut_and_says_so(stage):
    names = os.listdir(stage.tree.path + "/many")
    equal(len(names), 1000, "names")
    equal(os.getxattr(stage.tree.path + "/many", "user.modelfs.truncated"), b"yes")
    expect("model2400" not in names)
    equal(read(stage.tree.path + "/many/model2400@main/config.json"), GOOD)


@promise("S14", "A content's time never changes")
def a_commit_without_a_date_has_that_of_the_first_look(stage):
    before = time.time()
    told = os.stat(stage.top + "bad-date@main")
    expect(before - 2 <= told.st_mtime <= time.time() + 1, told.st_mtime)
    equal(os.stat(stage.top + "bad-date@main").st_mtime_ns, told.st_mtime_ns)


@promise("S43", "A Hub that lies gets an error for that repository alone")
def sizes_that_lie_are_errors(stage):
    for name in ("lying-small@main/short.txt", "lying-small@main/long.txt",
                 "lying-large@main/short.bin", "lying-large@main/long.bin",
                 "other-bytes@main/wrong.txt", "strange@main/right.txt",
                  "redirects@main/right.txt"):
        with within(8, name), raises(errno.EIO, name):
            read(stage.top + name)
    equal(read(stage.top + "lying-small@main/right.txt"), GOOD)
    equal(read(stage.top + "lying-large@main/right.txt"), GOOD)
    still_fine(stage)


@promise("S43", "A Hub that lies gets an error for that repository alone")
def pages_that_loop_end(stage):
    for name in ("loop", "elsewhere"):
        with within(5, name), raises(errno.EIO, name):
            os.listdir(stage.top + name + "@main")
    before = len(LyingHub.requests)
    with within(20, "endless pages"), raises(errno.EIO, "endless pages"):
        os.listdir(stage.top + "endless-pages@main")
    time.sleep(0.5)
    after = len(LyingHub.requests)
    print(f"         endless pages: given up after {after - before} requests")
    time.sleep(0.5)
    equal(len(LyingHub.requests), after, "it goes on asking")
    still_fine(stage)


@promise("S43", "A Hub that lies gets an error for that repository alone")
def json_that_is_no_answer_is_an_error(stage):
    for name in ("negative", "absurd", "cut", "cut-info", "not-json", "nested", "array",
                 "no-commit", "bad-commit"):
        with within(8, name), raises(errno.EIO, name):
            os.listdir(stage.top + name + "@main")
    with within(8, "bad-id"), raises(errno.EIO, "bad-id"):
        os.listdir(stage.top + "bad-id@main")
    equal(sorted(os.listdir(stage.top + "bad-date@main")), ["config.json", "sub"])
    still_fine(stage)


@promise("S43", "A Hub that lies gets an error for that repository alone")
def odd_entries_do_no_harm(stage):
    try:
        names = os.listdir(stage.top + "odd@main")
        expect("config.json" in names, names)
    except OSError as error:
        equal(error.errno, errno.EIO)
    try:
        equal(os.listdir(stage.tree.path + "/odd"), [], "another owner's repositories")
    except OSError as error:
        expect(error.errno in (errno.EIO, errno.ENOENT), error)
    still_fine(stage)


@promise("S49", "What a Hub can send is bounded")
def an_answer_of_500_mb_is_cut_off(stage):
    before = resident(stage)
    with within(15, "500 MB of JSON"), raises(errno.EIO, "500 MB of JSON"):
        os.listdir(stage.top + "huge@main")
    grown = resident(stage) - before
    time.sleep(0.3)
    sent = [int(line.split()[1]) for line in LyingHub.requests if line.startswith("sent ")]
    print(f"         of 500 MB the Hub sent {max(sent, default=0) >> 20} MB; "
          f"the daemon grew by {grown >> 20} MB")
    expect(grown < 128 << 20, "the daemon grew by", grown)
    expect(max(sent) < 100 << 20, "it was read to the end")
    still_fine(stage)


main(__name__, prepare)
