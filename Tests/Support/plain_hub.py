"""A second Hub, written from the API's documentation and apart from modelfs-hub: in memory, over
http.server. A filesystem that works with both was not fitted to one of them.

Small files are answered by way of the same-host cache route, large ones by a redirect to another
host name (localhost in place of 127.0.0.1), which records any credentials that it is given.
"""

import hashlib
import json
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGE = 1 << 20
PAGE = 1000


def blob_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class File:
    def __init__(self, data):
        self.data = data
        self.is_large = len(data) >= LARGE
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.pointer = (f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\n"
                        f"size {len(data)}\n").encode()
        self.oid = blob_id(self.pointer if self.is_large else data)

    @property
    def etag(self):
        return self.sha256 if self.is_large else self.oid


class Repository:
    def __init__(self):
        self.commits = {}
        self.branches, self.tags = {}, {}

    def add(self, files, *tags):
        """A commit of these contents by path; moves main, and the tags."""
        contents = {path: File(data) for path, data in files.items()}
        listing = "".join(f"{path} {file.etag}\n" for path, file in sorted(contents.items()))
        commit = hashlib.sha1((listing + str(len(self.commits))).encode()).hexdigest()
        self.commits[commit] = contents
        self.branches["main"] = commit
        for tag in tags:
            self.tags[tag] = commit
        return commit

    def resolve(self, revision):
        for refs in (self.branches, self.tags):
            if revision in refs:
                return refs[revision]
        matches = [commit for commit in self.commits if commit.startswith(revision)]
        return matches[0] if len(matches) == 1 and len(revision) >= 7 else None


class PlainHub:
    """Serves from `start` to `stop`; `requests` counts by kind of route."""

    def __init__(self):
        self.repositories = {}
        self.requests = {}
        self.leaked = []
        self.authorized = 0
        hub = self

        class Handler(PlainHubHandler):
            pass
        Handler.hub = hub
        self.server = QuietServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def repository(self, name):
        return self.repositories.setdefault(name, Repository())

    def start(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client may go away in the middle of an answer."""


class Refusal(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


class PlainHubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave together; else each answer waits 40 ms for the other side's delayed ACK.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    hub = None

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.route()

    def do_GET(self):
        self.route()

    def do_POST(self):
        self.route()

    def route(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        routes = [
            ("cdn", r"/cdn/(?P<sha256>[0-9a-f]{64})", self.cdn),
            ("cache", r"/api/resolve-cache/models/(?P<name>[^/]+/[^/]+)/(?P<revision>[^/]+)"
                      r"/(?P<path>.+)", self.cached),
            ("tree", r"/api/models/(?P<name>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)", self.tree),
            ("refs", r"/api/models/(?P<name>[^/]+/[^/]+)/refs", self.refs),
            ("paths", r"/api/models/(?P<name>[^/]+/[^/]+)/paths-info/(?P<revision>[^/]+)",
             self.paths),
            ("info", r"/api/models/(?P<name>[^/]+/[^/]+)/revision/(?P<revision>[^/]+)", self.info),
            ("info", r"/api/models/(?P<name>[^/]+/[^/]+)", self.info),
            ("list", r"/api/models/?", self.list),
            ("resolve", r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
             self.resolve),
        ]
        for kind, pattern, handler in routes:
            match = re.fullmatch(pattern, url.path)
            if not match:
                continue
            self.hub.requests[kind] = self.hub.requests.get(kind, 0) + 1
            self.note_credentials(kind)
            parts = {key: urllib.parse.unquote(value) for key, value in match.groupdict().items()}
            try:
                handler(query=query, body=body, **parts)
            except Refusal as refusal:
                self.answer(refusal.status, b"{}", {"X-Error-Code": refusal.code,
                                                    "X-Error-Message": refusal.code})
            return
        self.answer(404, b"{}", {})

    def note_credentials(self, kind):
        if "Authorization" not in self.headers:
            return
        if kind == "cdn":
            self.hub.leaked.append(self.path)
        else:
            self.hub.authorized += 1

    def answer(self, status, body, headers, length=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value, **headers):
        self.answer(200, json.dumps(value).encode(),
                    {"Content-Type": "application/json", **headers})

    def find(self, name, revision="main"):
        repository = self.hub.repositories.get(name)
        if repository is None:
            raise Refusal(404, "RepoNotFound")
        commit = repository.resolve(revision)
        if commit is None:
            raise Refusal(404, "RevisionNotFound")
        return repository, commit

    def info(self, name, query, body, revision="main"):
        _, commit = self.find(name, revision)
        self.json(self.described(name, commit))

    def described(self, name, commit):
        files = self.hub.repositories[name].commits[commit]
        return {"_id": "0", "id": name, "modelId": name, "sha": commit, "private": False,
                "gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": [],
                "lastModified": "2024-05-06T07:08:09.000Z",
                "createdAt": "2024-05-06T07:08:09.000Z",
                "siblings": [{"rfilename": path} for path in sorted(files)]}

    def list(self, query, body):
        author = query.get("author", query.get("search", ""))
        names = [name for name in self.hub.repositories if name.startswith(author + "/")]
        self.json([self.described(name, self.hub.repositories[name].branches["main"])
                   for name in sorted(names)])

    def refs(self, name, query, body):
        repository, _ = self.find(name)

        def rows(refs, prefix):
            return [{"name": ref, "ref": prefix + ref, "targetCommit": commit}
                    for ref, commit in refs.items()]
        self.json({"branches": rows(repository.branches, "refs/heads/"),
                   "tags": rows(repository.tags, "refs/tags/"), "converts": [],
                   "pullRequests": []})

    def entry(self, path, file):
        entry = {"type": "file", "path": path, "oid": file.oid, "size": len(file.data)}
        if file.is_large:
            entry["lfs"] = {"oid": file.sha256, "size": len(file.data),
                            "pointerSize": len(file.pointer)}
        return entry

    def tree(self, name, revision, query, body):
        repository, commit = self.find(name, revision)
        files = repository.commits[commit]
        folders = set()
        for path in files:
            parts = path.split("/")
            folders.update("/".join(parts[:count]) for count in range(1, len(parts)))
        entries = [self.entry(path, file) for path, file in files.items()]
        entries += [{"type": "directory", "path": path, "oid": blob_id(path.encode()), "size": 0}
                    for path in folders]
        if query.get("recursive", "false").lower() != "true":
            entries = [entry for entry in entries if "/" not in entry["path"]]
        entries.sort(key=lambda entry: entry["path"])
        start = int(query.get("cursor", 0))
        count = min(PAGE, int(query.get("limit", PAGE)))
        headers = {}
        if start + count < len(entries):
            following = urllib.parse.urlencode({**query, "cursor": start + count})
            path = urllib.parse.urlsplit(self.path).path
            headers["Link"] = f'<{self.hub.endpoint}{path}?{following}>; rel="next"'
        self.json(entries[start:start + count], **headers)

    def paths(self, name, revision, query, body):
        repository, commit = self.find(name, revision)
        files = repository.commits[commit]
        wanted = [value for key, value in urllib.parse.parse_qsl(body.decode()) if key == "paths"]
        self.json([self.entry(path, files[path]) for path in wanted if path in files])

    def file(self, name, revision, path):
        repository, commit = self.find(name, revision)
        if path not in repository.commits[commit]:
            raise Refusal(404, "EntryNotFound")
        return repository.commits[commit][path], commit

    def resolve(self, name, revision, path, query, body):
        file, commit = self.file(name, revision, path)
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if file.is_large:
            expires = int(time.time()) + 3600
            headers |= {"X-Linked-Size": str(len(file.data)), "X-Linked-ETag": f'"{file.sha256}"',
                        "Location": f"http://localhost:{self.hub.port}/cdn/{file.sha256}"
                                    f"?Expires={expires}&Signature=s"}
            self.answer(302, b"", headers)
            return
        quoted = urllib.parse.quote(path)
        headers["ETag"] = f'"{file.oid}"'
        headers["Location"] = (f"/api/resolve-cache/models/{name}/{commit}/{quoted}"
                               f"?etag=%22{file.oid}%22")
        self.answer(307, b"", headers)

    def cached(self, name, revision, path, query, body):
        file, commit = self.file(name, revision, path)
        self.bytes(file.data, {"X-Repo-Commit": commit, "ETag": f'"{file.oid}"'})

    def cdn(self, sha256, query, body):
        for repository in self.hub.repositories.values():
            for files in repository.commits.values():
                for file in files.values():
                    if file.is_large and file.sha256 == sha256:
                        self.bytes(file.data, {"ETag": f'"{sha256}"'})
                        return
        raise Refusal(404, "EntryNotFound")

    def bytes(self, data, headers):
        headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not match:
            self.answer(200, data, headers)
            return
        first, last = match.groups()
        start = int(first) if first else max(0, len(data) - int(last))
        end = min(int(last) if first and last else len(data) - 1, len(data) - 1)
        if start > end:
            self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        self.answer(206, data[start:end + 1], headers)
