#!/usr/bin/env python3
# seconds: 120
"""What tools see of a revision: copies, sizes, modes, attributes; and nothing can be written."""

import errno
import os
import shutil
import stat
import subprocess
import tarfile

from suite import (equal, expect, main, noise, promise, raises, read, run, snapshot, wait_for,
                   write)

NAME = "acme/model"


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/config.json", '{"a": 1}\n')
    write(folder + "/empty.txt", "")
    write(folder + "/.gitattributes", "*.safetensors filter=lfs\n")
    write(folder + "/sub/deeper/notes.md", "notes\n" * 1000)
    write(folder + "/sub/twin.txt", "twin")
    write(folder + "/twin.txt", "twin")
    write(folder + "/model.safetensors", noise(1, 3_000_001))
    write(folder + "/sub/block.bin", noise(2, 131072 * 4))
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.start()
    stage.server = hub
    stage.source = folder
    stage.tree = stage.mount(hub).start()
    stage.revision = f"{stage.tree.path}/{NAME}@v1"


@promise("S17", "A copy is equal to what was put into the Hub")
def cp_copies_all(stage):
    for index, options in enumerate((["-r"], ["-a"])):
        copy = stage.path(f"copy{index}")
        run("cp", *options, stage.revision, copy)
        equal(snapshot(copy), snapshot(stage.source))
        run("chmod", "-R", "u+w", copy)


@promise("S17", "A copy is equal to what was put into the Hub")
def tar_packs_all(stage):
    archive = stage.path("revision.tar")
    run("tar", "-cf", archive, "-C", stage.revision, ".")
    unpacked = stage.path("unpacked")
    with tarfile.open(archive) as file:
        equal([member.name for member in file if member.islnk()], [], "hard links")
        file.extractall(unpacked)
    equal(snapshot(unpacked), snapshot(stage.source))


@promise("S17", "A copy is equal to what was put into the Hub")
def rsync_finds_no_difference(stage):
    copy = stage.path("synced")
    run("rsync", "-a", stage.revision + "/", copy)
    equal(snapshot(copy), snapshot(stage.source))
    equal(run("rsync", "-rcni", "--no-times", stage.revision + "/", stage.source + "/"), "")


@promise("S17", "A copy is equal to what was put into the Hub")
def find_and_git_diff_agree(stage):
    def names(folder):
        return sorted(run("find", ".", "-printf", "%y %p\n", cwd=folder).splitlines())
    equal(names(stage.revision), names(stage.source))
    run("git", "diff", "--no-index", "--stat", stage.source, stage.revision)
    equal(int(run("find", stage.revision, "-type", "f", "-size", "+2M", "-printf", "1")), 1)


@promise("S16", "All belongs to the mounter and is read-only")
def modes_and_owners(stage):
    for path, mode in ((stage.revision, stat.S_IFDIR | 0o555),
                       (stage.revision + "/sub", stat.S_IFDIR | 0o555),
                       (stage.tree.path + "/acme", stat.S_IFDIR | 0o555),
                       (stage.revision + "/config.json", stat.S_IFREG | 0o444),
                       (f"{stage.tree.path}/{NAME}@/v1", stat.S_IFLNK | 0o777)):
        found = os.lstat(path)
        equal(found.st_mode, mode, path)
        equal((found.st_uid, found.st_gid), (os.geteuid(), os.getegid()), path)


@promise("S16", "All belongs to the mounter and is read-only")
def every_change_is_refused(stage):
    file, folder = stage.revision + "/config.json", stage.revision + "/sub"
    attempts = {
        "create": lambda: open(folder + "/new", "w", encoding="ascii"),
        "append": lambda: open(file, "a", encoding="ascii"),
        "read and write": lambda: open(file, "r+", encoding="ascii"),
        "truncate": lambda: os.truncate(file, 0),
        "mkdir": lambda: os.mkdir(folder + "/new"),
        "rmdir": lambda: os.rmdir(folder),
        "unlink": lambda: os.unlink(file),
        "rename": lambda: os.rename(file, file + "2"),
        "link": lambda: os.link(file, file + "2"),
        "symlink": lambda: os.symlink("x", folder + "/new"),
        "mknod": lambda: os.mknod(folder + "/new"),
        "chmod": lambda: os.chmod(file, 0o644),
        "chown": lambda: os.chown(file, 1, 1),
        "utime": lambda: os.utime(file),
        "setxattr": lambda: os.setxattr(file, "user.modelfs.x", b"1"),
        "removexattr": lambda: os.removexattr(file, "user.modelfs.oid"),
        "mkdir at the top": lambda: os.mkdir(stage.tree.path + "/new"),
        "mkdir below an owner": lambda: os.mkdir(stage.tree.path + "/acme/new"),
    }
    for name, attempt in attempts.items():
        with raises(errno.EROFS, name):
            attempt()


@promise("S16", "All belongs to the mounter and is read-only")
def owners_can_be_chosen(stage):
    mount = stage.mount(stage.server, f"hf://{NAME}@v1", "owned", "cache-owned")
    mount.start("--uid", "1234", "--gid", "4321")
    found = os.stat(mount.path + "/config.json")
    equal((found.st_uid, found.st_gid), (1234, 4321))
    mount.end()


@promise("S18", "du counts what a copy would take")
def du_counts_full_sizes(stage):
    size = sum(os.path.getsize(os.path.join(place, name))
               for place, _, names in os.walk(stage.source) for name in names)
    equal(int(run("du", "-sb", "--apparent-size", stage.revision).split()[0]),
          size, "bytes")
    found = os.stat(stage.revision + "/model.safetensors")
    equal(found.st_blocks, (3_000_001 + 511) // 512)
    fresh = stage.mount(stage.server, f"hf://{NAME}@v1", "fresh", "cache-fresh").start()
    equal(os.stat(fresh.path + "/model.safetensors").st_blocks, (3_000_001 + 511) // 512)
    equal(fresh.fetched(), 0, "bytes fetched")
    fresh.end()


@promise("S19", "df shows the cache")
def df_shows_the_cache(stage):
    mount = stage.mount(stage.server, "hf://models", "limited", "cache-limited")
    mount.start("--cache-size", "100MB")
    before = os.statvfs(mount.path)
    equal(before.f_blocks * before.f_frsize // 4096, 100_000_000 // 4096)
    read(f"{mount.path}/{NAME}@v1/model.safetensors")
    used = wait_for(lambda: mount.status()["fileSystem"]["usedBytes"], 5, "cached bytes")
    after = os.statvfs(mount.path)
    expect(used >= 3_000_001, used)
    expect(abs((after.f_blocks - after.f_bfree) * after.f_frsize - used) < 8192, after)
    equal(run("df", "--output=size", "--block-size=4096", mount.path).split()[-1],
          str(100_000_000 // 4096))
    mount.end()


@promise("S20", "Listed attributes never change")
def listed_attributes(stage):
    equal(sorted(os.listxattr(stage.revision)),
          ["user.modelfs.commit", "user.modelfs.repo", "user.modelfs.revision"])
    get = os.getxattr
    equal(get(stage.revision, "user.modelfs.repo"), b"models/" + NAME.encode())
    equal(get(stage.revision, "user.modelfs.revision"), b"v1")
    equal(get(stage.revision + "/sub/deeper", "user.modelfs.revision"), b"v1")
    commit = get(stage.revision, "user.modelfs.commit")
    equal(len(commit), 40)
    equal(get(f"{stage.tree.path}/{NAME}", "user.modelfs.revision"), commit)
    equal(os.listxattr(stage.revision + "/config.json"), ["user.modelfs.oid"])
    blob = run("git", "hash-object", stage.source + "/config.json").strip()
    equal(get(stage.revision + "/config.json", "user.modelfs.oid").decode(), blob)
    expect("user.modelfs.sha256" in os.listxattr(stage.revision + "/model.safetensors"))
    digest = run("sha256sum", stage.source + "/model.safetensors").split()[0]
    equal(get(stage.revision + "/model.safetensors", "user.modelfs.sha256").decode(), digest)


@promise("S21", "Attributes that change answer by name and are not listed")
def unlisted_attributes(stage):
    file = stage.revision + "/sub/block.bin"
    read(file)
    equal(os.getxattr(file, "user.modelfs.cached"), b"524288")
    equal(os.getxattr(file, "user.modelfs.size"), b"524288")
    expect(os.getxattr(file, "user.modelfs.verified").startswith(b"yes "))
    equal(os.getxattr(stage.revision + "/sub/deeper", "user.modelfs.path"), b"sub/deeper")
    equal(os.getxattr(f"{stage.tree.path}/{NAME}@", "user.modelfs.repo"),
          b"models/" + NAME.encode())
    with raises(errno.ENODATA, "an attribute that is none"):
        os.getxattr(file, "user.modelfs.nothing")
    with raises(errno.ENODATA, "of others"):
        os.getxattr(file, "security.selinux")
    copy = stage.path("with-attributes")
    shutil.copytree(stage.revision + "/sub", copy)
    done = subprocess.run(["cp", "-a", file, stage.path("alone")], check=False, timeout=20)
    equal(done.returncode, 0, "cp -a")
    try:
        names = os.listxattr(stage.path("alone"))
    except OSError:
        return
    expect("user.modelfs.cached" not in names and "user.modelfs.verified" not in names, names)


main(__name__, prepare)
