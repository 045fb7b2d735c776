#!/usr/bin/env python3
# seconds: 120
"""The tree and its names: sources, owners, revisions, versions, aliases, types."""

import errno
import os

from suite import (drop_names, equal, expect, main, promise, raises, read, run, snapshot, wait_for,
                   write)

NAME = "acme/tiny"


def prepare(stage):
    """Repositories of every type, with revisions of every kind."""
    hub = stage.hub("hub")
    for version in ("v1", "v2"):
        folder = stage.path("source", version)
        write(folder + "/config.json", f'{{"version": "{version}"}}')
        write(folder + "/same.txt", "the same in both")
        write(folder + "/onnx/deep/model.onnx", version * 1000)
    hub.add(NAME, stage.path("source/v1"), "--tag", "v1.0")
    hub.add(NAME, stage.path("source/v2"), "--tag", "v2.0")
    hub.add(NAME, stage.path("source/v1"), "--revision", "feature/one")
    hub.add(NAME, stage.path("source/v2"), "--revision", "refs/pr/3")
    hub.add("acme/other", stage.path("source/v1"))
    hub.add("zebra/stripes", stage.path("source/v1"))
    hub.add("legacy", stage.path("source/v1"))
    hub.add("acme/canonical", stage.path("source/v2"), "--tag", "v1")
    hub.alias("oldname", "acme/canonical")
    hub.alias("zebra/moved", "acme/canonical")
    dataset = stage.path("source/dataset")
    write(dataset + "/train.csv", "a,b\n1,2\n")
    hub.add(NAME, dataset, "--type", "dataset")
    space = stage.path("source/space")
    write(space + "/app.py", "print('hello')\n")
    hub.add(NAME, space, "--type", "space")
    hub.start()
    stage.server = hub
    stage.tree = stage.mount(hub).start()


@promise("S1", "A source is an hf:// URI and becomes the root of a mount")
def every_source_can_be_mounted(stage):
    tree = stage.tree
    everything = tree.add("hf://", "everything")
    equal(sorted(os.listdir(everything.path)), ["datasets", "models", "spaces"])
    equal(read(f"{everything.path}/datasets/{NAME}/train.csv"), b"a,b\n1,2\n")
    datasets = tree.add("hf://datasets", "datasets")
    equal(os.listdir(f"{datasets.path}/{NAME}"), ["train.csv"])
    spaces = tree.add("hf://spaces", "spaces")
    equal(os.listdir(f"{spaces.path}/{NAME}"), ["app.py"])
    revision = tree.add(f"hf://{NAME}@v1.0", "revision")
    equal(snapshot(revision.path), snapshot(stage.path("source/v1")))
    dataset = tree.add(f"hf://datasets/{NAME}@main", "dataset")
    equal(os.listdir(dataset.path), ["train.csv"])
    for mount in (everything, datasets, spaces, revision, dataset):
        mount.stop()


@promise("S1", "A source is an hf:// URI and becomes the root of a mount")
def a_folder_of_a_revision_can_be_mounted(stage):
    folder = stage.tree.add(f"hf://{NAME}@v1.0/onnx/deep", "folder")
    equal(read(folder.path + "/model.onnx"), b"v1" * 1000)
    folder.stop()
    default = stage.tree.add(f"hf://{NAME}", "default")
    equal(snapshot(default.path), snapshot(stage.path("source/v2")))
    default.stop()


@promise("S2", "Under a type stand owners, and under an owner its repositories")
def owners_list_their_repositories(stage):
    names = os.listdir(stage.tree.path + "/acme")
    for name in ("tiny", "other", "canonical"):
        expect(name in names, name, "is missing in", names)
    equal(snapshot(f"{stage.tree.path}/{NAME}"), snapshot(stage.path("source/v2")))
    equal(os.getxattr(stage.tree.path + "/acme", "user.modelfs.truncated"), b"no")


@promise("S2", "Under a type stand owners, and under an owner its repositories")
def refs_that_were_looked_at_are_listed(stage):
    expect("other@main" not in os.listdir(stage.tree.path + "/acme"))
    os.listdir(stage.tree.path + "/acme/other@main")
    os.listdir(stage.tree.path + "/acme/tiny@")
    for name in ("other@main", "tiny@main", "tiny@v1.0", "tiny@v2.0", "tiny@feature%2Fone"):
        wait_for(lambda: name in os.listdir(stage.tree.path + "/acme"), 1, name)


@promise("S3", "The top lists only owners that were used")
def the_top_lists_what_was_used(stage):
    names = os.listdir(stage.tree.path)
    expect("acme" in names and "zebra" not in names, names)
    os.stat(stage.tree.path + "/zebra/stripes")
    wait_for(lambda: "zebra" in os.listdir(stage.tree.path), 1, "an owner that was used")


@promise("S3", "The top lists only owners that were used")
def forbidden_names_cost_no_request(stage):
    before = stage.server.requests()
    for name in (".git", ".Trash", ".Trash-1000", "a--b", "-a", "a.", "x" * 97, "näme", "a b",
                 "a.git", "tiny@a..b", "tiny@~"):
        for place in (stage.tree.path, stage.tree.path + "/acme"):
            with raises(errno.ENOENT, name):
                os.stat(f"{place}/{name}")
    equal(stage.server.requests(), before, "requests")


@promise("S4", "A revision is the directory NAME@REV")
def branches_tags_and_commits_are_directories(stage):
    top = f"{stage.tree.path}/{NAME}"
    first, second = (snapshot(stage.path("source", version)) for version in ("v1", "v2"))
    equal(snapshot(top + "@v1.0"), first)
    equal(snapshot(top + "@main"), second)
    equal(snapshot(top + "@feature%2Fone"), first)
    equal(snapshot(top + "@refs%2Fpr%2F3"), second)
    commit = os.getxattr(top + "@v1.0", "user.modelfs.commit").decode()
    equal(snapshot(f"{top}@{commit}"), first)


@promise("S4", "A revision is the directory NAME@REV")
def short_commits_are_found(stage):
    top = f"{stage.tree.path}/{NAME}"
    commit = os.getxattr(top + "@v2.0", "user.modelfs.commit").decode()
    for length in (7, 12, 39):
        name = f"{top}@{commit[:length]}"
        equal(read(name + "/config.json"), b'{"version": "v2"}')
        equal(os.getxattr(name, "user.modelfs.commit").decode(), commit)
    for revision in (commit[:6], "0" * 40, "nothing", "feature%2fnone", "a%2"):
        with raises(errno.ENOENT, revision):
            os.stat(f"{top}@{revision}")


@promise("S5", "NAME@ is a directory with a link for every version")
def versions_are_links(stage):
    versions = f"{stage.tree.path}/{NAME}@"
    wanted = ["feature%2Fone", "main", "refs%2Fpr%2F3", "v1.0", "v2.0"]
    equal(sorted(os.listdir(versions)), wanted)
    for name in wanted:
        equal(os.readlink(f"{versions}/{name}"), f"../tiny@{name}")
        expect(os.path.isfile(f"{versions}/{name}/config.json"))
    with raises(errno.ENOENT, "no such version"):
        os.lstat(versions + "/v9")
    expect("tiny@" not in os.listdir(stage.tree.path + "/acme"))


@promise("S6", "An alias is a link to the name that the Hub uses now")
def aliases_are_links(stage):
    top = stage.tree.path
    equal(os.readlink(top + "/oldname"), "acme/canonical")
    equal(os.readlink(top + "/oldname@main"), "acme/canonical@main")
    equal(os.readlink(top + "/oldname@"), "acme/canonical@")
    equal(os.readlink(top + "/zebra/moved@v1"), "../acme/canonical@v1")
    for name in ("oldname", "zebra/moved"):
        equal(os.stat(f"{top}/{name}@v1/config.json").st_ino,
              os.stat(top + "/acme/canonical@v1/config.json").st_ino)
    expect("v1" in os.listdir(top + "/oldname@"))


@promise("S6", "An alias is a link to the name that the Hub uses now")
def legacy_names_without_another_are_directories(stage):
    equal(snapshot(stage.tree.path + "/legacy"), snapshot(stage.path("source/v1")))
    equal(read(stage.tree.path + "/legacy@main/config.json"), b'{"version": "v1"}')
    wait_for(lambda: "legacy" in os.listdir(stage.tree.path), 1, "a legacy name")


@promise("S6", "An alias is a link to the name that the Hub uses now")
def an_alias_is_a_source(stage):
    mount = stage.tree.add("hf://zebra/moved@v1", "moved")
    equal(read(mount.path + "/config.json"), b'{"version": "v2"}')
    mount.stop()


@promise("S7", "Models, datasets and spaces are told apart by their type alone")
def equal_names_of_different_types_differ(stage):
    everything = stage.tree.add("hf://", "types")
    for kind, file in (("models", "config.json"), ("datasets", "train.csv"),
                       ("spaces", "app.py")):
        expect(file in os.listdir(f"{everything.path}/{kind}/{NAME}"), kind)
    everything.stop()


@promise("S8", "Names are the Hub's bytes, and bad ones never arrive")
def unusual_names_are_kept(stage):
    folder = stage.path("source/unusual")
    names = ["with blank.txt", "e\u0301.txt", "\u00e9.txt", "semi;colon&$(x).txt", "-dash",
             "percent%2F.txt", "at@sign", "日本.bin", "x" * 255, ".hidden", "tab'quote\".md"]
    for name in names:
        write(f"{folder}/sub folder/{name}", name)
    stage.server.add("acme/unusual", folder)
    drop_names()
    equal(snapshot(stage.tree.path + "/acme/unusual@main"), snapshot(folder))
    run("diff", "-r", folder, stage.tree.path + "/acme/unusual@main")


main(__name__, prepare)
