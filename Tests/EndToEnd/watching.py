#!/usr/bin/env python3
# seconds: 150
"""Watching a daemon: metrics, the dashboard's queries, JSON logs, top and doctor."""

import json
import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

from suite import PLAIN, equal, expect, main, noise, promise, read, says, wait_for, write

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAME = "acme/model"
TOKEN = "hf_abcdefghijklmnopqrstuvwxyz0123"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/model.bin", noise(1, 4 << 20))
    write(folder + "/config.json", "{}")
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    stage.server = hub.start()
    stage.port = free_port()
    stage.tree = stage.mount(hub, "hf://models", "tree", "cache")
    stage.tree.start("--metrics", f"127.0.0.1:{stage.port}", "--log-format", "json",
                     "--check-reads", **PLAIN)
    read(f"{stage.tree.path}/{NAME}@v1/model.bin")


def metrics(stage, path="/metrics", method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{stage.port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode()


def samples(text):
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def promtool(stage):
    """Prometheus' own checker, out of Debian's package; nothing is installed."""
    tool = shutil.which("promtool")
    if tool:
        return tool
    place = stage.path("prometheus")
    os.makedirs(place, exist_ok=True)
    done = subprocess.run(["apt-get", "download", "-q", "prometheus"], cwd=place, check=False,
                          capture_output=True, timeout=100)
    packages = [name for name in os.listdir(place) if name.endswith(".deb")]
    if done.returncode != 0 or not packages:
        return None
    subprocess.run(["dpkg-deb", "-x", packages[0], place], cwd=place, check=True, timeout=60)
    return place + "/usr/bin/promtool"


@promise("S103", "Metrics are Prometheus' own", seconds=140)
def promtool_accepts_them(stage):
    text = metrics(stage)
    found = samples(text)
    expect(found["modelfs_cache_used_bytes"] > 4 << 20, found)
    expect(found['modelfs_kernel_messages_total{kind="read"}'] > 0, found)
    expect(found["modelfs_fetched_bytes_total"] >= 4 << 20, found)
    expect(TOKEN not in text and NAME not in text, "a name or a secret is in the metrics")
    named = set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
    typed = set(re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram)$", text, re.MULTILINE))
    used = {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}
    expect(used <= named and used <= typed, "without HELP or TYPE:", used - (named & typed))
    tool = promtool(stage)
    if tool is None:
        print("         promtool cannot be had here; its rules were not tried")
        return
    done = subprocess.run([tool, "check", "metrics"], input=text, text=True, timeout=30,
                          capture_output=True, check=False)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool")


@promise("S103", "Metrics are Prometheus' own")
def the_dashboard_asks_for_what_there_is(stage):
    there = {re.split(r"[{ ]", line)[0] for line in metrics(stage).splitlines()
             if line and not line.startswith("#")}
    # What a quiet daemon has no sample of has its type all the same.
    there |= set(re.findall(r"^# TYPE (\S+)", metrics(stage), re.MULTILINE))
    with open(TOP + "/packaging/grafana/modelfs.json", encoding="utf-8") as file:
        dashboard = json.load(file)
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = set(re.findall(r"\b(?:modelfs|process)_[a-z_]+", " ".join(queries)))
    expect(len(asked) > 20, "queries:", asked)
    expect(asked <= there, "the dashboard asks for", asked - there)


@promise("S103", "Metrics are Prometheus' own")
def nothing_else_is_served(stage):
    for path, method, code in (("/", "GET", 404), ("/metrics", "POST", 405),
                               ("/../etc/passwd", "GET", 404)):
        try:
            metrics(stage, path, method)
        except urllib.error.HTTPError as error:
            equal(error.code, code, path)
        else:
            expect(False, path, "was answered")
    taken = stage.mount(stage.server, "hf://models", "taken", "cache-taken")
    os.makedirs(taken.path)
    says(stage.modelfs("mount", "--cache", taken.cache, "--metrics", f"127.0.0.1:{stage.port}",
                       taken.path, code=13), "metrics cannot be served")


@promise("S104", "A log can be read by programs")
def each_line_is_an_object(stage):
    read_missing = stage.tree.path + "/acme/none@v1"
    expect(not os.path.exists(read_missing), read_missing)
    lines = [json.loads(line) for line in stage.tree.log().splitlines()]
    expect(len(lines) > 2, lines)
    for line in lines:
        expect(set(line) <= {"time", "level", "message", "fields", "repeated"}, line)
        expect(line["level"] in ("debug", "info", "warning", "error"), line)
        expect(not re.search(r"\d{3}|/", line["message"]), "a value in a message:", line)


@promise("S105", "top and doctor say what is going on and what is wrong")
def top_shows_rates(stage):
    said = stage.modelfs("top", "--count", "2", "--interval", "200ms", "--cache",
                         stage.tree.cache)
    says(said, "modelfs", "kernel", "reads/s from the disk", "readers for the network")
    says(stage.modelfs("top", "--interval", "1ms", "--cache", stage.tree.cache, code=2),
         "from 100ms")
    says(stage.modelfs("top", "--cache", stage.path("no-cache"), code=9), "no daemon")


@promise("S105", "top and doctor say what is going on and what is wrong")
def doctor_finds_nothing_and_something(stage):
    def doctor(*words, code=0, **variables):
        return stage.modelfs("doctor", "--cache", stage.tree.cache, *words, code=code,
                             HF_ENDPOINT=stage.server.endpoint, **variables)
    token = stage.server.token()
    # A machine that others test on too may have mounts that just died.
    found = {row["subject"]: row
             for row in json.loads(doctor("--json", code=None, HF_TOKEN=token))}
    equal([name for name, row in found.items() if row["verdict"] == "bad" and name != "mounts"],
          [])
    expect({"FUSE", "kernel", "cache", "clock", "mounts", "Hub"} <= set(found), found)
    says(doctor(HF_TOKEN="hf_wrong0000000000000000", code=1), "refuses the token", "hf auth login")
    says(doctor(code=None), "there is no token")
    says(stage.modelfs("doctor", "--cache", stage.path("no-cache"), code=1,
                       HF_ENDPOINT="http://127.0.0.1:9"), "does not exist yet", "HF_ENDPOINT")


@promise("S105", "top and doctor say what is going on and what is wrong")
def doctor_asks_the_daemon(stage):
    def doctor(*words, **variables):
        return stage.modelfs("doctor", "--cache", stage.tree.cache, *words, code=None, **variables)
    here = stage.server.endpoint
    said = doctor(HF_ENDPOINT=here)
    says(said, f"serves {stage.tree.cache}", "the daemon has no token; it would read one from",
         f"{here} answers")
    expect("this command's" not in said, said)
    # Another Hub than the daemon's is named, is not asked, and is given no token.
    token = stage.server.token()
    elsewhere = "http://127.0.0.1:9"
    said = doctor(HF_ENDPOINT=elsewhere, HF_TOKEN=token)
    says(said, f"its Hub is {here}; this command's would be {elsewhere}", f"{here} answers")
    expect("wrong  Hub" not in said and "this command's is another one" not in said, said)
    says(doctor(HF_ENDPOINT=here, HF_TOKEN=token), "this command's is another one")
    says(stage.modelfs("doctor", "--cache", stage.path("no-cache"), code=None, HF_ENDPOINT=here),
         f"none serves {stage.path('no-cache')}, though there are mounts", "MODELFS_CACHE")


@promise("S105", "top and doctor say what is going on and what is wrong")
def the_report_has_no_secret(stage):
    report = stage.path("report.txt")
    token = stage.server.token()
    with open(stage.tree.cache + "/daemon.log", "a", encoding="utf-8") as file:
        file.write(f"somebody wrote {TOKEN} here, and {token}\n")
    stage.modelfs("doctor", "--cache", stage.tree.cache, "--bundle", report, HF_TOKEN=token,
                  HF_ENDPOINT=stage.server.endpoint, code=None)
    text = read(report).decode()
    expect(TOKEN not in text and token not in text, "a token is in the report")
    says(text, "[token]", "Status:", "HF_TOKEN", "The end of")
    equal(os.stat(report).st_mode & 0o777, 0o600)


main(__name__, prepare)
