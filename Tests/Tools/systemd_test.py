#!/usr/bin/env python3
"""The systemd units: what they run exists, what they must not say is not said, and they install."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNITS = os.path.join(TOP, "systemd")
# Each of these gives the unit a mount namespace, in which its mounts would be seen by nobody.
HIDING = (
    "PrivateDevices", "PrivateMounts", "PrivateTmp", "ProtectClock", "ProtectControlGroups",
    "ProtectHome", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
    "ProtectProc", "ProtectSystem", "ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths",
    "TemporaryFileSystem", "BindPaths", "RootDirectory", "DynamicUser", "PrivateUsers",
)
EXPOSURE_MAX = 4.2


def settings(name):
    with open(os.path.join(UNITS, name), encoding="utf-8") as file:
        return re.findall(r"^(\w+)=(.*)$", file.read(), re.MULTILINE)


class Systemd(unittest.TestCase):
    """The files below systemd/."""

    def test_no_unit_hides_its_mounts(self):
        for name in ("modelfs.service", "modelfs-mount@.service"):
            said = {key for key, _ in settings(name)}
            self.assertEqual(sorted(said & set(HIDING)), [], name)

    def test_the_service_can_be_taken_over(self):
        said = dict(settings("modelfs.service"))
        self.assertEqual(said["Type"], "notify")
        self.assertEqual(said["KillMode"], "mixed")
        self.assertIn(" --foreground ", said["ExecStart"])
        self.assertTrue(said["ExecReload"].endswith("modelfs upgrade"))
        self.assertGreater(int(said["FileDescriptorStoreMax"]), 1000)
        self.assertNotIn("MemoryMax", said)

    def test_they_install_and_systemd_understands_them(self):
        with tempfile.TemporaryDirectory() as folder:
            checkout = os.path.join(folder, "checkout")
            os.makedirs(os.path.join(checkout, ".build/release"))
            shutil.copytree(UNITS, os.path.join(checkout, "systemd"))
            shutil.copy(os.path.join(TOP, "Makefile"), checkout)
            for program in ("modelfs", "modelfs-keeper", "modelfs-hub"):
                with open(os.path.join(checkout, ".build/release", program), "wb"):
                    pass
            root = os.path.join(folder, "root")
            for _ in range(2):
                subprocess.run(["make", "install-files", f"DESTDIR={root}", "PREFIX=/usr"],
                               cwd=checkout, check=True, capture_output=True, timeout=60)
            found = sorted(os.path.relpath(os.path.join(place, name), root)
                           for place, _, names in os.walk(root) for name in names)
            self.assertEqual(found, [
                "etc/modelfs/modelfs.env", "usr/bin/modelfs", "usr/bin/modelfs-hub",
                "usr/bin/modelfs-keeper", "usr/lib/systemd/system/modelfs-mount@.service",
                "usr/lib/systemd/system/modelfs.service", "usr/lib/tmpfiles.d/modelfs.conf"])
            self.analyze(root)

    def analyze(self, root):
        if not shutil.which("systemd-analyze"):
            return
        for name in ("modelfs.service", "modelfs-mount@.service"):
            path = os.path.join(root, "usr/lib/systemd/system", name)
            if "@" in name:
                instance = path.replace("@", "@example")
                shutil.copy(path, instance)
                path = instance
            done = subprocess.run(["systemd-analyze", "verify", path], text=True,
                                  capture_output=True, check=False, timeout=60)
            # The programs lie below another root.
            ours = [line for line in done.stderr.splitlines()
                    if "modelfs" in line and "is not executable" not in line]
            self.assertEqual(ours, [], name)
        unit = os.path.join(root, "usr/lib/systemd/system/modelfs.service")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
                              text=True, capture_output=True, check=False, timeout=60)
        level = re.search(r"exposure level for modelfs.service: ([\d.]+)", done.stdout)
        self.assertIsNotNone(level, done.stdout[-500:] + done.stderr[-500:])
        self.assertLessEqual(float(level.group(1)), EXPOSURE_MAX, done.stdout)


if __name__ == "__main__":
    unittest.main()
