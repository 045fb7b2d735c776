#!/usr/bin/env python3
# seconds: 240
"""A mount of a Hub that others have written works like one of modelfs-hub.

It is `olah`, a mirror of the Hub that many run in place of it (PyPI), put before a modelfs-hub that
plays the Hub. Its answers are its own: one page of a tree whose next page is on its source, files
in blocks of its own cache, redirects and headers of its own. The official client has to accept it
first; then a mount lists, copies and compares revisions, over plain HTTP and with Xet passed
through, and answers with everything gone.
"""

import os
import random
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "scripts")]

from programs import LocalHub, Mount, Programs, free_port  # noqa: E402

NAME = "someone/some-model"
MANY = "someone/many-files"
START_SECONDS = 60
CONFIGURATION = """
[basic]
host = "127.0.0.1"
port = {port}
repos-path = "{folder}/repos"
hf-scheme = "http"
hf-netloc = "127.0.0.1:{source}"
hf-lfs-netloc = "127.0.0.1:{source}"
mirror-scheme = "http"
mirror-netloc = "127.0.0.1:{port}"
mirror-lfs-netloc = "127.0.0.1:{port}"
xet-passthrough = {passes}
xet-passthrough-min-size = "1MB"
"""


def skip(reason):
    raise unittest.SkipTest(reason)


def contents():
    generator = random.Random(7)
    files = {"config.json": b'{"a": 1}\n', "empty": b"", "folder/inner/vocab.txt": b"x\ny\n",
             "name with blank é.txt": b"blank\n", "weights.bin": generator.randbytes(9_000_001),
             "folder/part.bin": generator.randbytes(3 << 20)}
    for index in range(12):
        files[f"some/{index:04}.txt"] = b"%d\n" % index
    return files


def write(files, folder):
    for path, data in files.items():
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(data)
    return folder


class Mirror:
    """olah as a process."""

    def __init__(self, programs, source, passes_xet):
        self.folder = os.path.join(programs.scratch, f"mirror-{passes_xet}")
        os.makedirs(self.folder)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        configuration = os.path.join(self.folder, "olah.toml")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(
                port=self.port, folder=self.folder, source=source.port,
                passes="true" if passes_xet else "false"))
        with open(os.path.join(self.folder, "output"), "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "import olah.server; olah.server.cli()", "-c",
                 configuration, "--log-path", self.folder], cwd=self.folder, stdout=output,
                stderr=output, stdin=subprocess.DEVNULL, env=programs.environment())
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.endpoint}/api/models/{NAME}", timeout=5).close()
                return
            except urllib.error.HTTPError as error:
                print("the mirror answers", error.code)
            except OSError:
                pass
            time.sleep(0.1)
        self.stop()
        with open(os.path.join(self.folder, "output"), encoding="utf-8", errors="replace") as file:
            print(file.read()[-3000:])
        skip("olah does not start here")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class MirrorHubTest(unittest.TestCase):
    def setUp(self):
        try:
            import olah.server  # noqa: F401
        except Exception as error:  # of it, or of what it needs
            skip(f"olah cannot be imported: {error!r}")
        self.programs = Programs(os.environ["MODELFS_BIN"], os.environ["MODELFS_SCRATCH"])
        self.source = LocalHub(self.programs)
        first = contents()
        second = dict(first, **{"config.json": b'{"a": 2}\n', "new.txt": b"new\n"})
        self.originals = []
        for name, files in (("one", first), ("two", second)):
            folder = write(files, os.path.join(self.programs.scratch, name))
            self.source.add(NAME, folder, "--tag", f"v{len(self.originals) + 1}")
            self.originals.append(folder)
        many = {f"{index:04}": b"%d\n" % index for index in range(1203)}
        self.source.add(MANY, write(many, os.path.join(self.programs.scratch, "many")))
        self.source.start("--admin")

    def tearDown(self):
        self.source.stop()

    def official_client_is_satisfied(self, endpoint):
        from huggingface_hub import HfApi, snapshot_download
        interface = HfApi(endpoint=endpoint, token=False)
        try:
            interface.model_info(NAME, revision="v2")
            tags = {tag.name for tag in interface.list_repo_refs(NAME).tags}
            count = len(list(interface.list_repo_tree(MANY, recursive=True)))
            folder = snapshot_download(
                NAME, revision="v1", endpoint=endpoint, token=False,
                cache_dir=os.path.join(self.programs.scratch, "official"))
        except Exception as error:  # whatever it is, it is not about us
            skip(f"the official client does not accept this mirror: {error!r}")
        if tags != {"v1", "v2"} or count != 1203 or self.differs(folder, self.originals[0]):
            skip("the official client gets other things from this mirror")

    def differs(self, found, expected):
        done = subprocess.run(["diff", "-r", found, expected], capture_output=True, text=True,
                              check=False)
        return done.stdout[:2000] + done.stderr[:2000]

    def works(self, endpoint, name, data_requests):
        """Everything through a mount, then again with nobody there."""
        mount = Mount(self.programs, endpoint, name=name, cache=f"cache-{name}")
        mount.start()
        repository = f"{mount.path}/{NAME}"
        self.assertGreaterEqual(set(os.listdir(f"{repository}@")), {"main", "v1", "v2"})
        self.assertEqual(self.differs(f"{repository}@v1", self.originals[0]), "")
        fetched = mount.fetched_bytes()
        self.assertGreater(fetched, 12_000_000)
        self.assertEqual(self.differs(f"{repository}@v2", self.originals[1]), "")
        self.assertEqual(self.differs(repository, self.originals[1]), "")
        self.assertLess(mount.fetched_bytes() - fetched, 1_000_000)
        # Two pages, the second of which is on the mirror's source.
        self.assertEqual(len(os.listdir(f"{mount.path}/{MANY}@main")), 1203)
        for path in (f"{NAME}@v1/nothing", f"{NAME}@nothing", "someone/nothing"):
            self.assertFalse(os.path.exists(f"{mount.path}/{path}"), path)
        requests = mount.status()["fileSystem"]["hubRequests"]
        self.assertGreaterEqual(requests.get(data_requests, 0), 2, requests)
        mount.stop()
        return mount

    def answers_alone(self, mount):
        mount.start()
        for tag, original in zip(("v1", "v2"), self.originals):
            self.assertEqual(self.differs(f"{mount.path}/{NAME}@{tag}", original), "")
        self.assertEqual(len(os.listdir(f"{mount.path}/{MANY}@main")), 1203)
        self.assertEqual(mount.fetched_bytes(), 0)
        mount.stop()

    def test_all(self):
        mounts = []
        for passes_xet in (False, True):
            mirror = Mirror(self.programs, self.source, passes_xet)
            try:
                if not passes_xet:
                    self.official_client_is_satisfied(mirror.endpoint)
                mounts.append(self.works(
                    mirror.endpoint, f"xet-{passes_xet}",
                    "reconstruction" if passes_xet else "resolve"))
            finally:
                mirror.stop()
        self.source.stop()
        for mount in mounts:
            self.answers_alone(mount)


if __name__ == "__main__":
    result = unittest.main(verbosity=2, exit=False).result
    if result.skipped:
        print(result.skipped[0][1], flush=True)
        sys.exit(77)
    sys.exit(not result.wasSuccessful())
