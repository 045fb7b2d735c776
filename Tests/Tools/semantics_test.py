#!/usr/bin/env python3
"""Every paragraph of SEMANTICS.md, PREDICTOR.md and SECURITY.md has a test that quotes it, and no
test quotes another."""

import ast
import os
import re
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUITES = os.path.join(TOP, "Tests", "EndToEnd")
PARAGRAPH = re.compile(r"^\*\*([SPG]\d+)\. (.+?)\.\*\*", re.MULTILINE)
# The letter that numbers begin with, the page, and how many paragraphs it has at least.
PAGES = (("S", "SEMANTICS.md", 40), ("P", "PREDICTOR.md", 9), ("G", "SECURITY.md", 14))


def paragraphs(page=None):
    """Number and first sentence of each paragraph, in order; of all pages without one."""
    found = []
    for _, name, _ in PAGES:
        if page in (None, name):
            with open(os.path.join(TOP, "docs", name), encoding="utf-8") as file:
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
        for letter, name, least in PAGES:
            numbers = [int(number[1:]) for number, _ in paragraphs(name) if number[0] == letter]
            # A number that is not used yet may be left out; none stands twice.
            self.assertEqual(numbers, sorted(set(numbers)))
            self.assertGreaterEqual(len(numbers), least, name)

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
