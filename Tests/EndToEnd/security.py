#!/usr/bin/env python3
# seconds: 180
# needs: root
"""The threat model: a test for each line of docs/SECURITY.md, as the other suites have for
docs/SEMANTICS.md."""

import contextlib
import errno
import glob
import hashlib
import http.server
import json
import os
import pickle
import shutil
import socket
import ssl
import stat
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

from suite import (Failure, Skip, drop_pages, equal, expect, main, noise, promise, raises, read,
                   run, says, wait_for, write)

NAME = "acme/secret"
USER = "nobody"
LARGE = noise(1, 3_000_000)


def prepare(stage):
    for path in (stage.scratch, os.path.dirname(stage.scratch)):
        os.chmod(path, os.stat(path).st_mode | 0o055)
    folder = stage.path("source")
    write(folder + "/config.json", '{"a": 1}')
    write(folder + "/large.bin", LARGE)
    hub = stage.hub()
    hub.add(NAME, folder, "--private", "--tag", "v1")
    hub.add("acme/open", folder, "--tag", "v1")
    stage.token = hub.token()
    hub.start("--access-log")
    stage.server = hub


def mounted(stage, name, *options, **variables):
    mount = stage.mount(stage.server, name=name, cache=f"cache-{name}")
    return mount.start(*options, HF_TOKEN=stage.token, **variables)


def as_nobody(*command, **options):
    if not shutil.which("runuser"):
        raise Skip("runuser is missing")
    return subprocess.run(["runuser", "-u", USER, "--", *command], check=False, text=True,
                          capture_output=True, timeout=30, cwd="/", **options)


# MARK: The machine's other users

@promise("G1", "The cache is its owner's alone")
def nothing_in_the_cache_is_for_others(stage):
    # A folder that was there before, and a shell that gives everybody everything.
    os.makedirs(stage.path("cache-owned"), 0o777)
    os.chmod(stage.path("cache-owned"), 0o777)
    before = os.umask(0)
    try:
        mount = mounted(stage, "owned")
    finally:
        os.umask(before)
    equal(read(f"{mount.path}/{NAME}@v1/large.bin"), LARGE)
    time.sleep(1.2)
    seen = 0
    for top, _, names in os.walk(mount.cache):
        for path in [top] + [os.path.join(top, name) for name in names]:
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(path)
                seen += 1
                equal(status.st_mode & 0o077, 0, "others may use", path)
                equal(status.st_uid, os.geteuid(), "the owner of", path)
    expect(seen > 8, "hardly anything is in the cache")
    done = as_nobody("ls", mount.cache)
    expect(done.returncode != 0 and "denied" in done.stderr, done)
    mount.end()


@promise("G1", "The cache is its owner's alone")
def a_cache_of_somebody_else_is_refused(stage):
    place = stage.path("theirs")
    os.makedirs(place, 0o700)
    shutil.chown(place, USER)
    os.makedirs(stage.path("mount-theirs"))
    said = stage.modelfs("mount", stage.path("mount-theirs"), "--cache", place, code=5,
                         HF_ENDPOINT=stage.server.endpoint)
    expect("another user" in said or "belongs to" in said, said)
    equal(os.listdir(place), [])


ASK = """
import socket, sys
ear = socket.socket(socket.AF_UNIX)
ear.settimeout(5)
ear.connect(sys.argv[1])
ear.sendall(sys.argv[2].encode() + b"\\n")
print(repr(ear.recv(4096)))
"""


@promise("G2", "The control socket answers its owner alone")
def another_user_is_not_answered(stage):
    mount = mounted(stage, "asked")
    ear = f"{mount.cache}/control"
    equal(stat.S_IMODE(os.stat(ear).st_mode), 0o600)
    python = shutil.which("python3", path="/usr/bin:/bin")
    if not python:
        raise Skip("there is no python3 for everybody")
    done = as_nobody(python, "-c", ASK, ear, "{}")
    expect("Permission denied" in done.stderr, done)
    # Where somebody has opened the way to it, it asks who is there.
    os.chmod(mount.cache, 0o755)
    os.chmod(ear, 0o666)
    for request in ('{"status":{}}', '{"stop":{}}', '{"upgrade":{}}'):
        done = as_nobody(python, "-c", ASK, ear, request)
        expect(done.stdout.strip() in ("", "b''"), "an answer for another user", done)
    wait_for(lambda: "control connection refused" in mount.log(), 5, "a line in the log")
    expect(mount.is_served(), "the daemon has ended")
    mount.end()


@promise("G3", "Only those whom the options of a mount let in read through it")
def others_are_let_in_or_not(stage):
    closed = mounted(stage, "closed", "--no-allow-other")
    path = f"{closed.path}/{NAME}@v1/config.json"
    equal(read(path), b'{"a": 1}')
    shared = [line.split()[4] for line in open("/proc/self/mountinfo", encoding="utf-8")
              if " /run/modelfs/" in line]
    expect(shared, "no shared mount")
    for each in [path, f"{shared[-1]}/models/{NAME}@v1/config.json"]:
        done = as_nobody("cat", each)
        expect(done.returncode != 0 and not done.stdout, "read by another user:", each, done)
    # Neither does it help to have the kernel read the file by itself.
    equal(read(f"{closed.path}/{NAME}@v1/large.bin"), LARGE)
    done = as_nobody("head", "-c", "10", f"{closed.path}/{NAME}@v1/large.bin")
    expect(done.returncode != 0 and not done.stdout, done)
    closed.end()
    opened = mounted(stage, "opened")
    done = as_nobody("cat", f"{opened.path}/{NAME}@v1/config.json")
    equal(done.stdout, '{"a": 1}', done.stderr)
    opened.end()


@promise("G4", "A mount runs and changes nothing")
def files_have_no_powers(stage):
    folder = stage.path("powers-source")
    write(folder + "/run.sh", "#!/bin/sh\ntouch \"$1\"\n")
    os.chmod(folder + "/run.sh", 0o4755)
    stage.server.add("acme/powers", folder)
    mount = mounted(stage, "powers")
    path = f"{mount.path}/acme/powers/run.sh"
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o444)
    with raises(errno.EACCES):
        os.execv(path, [path, stage.path("ran")])
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        line = [line for line in file if f" {mount.path} " in line][0]
    for flag in ("ro", "nosuid", "nodev"):
        expect(flag in line.split()[5].split(","), flag, "is missing in", line)
    with raises(errno.EROFS):
        os.unlink(path)
    mount.end()


# MARK: The Hub

class Script:
    """A server that answers what it is told, and remembers what it was sent."""

    def __init__(self, context=None):
        self.seen, self.routes = [], {}
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                path = urllib.parse.unquote(self.path)
                script.seen.append((path, dict(self.headers)))
                answer = script.routes.get(path.split("?")[0])
                status, headers, body = answer(self) if answer else (404, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    with contextlib.suppress(OSError):
                        self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def credentials(self):
        """What of the token came here, in a header or anywhere else."""
        return [(path, headers) for path, headers in self.seen
                if any("uthorization" in name or "hf_" in value
                       for name, value in headers.items()) or "hf_" in path]


COMMIT = "c" * 40


def json_answer(value, **headers):
    return lambda _: (200, {"Content-Type": "application/json", **headers},
                      json.dumps(value).encode())


def blob(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def entry(path, data, is_large=False):
    told = {"type": "file", "oid": blob(data), "size": len(data), "path": path}
    if is_large:
        told["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data),
                       "pointerSize": 130}
    return told


def serve_tree(server, name, entries, prefix=""):
    info = {"id": name, "modelId": name, "sha": COMMIT, "private": False, "gated": False,
            "lastModified": "2026-01-01T00:00:00.000Z", "tags": [], "siblings": []}
    for revision in ("main", COMMIT):
        server.routes[f"{prefix}/api/models/{name}/revision/{revision}"] = json_answer(info)
        server.routes[f"{prefix}/api/models/{name}/tree/{revision}"] = json_answer(entries)
    server.routes[f"{prefix}/api/models/{name}"] = json_answer(info)
    server.routes[f"{prefix}/api/models/{name}/refs"] = json_answer(
        {"branches": [{"name": "main", "ref": "refs/heads/main", "targetCommit": COMMIT}],
         "tags": [], "converts": []})


def everything_below(folder, without):
    return sorted(os.path.join(top, name) for top, folders, names in os.walk(folder)
                  if not any(top.startswith(each) for each in without)
                  for name in names + folders
                  if not any(os.path.join(top, name).startswith(each) for each in without))


@promise("G5", "No path outside of the cache is written, whatever the Hub says")
def names_lead_nowhere(stage):
    server = Script()
    marker = stage.path("escaped")
    bad = ["../escaped", "../../escaped", "a/../../../escaped", marker, "/" + marker,
           "..", ".", "a/./../escaped", "..\\escaped", "escaped\0", "%2e%2e/escaped",
           "\u2025/escaped", "~/escaped", "$HOME/escaped", "|touch escaped", "`touch escaped`"]
    data = b"escaped bytes"
    entries = [entry(path, data) for path in bad] + [
        {"type": "directory", "oid": "d" * 40, "size": 0, "path": path} for path in bad]
    link = entry("link", b"../../../../etc/passwd")
    link["type"] = "symlink"
    serve_tree(server, "acme/evil", entries + [link, entry("fine.txt", data)])
    # Names that come in answers and not in trees.
    target = f"/acme/evil/resolve/{COMMIT}/fine.txt"
    server.routes[target] = lambda _: (
        200, {"ETag": '"../../escaped"', "X-Repo-Commit": COMMIT, "Content-Disposition":
              f'attachment; filename="{marker}"', "X-Linked-Etag": '"/../../escaped"'}, data)
    home = stage.path("evil-home")
    os.makedirs(home)
    mount = stage.mount(f"http://127.0.0.1:{server.port}", name="evil", cache="cache-evil")
    before = everything_below(stage.scratch, (stage.path("cache-evil"), stage.path("evil")))
    mount.start(HOME=home, XDG_CACHE_HOME=home, TMPDIR=home)
    place = f"{mount.path}/acme/evil@main"
    names = os.listdir(place)
    for top, _, found in os.walk(place):
        for name in found:
            with contextlib.suppress(OSError):
                read(os.path.join(top, name))
    equal(read(place + "/fine.txt"), data)
    expect(not any(os.path.islink(os.path.join(place, name)) for name in names), names)
    pid = mount.daemon()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            path = os.readlink(f"/proc/{pid}/fd/{number}")
            with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as file:
                flags = [int(line.split()[1], 8) for line in file if line.startswith("flags")][0]
            # A descriptor of memory is no file, and the mount's readahead is a setting.
            apart = ("/dev/", "/memfd:", "/sys/devices/virtual/bdi/")
            if path.startswith("/") and flags & 3 and not path.startswith(apart):
                expect(path.startswith(mount.cache), "open for writing:", path)
    wait_for(lambda: "left out" in mount.log() or "escaped" in mount.log(), 5, "a line in the log")
    mount.end()
    after = everything_below(stage.scratch, (stage.path("cache-evil"), stage.path("evil")))
    equal([path for path in after if path not in before], [], "files outside of the cache")
    for top, _, found in os.walk(mount.cache):
        expect(not any("escaped" in name for name in found), top, found)
    server.stop()


@promise("G6", "A redirect carries no credentials to another host")
def a_token_stays_with_its_host(stage):
    hub, other = Script(), Script()
    data = noise(7, 3_000_000)
    serve_tree(hub, "acme/moved", [entry("a.bin", data, True), entry("b.bin", data[:-1], True),
                                   entry("c.txt", b"small")])
    ways = {"a.bin": f"http://127.0.0.1:{other.port}/a",
            # Another name of the same machine, and back to the Hub from there.
            "b.bin": f"http://localhost:{hub.port}/b", "c.txt": f"http://localhost:{other.port}/c"}
    for name, target in ways.items():
        hub.routes[f"/acme/moved/resolve/{COMMIT}/{name}"] = (
            lambda _, target=target: (302, {"Location": target, "X-Repo-Commit": COMMIT}, b""))

    def whole(body):
        def answer(request):
            asked = request.headers.get("Range")
            if not asked:
                return 200, {}, body
            first, last = (int(each) for each in asked.removeprefix("bytes=").split("-"))
            last = min(last, len(body) - 1)
            return (206, {"Content-Range": f"bytes {first}-{last}/{len(body)}"},
                    body[first:last + 1])
        return answer
    other.routes["/a"] = whole(data)
    hub.routes["/b"] = whole(data[:-1])
    other.routes["/c"] = lambda _: (
        302, {"Location": f"http://127.0.0.1:{hub.port}/back"}, b"")
    hub.routes["/back"] = lambda _: (200, {}, b"small")
    # And names that lead away.
    serve_tree(other, "acme/away", [entry("c.txt", b"small")])
    hub.routes["/api/models/acme/away/revision/main"] = lambda _: (
        307, {"Location": f"http://127.0.0.1:{other.port}/api/models/acme/away/revision/main"}, b"")
    mount = stage.mount(f"http://127.0.0.1:{hub.port}", name="moved", cache="cache-moved")
    mount.start(HF_TOKEN="hf_" + "secret" * 6)
    place = f"{mount.path}/acme/moved@main"
    equal(read(place + "/a.bin"), data)
    equal(read(place + "/b.bin"), data[:-1])
    equal(read(place + "/c.txt"), b"small")
    with contextlib.suppress(OSError):
        os.listdir(f"{mount.path}/acme/away@main")
    expect(other.seen, "the other host was not asked")
    equal(other.credentials(), [], "credentials at another host")
    home = [headers for path, headers in hub.seen if path.startswith("/acme/moved/resolve/")]
    expect(home and all("Authorization" in headers for headers in home), "the Hub got no token")
    for path, headers in hub.seen:
        if path in ("/b", "/back"):
            expect("Authorization" not in headers, path, "got the token by way of another host")
    mount.end()
    hub.stop()
    other.stop()


def serving(pair, newest=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    if newest:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
    server = Script(context)
    data = b"over TLS"
    serve_tree(server, "acme/safe", [entry("a.txt", data)])
    server.routes[f"/acme/safe/resolve/{COMMIT}/a.txt"] = lambda _: (200, {}, data)
    server.routes["/api/models"] = json_answer([{"id": "acme/safe", "modelId": "acme/safe"}])
    return server


def refused(stage, name, endpoint, server, **variables):
    """A Hub that must not be trusted: nothing is asked of it, and the error says why."""
    mount = stage.mount(endpoint, name=name, cache=f"cache-{name}")
    mount.start("--read-deadline", "3s", HF_TOKEN=stage.token, **variables)
    with raises(errno.EIO, name):
        os.listdir(f"{mount.path}/acme/safe@main")
    expect("TLS failed" in mount.log(), mount.log()[-800:])
    equal(server.seen, [], "what was sent to it")
    expect(mount.status()["fileSystem"]["hubFailures"].get("TLS"), "TLS failures are not counted")
    mount.end()
    server.stop()


@promise("G7", "TLS is verified, and its floor is 1.2")
def certificates_are_verified(stage):
    pair = stage.certificate("own", "DNS:localhost")
    server = serving(pair)
    refused(stage, "unknown", f"https://localhost:{server.port}", server)
    # The same is trusted when it is said to be.
    server = serving(pair)
    mount = stage.mount(f"https://localhost:{server.port}", name="known", cache="cache-known")
    mount.start(SSL_CERT_FILE=pair[0])
    try:
        equal(read(f"{mount.path}/acme/safe@main/a.txt"), b"over TLS")
    except OSError as error:
        raise Failure(f"{error}: {server.seen} {mount.log()}") from error
    mount.end()
    server.stop()
    # Trusted, and of another name.
    other = stage.certificate("other", "DNS:other.example")
    server = serving(other)
    refused(stage, "misnamed", f"https://localhost:{server.port}", server, SSL_CERT_FILE=other[0])


@promise("G7", "TLS is verified, and its floor is 1.2")
def an_old_protocol_is_refused(stage):
    pair = stage.certificate("old", "DNS:localhost")
    server = serving(pair, ssl.TLSVersion.TLSv1_1)
    # Somebody less careful gets an answer, so that the refusal below is ours.
    client = ssl.create_default_context(cafile=pair[0])
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    client.minimum_version = ssl.TLSVersion.TLSv1
    try:
        with socket.create_connection(("localhost", server.port), timeout=5) as plain:
            with client.wrap_socket(plain, server_hostname="localhost") as safe:
                equal(safe.version(), "TLSv1.1")
    except ssl.SSLError as error:
        raise Skip(f"this OpenSSL does not speak TLS 1.1 at all: {error}") from error
    refused(stage, "oldest", f"https://localhost:{server.port}", server, SSL_CERT_FILE=pair[0])


@promise("G7", "TLS is verified, and its floor is 1.2")
def no_redirect_leaves_tls(stage):
    pair = stage.certificate("leaving", "DNS:localhost")
    server, plain = serving(pair), Script()
    plain.routes["/a"] = lambda _: (200, {}, b"over TLS")
    server.routes[f"/acme/safe/resolve/{COMMIT}/a.txt"] = lambda _: (
        302, {"Location": f"http://127.0.0.1:{plain.port}/a"}, b"")
    mount = stage.mount(f"https://localhost:{server.port}", name="leaving", cache="cache-leaving")
    mount.start("--read-deadline", "4s", SSL_CERT_FILE=pair[0])
    with raises(errno.EIO):
        read(f"{mount.path}/acme/safe@main/a.txt")
    equal(plain.seen, [])
    mount.end()
    server.stop()
    plain.stop()


# MARK: Secrets and code

@promise("G8", "The token stands nowhere but where its user put it")
def the_token_is_not_left_anywhere(stage):
    mount = mounted(stage, "told", "--log-level", "debug")
    equal(read(f"{mount.path}/{NAME}@v1/large.bin"), LARGE)
    with contextlib.suppress(OSError):
        os.stat(f"{mount.path}/acme/nothing@main")
    os.kill(mount.daemon(), 9)
    equal(read(f"{mount.path}/{NAME}@v1/config.json"), b'{"a": 1}')
    stage.modelfs("upgrade", "--cache", mount.cache)
    wait_for(lambda: mount.is_served(), 10, "a successor")
    drop_pages(f"{mount.path}/{NAME}@v1/large.bin")
    equal(read(f"{mount.path}/{NAME}@v1/large.bin"), LARGE)
    shown = [mount.log(), stage.modelfs("status", "--cache", mount.cache),
             stage.modelfs("status", "--json", "--cache", mount.cache)]
    for pid in (mount.daemon(), mount.keeper()):
        equal(stat.S_IMODE(os.stat(f"/proc/{pid}/environ").st_mode) & 0o077, 0)
        with open(f"/proc/{pid}/cmdline", encoding="latin-1") as file:
            shown.append(file.read())
        done = as_nobody("cat", f"/proc/{pid}/environ")
        equal(done.stdout, "", "the environment of a daemon, for others")
    time.sleep(1.2)
    for path in glob.glob(mount.cache + "/**", recursive=True):
        if os.path.isfile(path):
            shown.append(read(path).decode("latin-1"))
    shown += [f"{name}: {os.getxattr(path, name)}" for path in
              (f"{mount.path}/{NAME}@v1", f"{mount.path}/{NAME}@v1/large.bin")
              for name in os.listxattr(path)]
    for text in shown:
        expect(stage.token not in text and stage.token[3:15] not in text, "the token is shown")
    mount.end()


class Bomb:
    """What a pickle stream can have a careless reader do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def children_of(pid):
    found = []
    for place in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            with open(place, encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(place)
    return found


@promise("G9", "Model files are data and are never run")
def what_is_in_a_file_is_not_done(stage):
    ran = stage.path("ran-code")
    folder = stage.path("code-source")
    bomb = pickle.dumps(Bomb(ran))
    write(folder + "/pytorch_model.bin", bomb + bytes(2 << 20))
    write(folder + "/model.pkl", bomb)
    header = json.dumps({"__metadata__": {"run": f"$(touch {ran})"}, "a": {
        "dtype": "U8", "shape": [2 << 20], "data_offsets": [0, 2 << 20]}}).encode()
    write(folder + "/model.safetensors", struct.pack("<Q", len(header)) + header + bytes(2 << 20))
    write(folder + "/config.json", json.dumps(
        {"auto_map": {"AutoModel": "modeling.Model"}, "custom": f"`touch {ran}`"}))
    write(folder + "/modeling.py", f"open({ran!r}, 'w')\n")
    write(folder + "/setup.sh", f"#!/bin/sh\ntouch {ran}\n")
    stage.server.add("acme/code", folder, "--tag", "v1")
    mount = mounted(stage, "code")
    place = f"{mount.path}/acme/code@v1"
    for name in sorted(os.listdir(place)):
        equal(read(f"{place}/{name}"), read(f"{folder}/{name}"), name)
    equal(children_of(mount.daemon()), [], "processes of the daemon")
    stage.modelfs("prefetch", f"{place}", "--cache", mount.cache)
    stage.modelfs("cache", "cool", "--cache", mount.cache)
    stage.modelfs("cache", "verify", "--cache", mount.cache)
    for name in sorted(os.listdir(place)):
        equal(read(f"{place}/{name}"), read(f"{folder}/{name}"), name)
    expect(not os.path.exists(ran), "code from a file was run")
    mount.end()


main(__name__, prepare)
