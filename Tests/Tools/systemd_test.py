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
EXPOSURE_MAX = {"modelfs.service": 4.1, "modelfs-predictor@.service": 2.5}
PROGRAMS = ("modelfs", "modelfs-keeper", "modelfs-hub", "modelfs-predictor")


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
            for program in PROGRAMS:
                with open(os.path.join(checkout, ".build/release", program), "wb"):
                    pass
            root = os.path.join(folder, "root")
            for _ in range(2):
                subprocess.run(["make", "install-files", f"DESTDIR={root}", "PREFIX=/usr"],
                               cwd=checkout, check=True, capture_output=True, timeout=60)
            found = sorted(os.path.relpath(os.path.join(place, name), root)
                           for place, _, names in os.walk(root) for name in names)
            self.assertEqual(found, sorted(
                [f"usr/bin/{program}" for program in PROGRAMS]
                + ["etc/modelfs/modelfs.env", "etc/modelfs/predictor.env",
                   "usr/lib/tmpfiles.d/modelfs.conf"]
                + [f"usr/lib/systemd/system/{unit}" for unit in (
                    "modelfs-mount@.service", "modelfs-predictor@.service",
                    "modelfs-predictor@.socket", "modelfs.service")]))
            self.analyze(root)

    def test_a_keeper_that_dies_takes_nothing_with_it(self):
        # Each of these would have such a unit restarted whenever the service is started again.
        for name in ("modelfs-mount@.service", "modelfs-predictor@.service"):
            said = settings(name)
            for key in ("BindsTo", "Requires", "Requisite", "PartOf", "StopPropagatedFrom"):
                self.assertFalse(any(found == key and "modelfs.service" in value.split()
                                     for found, value in said), f"{key} in {name}")
            self.assertIn(("Wants", "modelfs.service"), said, name)

    def test_the_predictor_is_bound_to_its_path(self):
        said = dict(settings("modelfs-predictor@.service"))
        for key in ("RequiresMountsFor", "BindReadOnlyPaths"):
            self.assertEqual(said[key], "%f")
        self.assertEqual(said["Type"], "notify")
        self.assertEqual(dict(settings("modelfs-predictor@.socket"))["ListenStream"],
                         "127.0.0.1:7860")

    def analyze(self, root):
        if not shutil.which("systemd-analyze"):
            return
        units = os.path.join(root, "usr/lib/systemd/system")
        # The programs lie below another root.
        for name in os.listdir(units):
            path = os.path.join(units, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("/usr/bin/modelfs", f"{root}/usr/bin/modelfs"))
            if "@" in name:
                shutil.copy(path, path.replace("@", "@data-models-example"))
        for program in PROGRAMS:
            os.chmod(f"{root}/usr/bin/{program}", 0o755)
        environment = dict(os.environ, SYSTEMD_UNIT_PATH=f"{units}:")
        for name in sorted(os.listdir(units)):
            if "@." in name:
                continue
            done = subprocess.run(["systemd-analyze", "verify", os.path.join(units, name)],
                                  text=True, capture_output=True, check=False, timeout=60,
                                  env=environment)
            self.assertEqual([line for line in done.stderr.splitlines() if "modelfs" in line], [],
                             name)
        for name, most in EXPOSURE_MAX.items():
            self.expose(os.path.join(units, name), name, most)

    def expose(self, unit, name, most):
        """It is as little exposed as is said, and what remains is named in docs/SECURITY.md."""
        if "@" in unit:
            unit = unit.replace("@", "@data-models-example")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
                              text=True, capture_output=True, check=False, timeout=60)
        level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
        self.assertIsNotNone(level, done.stdout[-500:] + done.stderr[-500:])
        self.assertLessEqual(float(level.group(1)), most, done.stdout)
        with open(os.path.join(TOP, "docs/SECURITY.md"), encoding="utf-8") as file:
            page = file.read().partition("## Under systemd")[2]
        tables = page.partition("`modelfs-predictor@.service`")
        told = re.findall(r"`([^`]+)`", tables[0] if name == "modelfs.service" else tables[2])
        found = re.findall(r"^✗ (\S+)", done.stdout, re.MULTILINE)
        self.assertGreater(len(found), 3)
        self.assertEqual([each for each in found if each not in told], [], name)


if __name__ == "__main__":
    unittest.main()
