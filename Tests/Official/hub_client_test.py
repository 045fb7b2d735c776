#!/usr/bin/env python3
# seconds: 300
"""The local Hub in the eyes of the official client.

Fills a Hub with public, private and gated models, data sets and spaces, serves it, and lets the
newest `huggingface_hub` do with it what a reader does with the Hub: info, refs, trees, paths,
lists, downloads by branch, tag and commit, and each of its error classes. Prints a line for each
check and then 'N passed, N failed'.

    python3 Tests/Official/hub_client_test.py [MODELFS_HUB]

The program is the argument, or $MODELFS_HUB, or that of $MODELFS_BIN, or the debug build. Needs
`pip install huggingface_hub`. Everything is on 127.0.0.1 and in one temporary folder.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

# Over plain HTTP: hub_xet_test.py is about Xet.
os.environ["HF_HUB_DISABLE_XET"] = "1"

from hub_stage import (
    SCRATCH, Server, Stage, equal, expect, files_below, git_blob, noise, play, program, refused,
    run, write)

import huggingface_hub  # after hub_stage, which sets its environment
from huggingface_hub.errors import (
    EntryNotFoundError, GatedRepoError, HfHubHTTPError, RemoteEntryNotFoundError,
    RepositoryNotFoundError, RevisionNotFoundError)

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


@check
def info_of_a_model(stage):
    info = stage.server.api().model_info("acme/model")
    equal((info.id, info.sha, info.private, info.gated), ("acme/model", stage.v2, False, False))
    equal(info.author, "acme")
    expect(info.last_modified > info.created_at, info.last_modified, info.created_at)
    equal(sorted(s.rfilename for s in info.siblings), sorted(files_below(stage.source("v2"))))


@check
def info_by_branch_tag_and_commit(stage):
    api = stage.server.api()
    for revision, wanted in [
            ("main", stage.v2), ("v1.0", stage.v1), ("v2.0", stage.v2), (stage.v1, stage.v1),
            (stage.v1[:7], stage.v1), ("refs/pr/3", stage.pull), ("feature/x", stage.feature)]:
        equal(api.model_info("acme/model", revision=revision).sha, wanted, revision)


@check
def info_with_blobs(stage):
    info = stage.server.api().model_info("acme/model", revision="v1.0", files_metadata=True)
    source = files_below(stage.source("v1"))
    for sibling in info.siblings:
        data = source[sibling.rfilename]
        equal(sibling.size, len(data), sibling.rfilename)
        if sibling.rfilename.endswith((".safetensors", ".onnx")):
            equal(sibling.lfs.sha256, hashlib.sha256(data).hexdigest())
            equal(sibling.lfs.size, len(data))
        else:
            equal((sibling.lfs, sibling.blob_id), (None, git_blob(data)), sibling.rfilename)


@check
def info_of_data_sets_and_spaces(stage):
    api = stage.server.api()
    equal(api.dataset_info("acme/data").id, "acme/data")
    equal(api.space_info("acme/space").id, "acme/space")
    refused(RepositoryNotFoundError, api.model_info, "acme/data")
    expect(api.repo_exists("acme/data", repo_type="dataset"), "a data set exists")
    expect(not api.repo_exists("acme/data"), "but no model of that name")


@check
def chosen_properties(stage):
    info = stage.server.api().model_info("acme/model", expand=["sha", "private"])
    equal((info.sha, info.private, info.siblings, info.tags), (stage.v2, False, None, None))


@check
def refs(stage):
    refs = stage.server.api().list_repo_refs("acme/model", include_pull_requests=True)
    equal({ref.name: ref.target_commit for ref in refs.branches},
          {"main": stage.v2, "feature/x": stage.feature})
    equal({ref.name: ref.target_commit for ref in refs.tags},
          {"v1.0": stage.v1, "v2.0": stage.v2})
    equal([ref.ref for ref in refs.tags], ["refs/tags/v1.0", "refs/tags/v2.0"])
    equal([(ref.ref, ref.target_commit) for ref in refs.pull_requests],
          [("refs/pr/3", stage.pull)])
    equal(stage.server.api().list_repo_refs("acme/model").pull_requests, None)


@check
def a_tree_by_folders(stage):
    api = stage.server.api()
    top = list(api.list_repo_tree("acme/model"))
    equal(sorted(item.path for item in top), sorted(os.listdir(stage.source("v2"))))
    below = list(api.list_repo_tree("acme/model", "sub", revision="v1.0"))
    equal(sorted(item.path for item in below), ["sub/deep", "sub/vocab.txt"])
    equal([item.path for item in api.list_repo_tree("acme/model", "sub/deep")],
          ["sub/deep/notes.txt"])
    refused(RemoteEntryNotFoundError, lambda: list(api.list_repo_tree("acme/model", "nowhere")))


@check
def a_tree_with_everything(stage):
    source = files_below(stage.source("v2"))
    items = list(stage.server.api().list_repo_tree("acme/model", recursive=True))
    files = {item.path: item for item in items if hasattr(item, "blob_id")}
    equal(sorted(files), sorted(source))
    for path, item in files.items():
        equal(item.size, len(source[path]), path)
        if item.lfs:
            equal(item.lfs.sha256, hashlib.sha256(source[path]).hexdigest(), path)
            pointer = (b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"
                       % (item.lfs.sha256.encode(), item.size))
            equal((item.blob_id, item.lfs.pointer_size), (git_blob(pointer), len(pointer)), path)
        else:
            equal(item.blob_id, git_blob(source[path]), path)
    equal(sorted(item.path for item in items if not hasattr(item, "blob_id")),
          ["onnx", "sub", "sub/deep", "\u00fcnicode"])


@check
def a_tree_with_last_commits(stage):
    items = stage.server.api().list_repo_tree("acme/model", recursive=True, expand=True)
    commits = {item.path: item.last_commit for item in items}
    equal((commits["config.json"].oid, commits["config.json"].title), (stage.v1, "First words"))
    equal((commits["sub/new.txt"].oid, commits["sub/new.txt"].title), (stage.v2, "Second"))
    equal(commits["model.safetensors"].oid, stage.v2)
    equal((commits["sub"].oid, commits["sub/deep"].oid), (stage.v2, stage.v1))
    expect(commits["sub/new.txt"].date > commits["config.json"].date, "dates")


@check
def pages_of_a_tree(stage):
    api = stage.server.api()
    stage.server.post("/_modelfs/stats/reset")
    names = [item.path for item in api.list_repo_tree("acme/many", recursive=True)]
    equal((len(names), len(set(names))), (2107, 2107))
    equal(stage.server.stats()["requests"]["tree"], 3, "1000 entries a page")
    names = [item.path for item in api.list_repo_tree("acme/many", "folder3", expand=True)]
    equal(len(names), 300)
    equal(stage.server.stats()["requests"]["tree"], 3 + 6, "50 entries a page with expand")


@check
def pages_stay_on_their_commit(stage):
    stage.add("acme/moving", "many")
    _, headers, body = stage.server.get("/api/models/acme/moving/tree/main?recursive=1&limit=2000")
    equal(len(json.loads(body)), 1000, "the limit has a limit")
    link = headers["Link"]
    expect(link.startswith(f"<{stage.server.url}/") and link.endswith('>; rel="next"'), link)
    stage.add("acme/moving", "v1")
    _, _, body = stage.server.get(link[1:link.index(">")])
    equal(len(json.loads(body)), 1000, "the second page of the first commit")


@check
def paths(stage):
    api = stage.server.api()
    wanted = ["config.json", "sub", "nowhere", "model.safetensors", "a file with spaces & more.md"]
    found = {item.path: item for item in api.get_paths_info("acme/model", wanted)}
    equal(sorted(found), sorted(set(wanted) - {"nowhere"}))
    equal(found["model.safetensors"].lfs.size, 300_002)
    item = api.get_paths_info("acme/model", "config.json", revision="v1.0", expand=True)[0]
    equal(item.last_commit.oid, stage.v1)
    request = urllib.request.Request(
        stage.server.url + "/api/models/acme/model/paths-info/main", method="POST",
        data=json.dumps({"paths": ["sub/new.txt"]}).encode(),
        headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        equal([item["path"] for item in json.load(answer)], ["sub/new.txt"])


@check
def one_file_at_a_time(stage):
    api, cache = stage.server.api(), stage.cache()
    for revision, source in [(None, "v2"), ("v1.0", "v1"), (stage.v1, "v1"), ("refs/pr/3", "v1")]:
        for path, data in files_below(stage.source(source)).items():
            local = api.hf_hub_download("acme/model", path, revision=revision, cache_dir=cache)
            with open(local, "rb") as file:
                equal(file.read(), data, f"{path} of {revision}")
    blobs = os.listdir(os.path.join(cache, "models--acme--model", "blobs"))
    expect(hashlib.sha256(noise(3, 300_002)).hexdigest() in blobs, "named by sha256")


@check
def whole_snapshots(stage):
    api = stage.server.api()
    for revision, commit, source in [
            (None, stage.v2, "v2"), ("main", stage.v2, "v2"), ("v1.0", stage.v1, "v1"),
            (stage.v1, stage.v1, "v1"), ("feature/x", stage.feature, "v1")]:
        folder = api.snapshot_download("acme/model", revision=revision, cache_dir=stage.cache())
        equal(os.path.basename(folder), commit, revision)
        equal(files_below(folder), files_below(stage.source(source)), revision)


@check
def snapshots_of_data_sets_and_spaces(stage):
    for name, kind in [("acme/data", "dataset"), ("acme/space", "space")]:
        folder = stage.server.api().snapshot_download(
            name, repo_type=kind, cache_dir=stage.cache())
        equal(files_below(folder), files_below(stage.source("v2")), kind)


@check
def a_snapshot_into_a_folder_and_back(stage):
    folder = os.path.join(SCRATCH, "local")
    stage.server.api().snapshot_download("acme/model", revision="v1.0", local_dir=folder)
    equal(files_below(folder), files_below(stage.source("v1")))
    made = stage.hub("add", "acme/copy", folder).split()[0]
    info = stage.server.api().model_info("acme/copy", revision=made)
    equal(len(info.siblings), len(files_below(stage.source("v1"))), "without .cache")


@check
def private_repositories(stage):
    for token in (None, stage.gated_token):
        api = stage.server.api(token)
        refused(RepositoryNotFoundError, api.model_info, "acme/secret")
        refused(RepositoryNotFoundError, lambda: list(api.list_repo_tree("acme/secret")))
        refused(RepositoryNotFoundError, api.list_repo_refs, "acme/secret")
        refused(RepositoryNotFoundError, api.get_paths_info, "acme/secret", "config.json")
        refused(RepositoryNotFoundError, api.auth_check, "acme/secret")
        refused(RepositoryNotFoundError, api.hf_hub_download, "acme/secret", "config.json",
                cache_dir=stage.cache())
        refused(RepositoryNotFoundError, api.snapshot_download, "acme/secret",
                cache_dir=stage.cache())
    for token in (stage.all_token, stage.one_token):
        api = stage.server.api(token)
        expect(api.model_info("acme/secret").private, "private")
        api.auth_check("acme/secret")
        folder = api.snapshot_download("acme/secret", cache_dir=stage.cache())
        equal(files_below(folder), files_below(stage.source("v1")))
    refused(RepositoryNotFoundError, stage.server.api(stage.one_token).dataset_info,
            "acme/hidden-data")
    stage.server.api(stage.all_token).dataset_info("acme/hidden-data")


@check
def gated_repositories(stage):
    for token in (None, stage.one_token):
        api = stage.server.api(token)
        equal(api.model_info("acme/gated").gated, "manual")
        expect(list(api.list_repo_tree("acme/gated")), "names can be seen")
        refused(GatedRepoError, api.auth_check, "acme/gated")
        for path in ("config.json", "model.safetensors"):
            error = refused(GatedRepoError, api.hf_hub_download, "acme/gated", path,
                            cache_dir=stage.cache())
            equal(error.response.status_code, 403 if token else 401)
        refused(GatedRepoError, api.snapshot_download, "acme/gated", cache_dir=stage.cache())
    api = stage.server.api(stage.gated_token)
    api.auth_check("acme/gated")
    folder = api.snapshot_download("acme/gated", cache_dir=stage.cache())
    equal(files_below(folder), files_below(stage.source("v1")))


@check
def tokens_that_are_no_good(stage):
    revoked = stage.hub("token", "create").strip()
    stage.server.api(revoked).model_info("acme/secret")
    stage.hub("token", "revoke", revoked)
    for token in ("hf_" + "x" * 34, stage.old_token, revoked):
        error = refused(HfHubHTTPError, stage.server.api(token).model_info, "acme/model")
        equal(error.response.status_code, 401)
        equal(error.response.headers["x-error-message"],
              "Invalid credentials in Authorization header")
    run(program(), "token", "revoke", "00000000", "--root", stage.root, code=7)


@check
def who_am_i(stage):
    equal(stage.server.api(stage.all_token).whoami()["type"], "user")
    error = refused(HfHubHTTPError, stage.server.api("hf_wrong").whoami)
    equal(error.response.status_code, 401)


@check
def what_is_missing(stage):
    api = stage.server.api()
    refused(RepositoryNotFoundError, api.model_info, "acme/nothing")
    refused(RepositoryNotFoundError, stage.server.api(stage.all_token).model_info, "acme/nothing")
    refused(RevisionNotFoundError, api.model_info, "acme/model", revision="v9")
    refused(RevisionNotFoundError, api.model_info, "acme/model", revision="0" * 40)
    refused(RevisionNotFoundError, lambda: list(api.list_repo_tree("acme/model", revision="v9")))
    refused(RevisionNotFoundError, api.get_paths_info, "acme/model", "x", revision="v9")
    refused(RevisionNotFoundError, api.hf_hub_download, "acme/model", "config.json",
            revision="v9", cache_dir=stage.cache())
    cache = stage.cache()
    for path in ("nowhere.json", "sub/nowhere.bin", "sub"):
        error = refused(RemoteEntryNotFoundError, api.hf_hub_download, "acme/model", path,
                        cache_dir=cache)
        expect(isinstance(error, EntryNotFoundError), "its base class")
        equal(error.response.headers["x-repo-commit"], stage.v2)
    expect(os.path.exists(f"{cache}/models--acme--model/.no_exist/{stage.v2}/nowhere.json"),
           "the client remembers that it is missing")
    expect(not api.file_exists("acme/model", "nowhere.json"), "file_exists")
    expect(api.file_exists("acme/model", "config.json", revision="v1.0"), "file_exists")
    expect(not api.revision_exists("acme/model", "v9"), "revision_exists")


@check
def old_names(stage):
    api = stage.server.api()
    for name in ("oldname", "acme/former"):
        info = api.model_info(name, revision="v1.0")
        equal((info.id, info.sha), ("acme/model", stage.v1), name)
        equal(len(list(api.list_repo_tree(name))), len(os.listdir(stage.source("v2"))))
        equal(len(api.get_paths_info(name, ["config.json"])), 1)
        folder = api.snapshot_download(name, revision="v1.0", cache_dir=stage.cache())
        equal(files_below(folder), files_below(stage.source("v1")), name)
    equal(api.model_info("legacy").id, "legacy")
    folder = api.snapshot_download("legacy", cache_dir=stage.cache())
    equal(files_below(folder), files_below(stage.source("v1")), "a repository without an owner")
    run(program(), "alias", "acme/model", "legacy", "--root", stage.root, code=1)
    run(program(), "alias", "other", "acme/nothing", "--root", stage.root, code=7)


@check
def lists_of_repositories(stage):
    api = stage.server.api()
    equal([model.id for model in api.list_models(author="zebra")], ["zebra/stripes"])
    found = {model.id: model for model in api.list_models(author="acme")}
    expect("acme/secret" not in found and "acme/gated" in found, sorted(found))
    equal(found["acme/model"].sha, stage.v2)
    seen = [model.id for model in stage.server.api(stage.all_token).list_models(author="acme")]
    expect("acme/secret" in seen, seen)
    equal([item.id for item in api.list_datasets(author="acme")], ["acme/data"])
    equal([item.id for item in api.list_spaces(author="acme")], ["acme/space"])
    equal([model.id for model in api.list_models(search="STRIPE")], ["zebra/stripes"])
    equal(list(api.list_models(author="nobody")), [])
    equal(next(iter(api.list_models(author="zebra", expand=["sha"]))).private, None)
    names, url = [], "/api/models?author=acme&limit=2&expand[]=sha"
    while url:
        _, headers, body = stage.server.get(url)
        page = json.loads(body)
        expect(len(page) <= 2 and all("sha" in item for item in page), page)
        names += [item["id"] for item in page]
        link = headers["Link"]
        url = link[1:link.index(">")] if link else None
    equal(names, sorted(found))


@check
def the_client_s_own_file_system(stage):
    files = huggingface_hub.HfFileSystem(
        endpoint=stage.server.url, token=False, skip_instance_cache=True)
    equal(sorted(files.ls("acme/model@v1.0/sub", detail=False)),
          ["acme/model@v1.0/sub/deep", "acme/model@v1.0/sub/vocab.txt"])
    equal(files.cat_file("acme/model/config.json"), b'{"hidden_size": 4}\n')
    with files.open("datasets/acme/data/model.safetensors", block_size=1 << 14) as file:
        file.seek(200_000)
        equal(file.read(1000), noise(3, 300_002)[200_000:201_000])


@check
def headers_of_a_large_file(stage):
    status, headers, _ = stage.server.get("/acme/model/resolve/v1.0/model.safetensors")
    digest = hashlib.sha256(noise(1, 300_001)).hexdigest()
    equal(status, 302)
    equal((headers["X-Repo-Commit"], headers["X-Linked-Size"], headers["X-Linked-Etag"],
           headers["Accept-Ranges"]), (stage.v1, "300001", f'"{digest}"', "bytes"))
    location = headers["Location"]
    expect(not location.startswith(stage.server.url), "the data is on another host")
    status, headers, body = stage.server.get(location, Range="bytes=10-19")
    equal((status, body), (206, noise(1, 300_001)[10:20]))
    equal((headers["Content-Range"], headers["ETag"]), ("bytes 10-19/300001", f'"{digest}"'))
    equal(stage.server.get(location, Range="bytes=-3")[2], noise(1, 300_001)[-3:])
    status, headers, _ = stage.server.get(location, Range="bytes=300001-")
    equal((status, headers["Content-Range"]), (416, "bytes */300001"))
    equal(stage.server.get(location, If_None_Match=f'"{digest}"')[0], 304)
    equal(stage.server.get(location.replace("Signature=", "Signature=0"))[0], 403)
    equal(stage.server.get(location.split("?")[0])[0], 403)
    host = location[:location.index("/", 8)]
    equal(stage.server.get(host + "/api/models/acme/model")[0], 404, "data and nothing else")


@check
def headers_of_a_small_file(stage):
    status, headers, _ = stage.server.get("/acme/model/resolve/main/config.json")
    equal((status, headers["X-Repo-Commit"]), (307, stage.v2))
    location = headers["Location"]
    expect(location.startswith(f"/api/resolve-cache/models/acme/model/{stage.v2}/config.json?"),
           location)
    status, headers, body = stage.server.get(location)
    equal((status, body), (200, b'{"hidden_size": 4}\n'))
    equal((headers["X-Repo-Commit"], headers["ETag"]), (stage.v2, f'"{git_blob(body)}"'))
    equal(stage.server.get(location, If_None_Match=headers["ETag"])[0], 304)
    status, headers, body = stage.server.get("/api/models/acme/model")
    equal(stage.server.get("/api/models/acme/model", If_None_Match=headers["ETag"])[0], 304)


@check
def tokens_stay_with_the_hub(stage):
    stage.server.post("/_modelfs/stats/reset")
    api = stage.server.api(stage.all_token)
    api.snapshot_download("acme/secret", cache_dir=stage.cache())
    api.hf_hub_download("acme/gated", "model.safetensors", cache_dir=stage.cache())
    stats = stage.server.stats()
    equal((stats["requests"]["data"], stats["dataWithAuthorization"]), (3, 0))
    equal(stats["dataBytes"], 2 * 300_001 + 70_000)


@check
def data_on_the_same_host(stage):
    server = Server(stage.root)
    try:
        api = server.api()
        path = api.hf_hub_download("acme/model", "model.safetensors", cache_dir=stage.cache())
        equal(os.path.getsize(path), 300_002)
        folder = api.snapshot_download("acme/model", revision="v1.0", cache_dir=stage.cache())
        equal(files_below(folder), files_below(stage.source("v1")))
        folder = server.api(stage.one_token).snapshot_download(
            "acme/secret", cache_dir=stage.cache())
        equal(files_below(folder), files_below(stage.source("v1")))
    finally:
        server.stop()


@check
def urls_that_expire(stage):
    server = Server(stage.root, "--url-lifetime", "1")
    try:
        _, headers, _ = server.get("/acme/model/resolve/main/model.safetensors")
        equal(server.get(headers["Location"])[0], 200)
        time.sleep(2)
        equal(server.get(headers["Location"])[0], 403)
        path = server.api().hf_hub_download(
            "acme/model", "model.safetensors", cache_dir=stage.cache())
        equal(os.path.getsize(path), 300_002)
    finally:
        equal(server.stop(), 0, "exit code")


@check
def quotas(stage):
    server = Server(stage.root, "--quota", "api=3,resolvers=2,window=60")
    try:
        api = server.api()
        for _ in range(3):
            api.model_info("acme/model")
        error = refused(HfHubHTTPError, api.model_info, "acme/model")
        equal(error.response.status_code, 429)
        expect(error.response.headers["ratelimit"].startswith('"api";r=0;t='), "RateLimit")
        equal(error.response.headers["ratelimit-policy"], '"fixed window";"api";q=3;w=60')
        expect("'api' rate limit" in str(error), error)
        expect(0 < int(error.response.headers["retry-after"]) <= 60, "Retry-After")
        equal(server.get("/api/models", Authorization=f"Bearer {stage.all_token}")[0], 200,
              "a token has a quota of its own")
        codes = [server.get("/acme/model/resolve/main/config.json")[0] for _ in range(3)]
        equal(codes, [307, 307, 429])
    finally:
        server.stop()


@check
def bad_weather(stage):
    api = stage.server.api()

    def weather(**settings):
        return stage.server.post("/_modelfs/faults", settings)

    try:
        weather(faults=["status=503,count=2,path=/acme/model/resolve/*"])
        equal(stage.server.get("/acme/model/resolve/main/config.json")[0], 503)
        path = api.hf_hub_download("acme/model", "config.json", cache_dir=stage.cache())
        equal(os.path.getsize(path), 19)
        weather(faults=["truncate,count=1,path=/_data/*"])
        path = api.hf_hub_download("acme/model", "model.safetensors", cache_dir=stage.cache())
        with open(path, "rb") as file:
            equal(file.read(), noise(3, 300_002), "after a truncated answer")
        weather(faults=["flip,path=/_data/*"], seed=5)
        path = api.hf_hub_download("acme/model", "model.safetensors", cache_dir=stage.cache())
        with open(path, "rb") as file:
            pairs = zip(file.read(), noise(3, 300_002))
        equal(sum(one != other for one, other in pairs), 1, "one byte is another one")
        weather(faults=[], latency="150ms")
        start = time.monotonic()
        api.model_info("acme/model")
        expect(time.monotonic() - start >= 0.15, "latency")
        weather(latency="off", bandwidth="400kB/s")
        start = time.monotonic()
        api.hf_hub_download("acme/model", "model.safetensors", cache_dir=stage.cache())
        seconds = time.monotonic() - start
        expect(0.6 < seconds < 3, f"300 kB at 400 kB/s took {seconds:.2f} s")
    finally:
        weather(faults=[], latency="off", bandwidth="off")


@check
def git_agrees(stage):
    if not shutil.which("git"):
        return "skipped: there is no git"
    work = os.path.join(SCRATCH, "git")
    shutil.copytree(stage.source("v1"), work)
    for path, data in files_below(work).items():
        if path.endswith((".safetensors", ".onnx")):
            digest = hashlib.sha256(data).hexdigest()
            write(os.path.join(work, path), b"version https://git-lfs.github.com/spec/v1\noid "
                  b"sha256:%s\nsize %d\n" % (digest.encode(), len(data)))
    api = stage.server.api()
    item = next(item for item in api.list_repo_tree("acme/model", revision="v1.0", expand=True)
                if item.path == "config.json")
    date = f"{int(item.last_commit.date.timestamp())} +0000"
    identity = {"NAME": "modelfs-hub", "EMAIL": "modelfs-hub@localhost", "DATE": date}
    environment = dict(os.environ, **{
        f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
        for what, value in identity.items()})

    def git(*words):
        return subprocess.run(["git", "-c", "core.autocrlf=false", *words], cwd=work, check=True,
                              env=environment, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    git("add", "--all", "--force")
    tree = git("write-tree")
    equal(git("commit-tree", "-m", "First words\n\nMore.", tree), stage.v1, "the commit's id")
    equal(git("rev-parse", f"{tree}:sub"),
          next(i.tree_id for i in api.list_repo_tree("acme/model", revision="v1.0")
               if i.path == "sub"))
    return None


@check
def adding_again_changes_nothing(stage):
    words = stage.hub("add", "acme/model", stage.source("v2"), "--tag", "same")
    expect(words.startswith(stage.v2) and "nothing changed" in words, words)
    equal(stage.server.api().model_info("acme/model", revision="same").sha, stage.v2)


@check
def what_cannot_be_added(stage):
    folder = stage.source("bad")
    write(os.path.join(folder, "fine"), b"fine")
    os.symlink("/etc/hostname", os.path.join(folder, "out"))
    run(program(), "add", "acme/bad", folder, "--root", stage.root, code=1)
    os.unlink(os.path.join(folder, "out"))
    write(os.path.join(folder, "new\nline"), b"")
    run(program(), "add", "acme/bad", folder, "--root", stage.root, code=1)
    os.unlink(os.path.join(folder, "new\nline"))
    os.symlink("fine", os.path.join(folder, "inside"))
    stage.add("acme/bad", "bad")
    found = files_below(stage.server.api().snapshot_download("acme/bad", cache_dir=stage.cache()))
    equal(found, {"fine": b"fine", "inside": b"fine"})
    run(program(), "add", "acme/none", stage.source("absent"), "--root", stage.root, code=7)
    run(program(), "add", "not/a/name", folder, "--root", stage.root, code=2)
    run(program(), "serve", "--root", SCRATCH, code=12)


@check
def it_ends_in_order(stage):
    equal(stage.server.stop(), 0, "exit code")


def main():
    return play(f"huggingface_hub {huggingface_hub.__version__}, {program()}", CHECKS, Stage)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
