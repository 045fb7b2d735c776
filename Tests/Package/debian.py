#!/usr/bin/env python3
# seconds: 600
# needs: fuse root
"""The package in a clean Debian 12: it installs without Swift, mounts, has man pages and
completions, and a purge leaves the cache alone and says so."""

import glob
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "scripts"))

# pylint: disable=wrong-import-position
from clean_tree import CleanTree, fail, has, run, say  # noqa: E402
from programs import LocalHub, Programs  # noqa: E402

SCRATCH = os.environ.get("MODELFS_SCRATCH") or "/tmp/modelfs-package"
BIN = os.environ.get("MODELFS_BIN") or os.path.join(TOP, ".build/release")
TREE = os.environ.get("MODELFS_CLEAN_TREE") or os.path.join(SCRATCH, "debian")


def main():
    package = max(glob.glob(os.path.join(TOP, "out/modelfs_*.deb")), key=os.path.getmtime)
    if shutil.which("lintian"):
        said = run("lintian", "--fail-on", "error", "--allow-root", package)
        say("lintian has no errors;", said.count("\n"), "other remarks")
    hub = LocalHub(Programs(BIN, SCRATCH))
    source = os.path.join(SCRATCH, "source")
    os.makedirs(source, exist_ok=True)
    with open(source + "/model.bin", "wb") as file:
        file.write(os.urandom(1 << 20))
    hub.add("acme/model", source, "--tag", "v1")
    tree = CleanTree(TREE, SCRATCH)
    inside = tree.run
    hub.start()
    try:
        tree.make()
        shutil.copy(package, TREE + "/tmp/modelfs.deb")
        inside("apt-get", "update", "-q")
        inside("apt-get", "install", "-y", "-q", "--no-install-recommends", "/tmp/modelfs.deb",
               "man-db", "bash-completion")
        if inside("sh", "-c", "command -v swift || true").strip():
            fail("there is Swift in the clean tree")
        has(inside("modelfs", "--version"), "modelfs ")
        has(inside("modelfs-predictor", "--version"), "modelfs-predictor ")
        say("it installs without Swift")

        # The tree may be one that the example of a Space has used before.
        inside("sh", "-c", "rm -rf /models /var/cache/modelfs && mkdir /models")
        options = f"cache=/var/cache/modelfs,allow_other,_netdev,hf_endpoint={hub.endpoint}"
        inside("mount", "-t", "modelfs", "hf://models", "/models", "-o", options)
        with open(source + "/model.bin", "rb") as file:
            wanted = file.read()
        with open(TREE + "/models/acme/model@v1/model.bin", "rb") as file:
            if file.read() != wanted:
                fail("the bytes differ")
        has(inside("modelfs", "status", "--cache", "/var/cache/modelfs"), "hf://models")
        say("mount -t modelfs works against a local Hub")
        words = inside("bash", "-c", "source /usr/share/bash-completion/bash_completion; "
                       "source /usr/share/bash-completion/completions/modelfs; "
                       "COMP_LINE='modelfs cache pin acme/model@'; COMP_POINT=${#COMP_LINE}; "
                       "_modelfs; printf '%s\\n' \"${COMPREPLY[@]}\"")
        has(words, "v1")
        say("revisions complete from the mount")
        for page in ("modelfs", "modelfs-mount", "modelfs-cache-pin", "modelfs-hub",
                     "modelfs-predictor", "modelfs-keeper", "mount.modelfs"):
            text = inside("man", page)
            has(text, "NAME", "SEE ALSO" if page != "modelfs-predictor" else "NAME")
        say("man pages read")
        inside("umount", "/models")

        said = inside("apt-get", "purge", "-y", "-q", "modelfs")
        has(said, "the cache /var/cache/modelfs stays")
        left = inside("sh", "-c", "find / -xdev -name '*modelfs*' -not -path '/proc/*' "
                      "-not -path '/tmp/*' "
                      "-not -path '/var/cache/man/*' -not -path '/var/cache/modelfs/*' "
                      "-not -path '/var/lib/apt/*' -not -path '/var/cache/apt/*' || true").split()
        if left not in (["/var/cache/modelfs"],):
            fail("left after the purge:", left)
        say("a purge leaves only the cache, and says so")
    finally:
        tree.clear()
        hub.stop()


main()
