"""The tiny text models of the fixtures, and whether a predictor says of them what it should."""

import json
import os
import shutil

from suite import TOP, expect

FIXTURES = os.path.join(TOP, "Tests", "Fixtures", "text")
CLASSIFIER = os.path.join(FIXTURES, "bert-classifier")
OTHER = os.path.join(FIXTURES, "distilbert-classifier")
ENCODER = os.path.join(FIXTURES, "bert")


def copy(stage, source, name):
    """A fixture, without what tests expect of it."""
    place = stage.path("folders", name)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place, ignore=shutil.ignore_patterns("expected.json"))
    return place


def expected(folder):
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
        return json.load(file)


def check_classes(predictor, folder):
    """The predictor says what the reference says."""
    wanted = expected(folder)
    found = predictor.predict(wanted["texts"])
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        labels = json.load(file)["id2label"]
    for prediction, answers in zip(found, wanted["answers"]):
        told = {each["label"]: each["probability"] for each in prediction["labels"]}
        for index, answer in enumerate(answers):
            expect(abs(told[labels[str(index)]] - answer) < 1e-4, told, answers)
