#!/usr/bin/env python3
# seconds: 200
"""What the threat model, docs/SECURITY.md, says of the predictor."""

import contextlib
import json
import os
import socket
import subprocess
import sys

from suite import TOP, equal, expect, main, promise, says, wait_for, write

sys.path.insert(0, os.path.join(TOP, "Tests", "Support"))

from text_models import CLASSIFIER, check_classes, copy  # noqa: E402

NAME = "acme/mood"


def prepare(stage):
    stage.plain = stage.predictor(CLASSIFIER, "plain").start()


def sockets(pid):
    """Local and remote address of each TCP socket of a process, and whether it listens."""
    held = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            held.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if f"socket:[{fields[9]}]" in held:
                    found.append((table, fields[1], fields[2], fields[3] == "0A"))
    return found


def written(pid):
    """The files that a process holds open for writing, outputs and sockets excepted."""
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as file:
                flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags"))
            place = os.readlink(f"/proc/{pid}/fd/{number}")
            if flags & os.O_ACCMODE and place.startswith("/") and int(number) > 2:
                found.append(place)
    return found


def address(host, port):
    """As /proc/net/tcp writes it."""
    return "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{port:04X}"


@promise("G10", "A predictor is reached on this machine alone unless it is told otherwise")
def it_listens_where_it_is_told(stage):
    # Without --listen, in a network of its own, where the usual port is free.
    if os.geteuid() == 0:
        done = subprocess.run(
            ["unshare", "--net", "--", "sh", "-c", "ip link set lo up; exec timeout 5 \"$@\"", "-",
             stage.programs.predictor, CLASSIFIER, "--history", "off"], text=True, timeout=60,
            env=stage.programs.environment(), capture_output=True, check=False)
        says(done.stdout, "listening on http://127.0.0.1:7860")
    listening = [local for _, local, _, listens in sockets(stage.plain.process.pid) if listens]
    equal(listening, [address("127.0.0.1", stage.plain.port)])
    wide = stage.predictor(CLASSIFIER, "wide")
    wide.start("--listen", f"0.0.0.0:{wide.port}")
    listening = [local for _, local, _, listens in sockets(wide.process.pid) if listens]
    equal(listening, [address("0.0.0.0", wide.port)])
    equal(wide.stop(), 0)


@promise("G11", "A request to a predictor has a bounded cost")
def what_is_over_a_bound_is_refused(stage):
    bounded = stage.predictor(CLASSIFIER, "bounds").start(
        "--rows-max", "3", "--body-max", "10kB", "--batch-rows-max", "5", "--batch-max", "2kB",
        "--history", "off")
    equal(bounded.ask("/predict", {"inputs": ["a"] * 3})[0], 200)
    equal(bounded.ask("/predict", {"inputs": ["a"] * 4})[0], 413, "rows")
    equal(bounded.ask("/predict", {"inputs": "a" * 11_000})[0], 413, "bytes")
    equal(bounded.ask("/predict", '{"inputs": ' + "[" * 33 + "]" * 33 + "}")[0], 400, "depth")
    status, _, table = bounded.ask("/predict/batch", "text\n" + "a\n" * 6)
    expect(status == 413 or table.count(b"\n") <= 6, "rows of a table", status, table)
    equal(bounded.ask("/predict/batch", "text\n" + "a" * 3000 + "\n")[0], 413,
          "bytes of a table")
    # A body that is announced is refused before it is there.
    with socket.create_connection(("127.0.0.1", bounded.port), timeout=10) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
        expect(b" 413 " in client.recv(65536).split(b"\r\n")[0] + b" ", "an announced body")
    expect(bounded.predict("a")["labels"], "a prediction after that")
    equal(bounded.stop(), 0)


@promise("G12", "A predictor runs no code of a model")
def nothing_of_a_model_is_run(stage):
    ran = stage.path("ran-code")
    place = copy(stage, CLASSIFIER, "with-code")
    with open(place + "/config.json", encoding="utf-8") as file:
        config = json.load(file)
    config["auto_map"] = {"AutoModelForSequenceClassification": "modeling.Model"}
    config["custom"] = f"`touch {ran}`"
    write(place + "/config.json", json.dumps(config))
    for name, text in (("modeling.py", f"open({ran!r}, 'w')\n"),
                       ("handler.py", f"open({ran!r}, 'w')\n"),
                       ("requirements.txt", "evil\n"), ("setup.sh", f"touch {ran}\n")):
        write(f"{place}/{name}", text)
        os.chmod(f"{place}/{name}", 0o755)
    coded = stage.predictor(place, "coded").start("--history", "off")
    check_classes(coded, CLASSIFIER)
    pid = coded.process.pid
    children = ""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
            children += file.read()
    equal(children.strip(), "", "processes of the predictor")
    equal(coded.stop(), 0)
    expect(not os.path.exists(ran), "code of a model was run")


@promise("G13", "A predictor writes its history alone and calls nobody")
def nothing_is_written_and_nobody_called(stage):
    place = copy(stage, CLASSIFIER, "left-alone")
    home = stage.path("predictor-home")
    secret = "hf_predictorpredictorpredictor1234"
    write(home + "/.cache/huggingface/token", secret)
    variables = {"HOME": home, "XDG_STATE_HOME": None, "TMPDIR": home, "HF_TOKEN": secret,
                 "HF_HOME": home + "/.cache/huggingface", "HF_ENDPOINT": "http://127.0.0.1:9"}
    before = {name: os.stat(name).st_mtime_ns for top in (place, home)
              for folder, folders, files in os.walk(top)
              for name in [folder] + [os.path.join(folder, each) for each in folders + files]}
    alone = stage.predictor(place, "left-alone").start("--history", "off", **variables)
    check_classes(alone, CLASSIFIER)
    equal(alone.ask("/predict/batch", "text\n" + "a long text\n" * 9000)[0], 200)
    pid = alone.process.pid
    # The table's answer is one until it is sent.
    wait_for(lambda: not written(pid), 10, "files that are open for writing")
    own = f":{alone.port:04X}"
    equal([each for each in sockets(pid) if not each[1].endswith(own)], [], "other sockets")
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        expect("libcurl" not in file.read(), "a client of the network is linked")
    shown = alone.log() + alone.ask("/model")[2].decode() + alone.ask("/metrics")[2].decode()
    expect(secret not in shown, "a token of the Hub is shown")
    equal(alone.stop(), 0)
    after = {name: os.stat(name).st_mtime_ns for top in (place, home)
             for folder, folders, files in os.walk(top)
             for name in [folder] + [os.path.join(folder, each) for each in folders + files]}
    # A file without a name leaves its folder's time alone, and nothing else was made.
    equal(after, before, "files of the model and of the home folder")
    noted = stage.predictor(place, "noting").start()
    wait_for(lambda: noted.json("/model")["history"], 10, "the history")
    held = written(noted.process.pid)
    expect(held and all(name.startswith(stage.path("noting.db")) for name in held), held)
    equal(noted.stop(), 0)


@promise("G14", "Answers of a predictor name no secret and no other path than the model's", 90)
def answers_name_no_secret_and_no_path(stage):
    hub = stage.hub("telling")
    hub.add(NAME, copy(stage, CLASSIFIER, "telling-first"))
    hub.start()
    tree = stage.mount(hub, name="telling-mount", cache="telling-cache").start("--ref-ttl", "1s")
    folder = f"{tree.path}/{NAME}@main"
    secret = "correct-horse-battery"
    shown = {"Authorization": f"Bearer {secret}"}
    telling = stage.predictor(folder, "telling").start(
        "--follow", "--follow-interval", "200ms", MODELFS_PREDICTOR_TOKEN=secret,
        HF_TOKEN="hf_telltelltelltelltelltelltell12")
    broken = copy(stage, CLASSIFIER, "telling-second")
    write(broken + "/model.safetensors", b"\0" * 100)
    hub.add(NAME, broken)
    wait_for(lambda: "does not take over" in telling.log(), 30, "a refused revision")
    answers = [telling.ask(path, headers=shown)[2].decode() for path in
               ("/model", "/metrics", "/openapi.json", "/healthz", "/readyz", "/nothing", "/")]
    for path, body in (("/predict", "{"), ("/predict", {"inputs": 3}), ("/rollback", {}),
                       ("/predict/batch", "x\n1\n"), ("/predict", {"inputs": ["a"] * 2000}),
                       ("/similarity", {"source": 1})):
        answers.append(telling.ask(path, body, headers=shown)[2].decode())
        answers.append(telling.ask(path, body)[2].decode())
    expect(any("model.safetensors" in answer for answer in answers), "why it was refused", answers)
    for answer in answers:
        rest = answer.replace(folder, "")
        for hidden in (secret, "hf_tell", stage.scratch, "/proc/self", "/root", "/home"):
            expect(hidden not in rest, hidden, "is in", answer[:600])
    equal(telling.stop(), 0)
    tree.end()


main(__name__, prepare)
