#!/usr/bin/env python3
"""Every paragraph of docs/SEMANTICS.md and docs/PREDICTOR.md has a test that quotes it, and no test
quotes another."""

import ast
import os
import re
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUITES = os.path.join(TOP, "Tests", "EndToEnd")
PARAGRAPH = re.compile(r"^\*\*([SP]\d+)\. (.+?)\.\*\*", re.MULTILINE)


PAGES = {"S": "SEMANTICS.md", "P": "PREDICTOR.md"}


def paragraphs():
    """Number and first sentence of each paragraph, in order."""
    found = []
    for page in PAGES.values():
        with open(os.path.join(TOP, "docs", page), encoding="utf-8") as file:
            found += PARAGRAPH.findall(file.read())
    return found


def promises():
    """Where each suite says `@promise(number, words)`: (place, number, words)."""
    found = []
    for name in sorted(os.listdir(SUITES)):
        if not name.endswith(".py"):
            continue
        with open(os.path.join(SUITES, name), encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "promise":
                    number, words = (argument.value for argument in mark.args[:2])
                    found.append((f"{name}: {node.name}", number, words))
    return found


class Semantics(unittest.TestCase):
    """The contract and its tests do not drift apart."""

    def test_numbers_are_in_order(self):
        numbers = [number for number, _ in paragraphs()]
        for letter in PAGES:
            own = [number for number in numbers if number.startswith(letter)]
            self.assertEqual(own, [f"{letter}{index + 1}" for index in range(len(own))])
        self.assertGreater(len(numbers), 40)

    def test_every_paragraph_has_a_test(self):
        tested = {number for _, number, _ in promises()}
        missing = [f"{number}. {words}" for number, words in paragraphs() if number not in tested]
        self.assertEqual(missing, [])

    def test_every_test_quotes_its_paragraph(self):
        told = dict(paragraphs())
        wrong = [place for place, number, words in promises() if told.get(number) != words]
        self.assertEqual(wrong, [])

    def test_a_paragraph_begins_with_one_sentence(self):
        for number, words in paragraphs():
            self.assertLess(len(words), 90, number)
            self.assertNotIn("*", words, number)


if __name__ == "__main__":
    sys.exit(unittest.main())
