#!/usr/bin/env python3
"""Tests the runner of the end-to-end suites, and the sweeper: a runner that cannot see a failure,
a hang or a leftover would make every suite worthless.

Runs scripts/run-suites.py as a process over small suites of its own, in a temporary folder.
"""

import os
import subprocess
import sys
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class RunnerTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="modelfs-tools-")
        self.addCleanup(self.folder.cleanup)
        self.suites = os.path.join(self.folder.name, "Suites")
        os.mkdir(self.suites)

    def write(self, name, text, mode=0o755):
        path = os.path.join(self.suites, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def run_suites(self, *arguments):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, os.path.join(TOP, "scripts/run-suites.py"), "--folder", self.suites,
             "--scratch", os.path.join(self.folder.name, "scratch"), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        self.seconds = time.monotonic() - began
        return done.returncode, done.stdout

    def test_a_pass_is_a_pass(self):
        self.write("good.py", "import os\nassert os.listdir(os.environ['MODELFS_SCRATCH']) == []\n")
        code, text = self.run_suites()
        self.assertEqual((code, text.splitlines()[-1]), (0, "1 passed, 0 failed, 0 skipped"), text)

    def test_a_failure_shows_its_output(self):
        self.write("bad.sh", "#!/bin/sh\necho the reason\nexit 3\n")
        self.write("good.sh", "#!/bin/sh\n")
        code, text = self.run_suites()
        self.assertEqual((code, text.splitlines()[-1]), (1, "1 passed, 1 failed, 0 skipped"), text)
        self.assertIn("| the reason", text)

    def test_a_skip_gives_its_reason(self):
        self.write("skip.sh", "#!/bin/sh\necho first\necho no such thing here\nexit 77\n")
        code, text = self.run_suites()
        self.assertEqual((code, text.splitlines()[-1]), (0, "0 passed, 0 failed, 1 skipped"), text)
        self.assertIn("no such thing here", text)

    def test_a_hang_is_ended(self):
        self.write("hang.sh", "#!/bin/sh\n# seconds: 1\ntrap '' TERM\nsleep 61 & wait\nsleep 62\n")
        code, text = self.run_suites()
        self.assertEqual(code, 1, text)
        self.assertIn("not done after 1 s", text)
        self.assertLess(self.seconds, 20)

    def test_a_daemon_left_behind_fails_the_suite_and_ends(self):
        note = os.path.join(self.folder.name, "pid")
        self.write("daemon.sh", f"#!/bin/sh\nsetsid sh -c 'echo $$ >{note}; exec sleep 63' &\n"
                   f"while [ ! -s {note} ]; do sleep 0.01; done\n")
        code, text = self.run_suites()
        self.assertEqual(code, 1, text)
        self.assertIn("left something behind", text)
        with open(note, encoding="ascii") as file:
            self.assertFalse(os.path.exists(f"/proc/{int(file.read())}/exe"))

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_a_mount_left_behind_fails_the_suite_and_is_unmounted(self):
        self.write("mount.sh", "#!/bin/sh\nmkdir \"$MODELFS_SCRATCH/a b\"\n"
                   "mount -t tmpfs none \"$MODELFS_SCRATCH/a b\"\n")
        code, text = self.run_suites()
        self.assertEqual(code, 1, text)
        self.assertIn("left something behind", text)
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            self.assertNotIn(self.folder.name, file.read())

    def test_a_suite_that_cannot_run_is_a_failure(self):
        self.write("forgotten.sh", "#!/bin/sh\n", mode=0o644)
        code, text = self.run_suites()
        self.assertEqual(code, 1, text)
        self.assertIn("not executable", text)

    def test_names_choose(self):
        self.write("one.sh", "#!/bin/sh\n")
        self.write("two.sh", "#!/bin/sh\nexit 1\n")
        code, text = self.run_suites("one")
        self.assertEqual((code, text.splitlines()[-1]), (0, "1 passed, 0 failed, 0 skipped"), text)


if __name__ == "__main__":
    unittest.main()
