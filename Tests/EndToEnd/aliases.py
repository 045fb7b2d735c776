#!/usr/bin/env python3
# seconds: 120
"""Aliases: names of this machine's own for revisions, changed at once and taken back."""

import errno
import json
import os
import shutil

from suite import (PLAIN, equal, expect, main, noise, promise, raises, read, says, wait_for,
                   within, write)

NAME = "acme/model"
STAGING = "acme/model-staging"
MEBI = 1 << 20


def prepare(stage):
    hub = stage.hub()
    stage.versions = {}
    for tag, seed in (("v1", 1), ("v2", 2)):
        folder = stage.path(f"source-{tag}")
        stage.versions[tag] = noise(seed, 2 * MEBI)
        write(folder + "/model.bin", stage.versions[tag])
        write(folder + "/config.json", json.dumps({"version": tag}))
        hub.add(NAME, folder, "--tag", tag)
    hub.add(STAGING, stage.path("source-v2"), "--tag", "candidate")
    hub.start(xet=True)
    stage.server = hub
    stage.tree = stage.mount(hub, "hf://models", "tree", "cache").start(**PLAIN)


def alias(stage, *words, code=0, **variables):
    return stage.modelfs("alias", *words, "--cache", stage.tree.cache, code=code, **variables)


def commit(stage, tag):
    return os.getxattr(f"{stage.tree.path}/{NAME}@{tag}", "user.modelfs.commit").decode()


@promise("S92", "An alias is a link to one commit")
def it_leads_to_what_was_promoted(stage):
    with raises(errno.ENOENT, "an alias that is none"):
        os.stat(stage.tree.path + "/@prod")
    says(alias(stage, "set", "prod", f"{NAME}@v1"), "@prod: nothing →", "(v1)")
    link = stage.tree.path + "/@prod"
    wait_for(lambda: os.path.islink(link), 3, "the alias")
    equal(os.readlink(link), f"{NAME}@{commit(stage, 'v1')}")
    equal(read(link + "/model.bin"), stage.versions["v1"])
    equal(os.getxattr(link, "user.modelfs.commit").decode(), commit(stage, "v1"))
    expect("@prod" in os.listdir(stage.tree.path), os.listdir(stage.tree.path))


@promise("S92", "An alias is a link to one commit")
def it_changes_within_a_second_and_leaves_who_is_inside(stage):
    link = stage.tree.path + "/@prod"
    inside = os.open(link, os.O_RDONLY | os.O_DIRECTORY)
    alias(stage, "set", "prod", f"{NAME}@v2")
    with within(3, "the change"):
        wait_for(lambda: read(link + "/config.json") == b'{"version": "v2"}', 3, "the change")
    file = os.open("model.bin", os.O_RDONLY, dir_fd=inside)
    equal(os.pread(file, 4096, MEBI), stage.versions["v1"][MEBI:MEBI + 4096])
    os.close(file)
    os.close(inside)


@promise("S93", "Nothing is promoted that is not proven here")
def what_cannot_be_fetched_leaves_the_alias(stage):
    folder = stage.path("source-v3")
    write(folder + "/model.bin", noise(3, 2 * MEBI))
    stage.server.add(NAME, folder, "--tag", "v3")
    stage.server.faults("status=404,path=/_data/*", "status=404,path=/_xorb/*",
                        "status=404,path=/v2/*", "status=404,path=/v1/*")
    said = alias(stage, "set", "prod", f"{NAME}@v3", code=6)
    says(said, "not set", "model.bin")
    stage.server.faults()
    equal(os.readlink(stage.tree.path + "/@prod"), f"{NAME}@{commit(stage, 'v2')}")
    alias(stage, "set", "prod", f"{NAME}@v3")
    found = json.loads(alias(stage, "list", "prod", "--json"))["rows"][0]["to"]["commit"]
    path = f"{stage.tree.path}/{NAME}@{found}/model.bin"
    expect(os.getxattr(path, "user.modelfs.verified").startswith(b"yes "), "not proven")
    alias(stage, "rollback", "prod")


@promise("S94", "A rollback needs no network")
def what_it_was_before_is_still_here(stage):
    alias(stage, "set", "live", f"{STAGING}@candidate")
    alias(stage, "set", "live", f"{NAME}@v1")
    # What is not kept by an alias goes.
    stage.modelfs("cache", "evict", "--shared", NAME, "--cache", stage.tree.cache)
    stage.modelfs("cache", "evict", "--shared", STAGING, "--cache", stage.tree.cache)
    stage.server.stop()
    says(alias(stage, "rollback", "live"), "@live:")
    link = stage.tree.path + "/@live"
    with within(3, "the rollback"):
        wait_for(lambda: os.readlink(link).startswith(STAGING), 3, "the rollback")
    equal(read(link + "/model.bin"), stage.versions["v2"])
    says(alias(stage, "rollback", "live"), "@live:")
    stage.server.start(xet=True)


@promise("S95", "Every change of an alias is noted")
def the_history_says_who_when_from_and_to(stage):
    rows = json.loads(alias(stage, "history", "prod", "--json"))["rows"]
    equal([row["number"] for row in rows], [4, 3, 2, 1])
    equal([row.get("from", {}).get("revision") for row in rows], ["v3", "v2", "v1", None])
    equal([row["to"]["revision"] for row in rows], ["v2", "v3", "v2", "v1"])
    expect(all(row["who"] and row["changedAt"].endswith("Z") for row in rows), rows)
    says(alias(stage, "history", "prod"), "@prod", "→")
    says(stage.tree.log(), "an alias was changed")


@promise("S95", "Every change of an alias is noted")
def they_survive_the_loss_of_the_catalog(stage):
    before = json.loads(alias(stage, "history", "--json"))["rows"]
    # What changed is in the packs a moment later.
    stage.tree.end()
    os.unlink(stage.tree.cache + "/catalog.db")
    stage.tree.start(**PLAIN)
    equal(json.loads(alias(stage, "history", "--json"))["rows"], before)
    equal(read(stage.tree.path + "/@live/model.bin"), stage.versions["v1"])


@promise("S92", "An alias is a link to one commit")
def what_is_wrong_is_said(stage):
    cases = (
        (("set", "a/b/c", f"{NAME}@v1"), 2, "is no name for an alias"),
        (("set", ".hidden", f"{NAME}@v1"), 2, "is no name for an alias"),
        (("set", "prod", f"{NAME}@nowhere"), 7, "nowhere"),
        (("set", "datasets/prod", f"{NAME}@v1"), 2, "an alias of datasets"),
        (("set", "prod", f"{NAME}@v2"), 0, "already"),
        (("rollback", "nobody"), 7, "there is no alias nobody"),
        (("remove", "nobody"), 7, "there is no alias nobody"),
        (("list", "nobody"), 7, "there is no alias nobody"),
    )
    for words, code, text in cases:
        says(alias(stage, *words, code=code), text)


@promise("S92", "An alias is a link to one commit")
def removed_it_is_gone(stage):
    says(alias(stage, "remove", "prod"), "→ nothing")
    link = stage.tree.path + "/@prod"
    wait_for(lambda: not os.path.lexists(link), 3, "the alias to be gone")
    says(alias(stage, "history", "prod"), "→ nothing")
    stage.tree.end()
    # Without a daemon the commands do the same.
    says(alias(stage, "set", "prod", f"{NAME}@v1", HF_ENDPOINT=stage.server.endpoint, **PLAIN),
         "@prod: nothing →")
    shutil.rmtree(stage.path("source-v3"))


main(__name__, prepare)
