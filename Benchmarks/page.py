"""docs/PERFORMANCE.md: each benchmark replaces what stands between its own two marks."""

import os

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs",
                    "PERFORMANCE.md")


def replace(marks, text):
    """Puts a text between the marks, the first and the last line of a part."""
    with open(PAGE, encoding="utf-8") as file:
        old = file.read()
    begin, end = old.index(marks[0]) + len(marks[0]), old.index(marks[1])
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(f"{old[:begin]}\n{text}\n{old[end:]}")
