#!/usr/bin/env python3
# seconds: 120
"""The proxy variables mean to a mount what they mean to the official client.

A small proxy on 127.0.0.1 knows the one host that no name service does, hub.invalid, and leads to
a local Hub. Each case sets variables, asks both through them, and looks at what the proxy saw.
"""

import http.client
import http.server
import os
import subprocess
import sys
import threading
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "scripts")]

from programs import LocalHub, Mount, ProgramError, Programs  # noqa: E402

NAME = "acme/tiny"
HOST = "hub.invalid"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# Asks as the official client does, and says whether it was answered.
OFFICIAL = """
import sys
from huggingface_hub import HfApi
HfApi(endpoint=sys.argv[1], token=False).model_info(sys.argv[2], timeout=10)
"""


class Proxy(http.server.ThreadingHTTPServer):
    """Forwards requests for HOST to the Hub, and keeps what it was asked for."""

    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub_port = port
        self.seen = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        self.server.seen.append(f"CONNECT {self.path}")
        self.send_error(407)

    def do_GET(self):
        self.server.seen.append(f"{self.command} {self.path}")
        prefix = f"http://{HOST}/"
        if not self.path.startswith(prefix):
            self.send_error(502)
            return
        hub = http.client.HTTPConnection("127.0.0.1", self.server.hub_port, timeout=10)
        fields = {name: value for name, value in self.headers.items()
                  if name.lower() not in ("connection", "proxy-connection")}
        hub.request(self.command, "/" + self.path[len(prefix):], headers=fields)
        answer = hub.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        hub.close()

    do_HEAD = do_GET


class ProxyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.programs = Programs(os.environ["MODELFS_BIN"], os.environ["MODELFS_SCRATCH"])
        folder = os.path.join(cls.programs.scratch, "tiny")
        os.makedirs(folder)
        with open(os.path.join(folder, "config.json"), "w", encoding="ascii") as file:
            file.write("{}\n")
        cls.hub = LocalHub(cls.programs)
        cls.hub.add(NAME, folder)
        cls.hub.start()
        cls.proxy = Proxy(cls.hub.port)
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.proxy.shutdown()
        cls.proxy.server_close()
        cls.hub.stop()

    def official(self, endpoint, variables):
        """Whether the official client is answered."""
        done = subprocess.run(
            [sys.executable, "-c", OFFICIAL, endpoint, NAME], capture_output=True, check=False,
            env=self.environment(variables), timeout=60)
        return done.returncode == 0

    def environment(self, variables):
        environment = self.programs.environment(**variables)
        for name in VARIABLES:
            for spelling in (name, name.upper()):
                if spelling not in variables:
                    environment.pop(spelling, None)
        return environment

    def mounted(self, endpoint, variables):
        """Whether a mount is answered; a cache of its own, so nothing is known before."""
        type(self).count += 1
        mount = Mount(self.programs, endpoint, f"hf://{NAME}@main", f"mount{self.count}",
                      f"cache{self.count}")
        cleared = {spelling: "" for name in VARIABLES for spelling in (name, name.upper())}
        try:
            mount.start(**dict(cleared, **variables))
        except ProgramError as error:
            self.assertIn("is not reachable", str(error))
            is_refused = f"CONNECT {HOST}:443" in self.proxy.seen
            self.assertEqual("HTTP status 407" in str(error), is_refused, error)
            return False
        with open(os.path.join(mount.path, "config.json"), encoding="ascii") as file:
            self.assertEqual(file.read(), "{}\n")
        mount.stop()
        return True

    def check(self, endpoint, variables, is_answered, first_seen=None):
        """Both are answered, or both are not; and what the proxy saw of each."""
        for ask in (self.official, self.mounted):
            with self.subTest(ask=ask.__name__, endpoint=endpoint, variables=variables):
                self.proxy.seen.clear()
                self.assertEqual(ask(endpoint, variables), is_answered)
                # The official client may also ask the public Hub for things of its own.
                requests = [request for request in self.proxy.seen
                            if ask == self.mounted or HOST in request]
                seen = requests[0].split("?")[0] if requests else None
                self.assertEqual(seen and seen.rsplit("/revision/", 1)[0], first_seen)

    def test_the_proxy_of_http(self):
        asked = f"GET http://{HOST}/api/models/{NAME}"
        for name in ("HTTP_PROXY", "all_proxy"):
            self.check(f"http://{HOST}", {name: self.proxy.url}, True, asked)
        # The small letters win.
        self.check(f"http://{HOST}", {"http_proxy": self.proxy.url,
                                      "HTTP_PROXY": "http://127.0.0.1:9"}, True, asked)

    def test_the_proxy_of_https(self):
        for name in ("https_proxy", "HTTPS_PROXY"):
            self.check(f"https://{HOST}", {name: self.proxy.url}, False, f"CONNECT {HOST}:443")
        # Each scheme has its own.
        self.check(f"https://{HOST}", {"HTTP_PROXY": self.proxy.url}, False)

    def test_hosts_without_a_proxy(self):
        local = self.hub.endpoint
        for name, spared in (("NO_PROXY", "example.org,127.0.0.1"), ("no_proxy", "*")):
            self.check(local, {"HTTP_PROXY": self.proxy.url, name: spared}, True)
        for spared in (HOST, ".invalid"):
            self.check(f"http://{HOST}", {"HTTP_PROXY": self.proxy.url, "NO_PROXY": spared}, False)
        asked = f"GET http://{HOST}/api/models/{NAME}"
        self.check(f"http://{HOST}", {"HTTP_PROXY": self.proxy.url, "NO_PROXY": "b.invalid"}, True,
                   asked)

    def test_a_proxy_that_is_not_there(self):
        self.check(f"http://{HOST}", {"HTTP_PROXY": "http://127.0.0.1:9"}, False)


if __name__ == "__main__":
    unittest.main(verbosity=2)
