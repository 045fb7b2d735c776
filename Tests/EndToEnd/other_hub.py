#!/usr/bin/env python3
"""A mount of a Hub that is not ours works like one of modelfs-hub.

The Hub is Tests/Support/plain_hub.py, which the official client has to accept first. Then a mount
of it lists, copies and maps; shares what two revisions have in common; never gives the token to
another host; and answers with the Hub gone.
"""

import filecmp
import os
import random
import subprocess
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "scripts"), os.path.join(TOP, "Tests/Support")]

from plain_hub import PlainHub  # noqa: E402
from programs import Mount, Programs  # noqa: E402

NAME = "someone/some-model"
TOKEN = "hf_only_for_the_hub"


def contents():
    generator = random.Random(7)
    files = {"config.json": b'{"a": 1}\n', "empty": b"", "folder/inner/vocab.txt": b"x\ny\n",
             "name with blank é.txt": b"blank\n", "weights.bin": generator.randbytes(9_000_001),
             "folder/part.bin": generator.randbytes(3 << 20)}
    for index in range(1200):
        files[f"many/{index:04}.txt"] = b"%d\n" % index
    return files


class OtherHubTest(unittest.TestCase):
    def setUp(self):
        self.programs = Programs(os.environ["MODELFS_BIN"], os.environ["MODELFS_SCRATCH"])
        self.hub = PlainHub().start()
        self.first = contents()
        self.second = dict(self.first, **{"config.json": b'{"a": 2}\n', "new.txt": b"new\n"})
        repository = self.hub.repository(NAME)
        repository.add(self.first, "v1")
        self.commit = repository.add(self.second, "v2")
        self.mount = Mount(self.programs, self.hub.endpoint)

    def write(self, files, folder):
        for path, data in files.items():
            target = os.path.join(folder, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(data)
        return folder

    def assert_same(self, found, expected):
        done = subprocess.run(["diff", "-r", found, expected], capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.returncode, done.stdout[:2000], done.stderr[:2000]), (0, "", ""))

    def test_all(self):
        originals = [self.write(files, os.path.join(self.programs.scratch, name))
                     for name, files in (("one", self.first), ("two", self.second))]
        self.official_client_is_satisfied(originals[0])
        self.hub.requests.clear()
        self.mount.start(HF_TOKEN=TOKEN)
        repository = f"{self.mount.path}/{NAME}"
        self.assertEqual(set(os.listdir(f"{repository}@")) & {"main", "v1", "v2"},
                         {"main", "v1", "v2"})
        self.assert_same(f"{repository}@v1", originals[0])
        fetched = self.mount.fetched_bytes()
        self.assertGreater(fetched, 12_000_000)
        # The second revision costs its listing and what differs, by ref, by commit, by default.
        self.assert_same(f"{repository}@v2", originals[1])
        self.assertLess(self.mount.fetched_bytes() - fetched, 1_000_000)
        self.assert_same(f"{repository}@{self.commit}", originals[1])
        self.assert_same(repository, originals[1])
        self.assertEqual(os.stat(f"{repository}@v1/weights.bin").st_ino,
                         os.stat(f"{repository}@v2/weights.bin").st_ino)
        for path in ("nothing", "folder/nothing"):
            self.assertFalse(os.path.exists(f"{repository}@v1/{path}"))
        self.assertFalse(os.path.exists(f"{repository}@nothing"))
        self.assertFalse(os.path.exists(f"{self.mount.path}/someone/nothing"))
        # 1,207 files and 3 folders are two pages, for each of two commits.
        self.assertLessEqual(self.hub.requests["tree"], 4)
        self.assertEqual(self.hub.leaked, [])
        self.assertGreater(self.hub.authorized, 0)
        self.survives_the_hub(repository, originals)

    def official_client_is_satisfied(self, original):
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
        interface = HfApi(endpoint=self.hub.endpoint, token=False)
        self.assertEqual(interface.model_info(NAME, revision="v2").sha, self.commit)
        self.assertEqual({tag.name for tag in interface.list_repo_refs(NAME).tags}, {"v1", "v2"})
        self.assertEqual(len(list(interface.list_repo_tree(NAME, recursive=True))), 1207 + 3)
        with self.assertRaises(RepositoryNotFoundError):
            interface.model_info("someone/nothing")
        with self.assertRaises(RevisionNotFoundError):
            interface.model_info(NAME, revision="nothing")
        few = snapshot_download(NAME, revision="v1", endpoint=self.hub.endpoint, token=False,
                                allow_patterns=["*.json", "weights.bin", "folder/*"],
                                cache_dir=os.path.join(self.programs.scratch, "official"))
        for path in ("config.json", "weights.bin", "folder/part.bin", "folder/inner/vocab.txt"):
            self.assertTrue(filecmp.cmp(f"{few}/{path}", f"{original}/{path}", shallow=False), path)

    def survives_the_hub(self, repository, originals):
        self.mount.stop()
        self.hub.stop()
        self.mount.start(HF_TOKEN=TOKEN)
        self.assert_same(f"{repository}@v1", originals[0])
        self.assert_same(f"{repository}@v2", originals[1])
        self.assertEqual(self.mount.fetched_bytes(), 0)
        self.mount.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
