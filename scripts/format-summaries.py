#!/usr/bin/env python3
"""Parts the first sentence of a doc comment from the rest, as the style wants it.

    swift format lint ... 2>&1 | format-summaries.py

swift format finds these but does not mend them. Reads its findings, and in each doc comment named
puts a blank `///` line after the first sentence, wrapping both parts anew to 100 columns.
"""

import re
import sys
import textwrap

FINDING = re.compile(
    r"^(?P<path>.+?):(?P<line>\d+):(?P<column>\d+): \w+: "
    r"\[BeginDocumentationCommentWithOneLineSummary\] .*?: \"(?P<sentence>.*)\"$")
COLUMNS = 100


def bare(text):
    """As the finding quotes it: without code spans, and without blanks, which may differ."""
    return re.sub(r"\s+", "", re.sub(r"`[^`]*`", "", text))


def comment_start(lines, at):
    """The index of the first `///` line of the comment at or above the declaration."""
    while at > 0 and not lines[at].lstrip().startswith("///"):
        at -= 1
    while at > 0 and lines[at - 1].lstrip().startswith("///"):
        at -= 1
    return at


def paragraph(lines, start):
    """The texts of the comment's first paragraph, up to a blank line, a list or its end."""
    texts = []
    for line in lines[start:]:
        stripped = line.strip()
        text = stripped[3:].strip()
        if not stripped.startswith("///") or not text or text.startswith("- "):
            break
        texts.append(text)
    return texts


def mend(lines, start, sentence):
    texts = paragraph(lines, start)
    words = " ".join(texts).split(" ")
    for count in range(1, len(words)):
        if bare(" ".join(words[:count])) != bare(sentence):
            continue
        # Code spans vanish from the finding: take them along with the words they follow.
        while words[count - 1][-1] not in ".:!?" and count < len(words):
            count += 1
        indent = re.match(r" *", lines[start]).group() + "/// "
        mended = []
        for part in (words[:count], words[count:]):
            if part:
                mended.append(textwrap.wrap(" ".join(part), COLUMNS, initial_indent=indent,
                                            subsequent_indent=indent, break_long_words=False,
                                            break_on_hyphens=False))
        lines[start:start + len(texts)] = (
            mended[0] + ([indent.rstrip()] + mended[1] if len(mended) > 1 else []))
        return True
    return False


def main():
    findings = {}
    for line in sys.stdin:
        found = FINDING.match(line.rstrip("\n"))
        if found:
            findings.setdefault(found["path"], []).append((int(found["line"]), found["sentence"]))
    for path, places in findings.items():
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
        for line, sentence in sorted(places, reverse=True):
            if not mend(lines, comment_start(lines, line - 1), sentence):
                print(f"{path}:{line}: not understood: {sentence}")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))


if __name__ == "__main__":
    main()
