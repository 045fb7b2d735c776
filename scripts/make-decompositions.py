#!/usr/bin/env python3
"""Writes Sources/CShims/decompositions.c: what is left of a character without its accents.

That is its canonical decomposition (NFD) less the marks without a width of their own (Mn), as
Python's unicodedata has them. Hangul syllables are computed, and characters that are such marks
themselves vanish, so neither is in the table.

    scripts/make-decompositions.py > Sources/CShims/decompositions.c
"""

import unicodedata

COLUMNS_MAX = 100


def stripped(character):
    return "".join(part for part in unicodedata.normalize("NFD", character)
                   if unicodedata.category(part) != "Mn")


def rows():
    for number in range(0x110000):
        character = chr(number)
        if 0xd800 <= number < 0xe000 or 0xac00 <= number < 0xd7a4:
            continue
        if unicodedata.category(character) == "Mn":
            continue
        rest = stripped(character)
        if rest != character:
            yield number, [ord(part) for part in rest]


def wrapped(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + 1 + len(item) > COLUMNS_MAX:
            lines.append(line)
            line = "   "
        line += " " + item
    return "\n".join(lines + [line])


def main():
    table = list(rows())
    single = [f"{{{hex(number)},{hex(rest[0])}}},"
              for number, rest in table if len(rest) == 1]
    several = []
    for number, rest in table:
        if len(rest) > 1:
            padded = rest + [0] * (3 - len(rest))
            several.append("{%s}," % ",".join(hex(part) for part in [number] + padded))
    assert all(len(rest) in (1, 2, 3) for _, rest in table)
    version = unicodedata.unidata_version
    print(f"""\
// Characters without their accents: written by scripts/make-decompositions.py, from Unicode
// {version}. In the order of the characters, for a binary search.
#include "CShims.h"
#include <stddef.h>

static const uint32_t single[][2] = {{
{wrapped(single)}
}};

// Those of which two or three characters are left.
static const uint32_t several[][4] = {{
{wrapped(several)}
}};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

int modelfs_strip_accents(uint32_t character, uint32_t rest[3]) {{
    size_t low = 0, high = COUNT(single);
    while (low < high) {{
        size_t middle = (low + high) / 2;
        if (single[middle][0] == character) {{
            rest[0] = single[middle][1];
            return 1;
        }}
        if (single[middle][0] < character)
            low = middle + 1;
        else
            high = middle;
    }}
    for (size_t i = 0; i < COUNT(several); i++) {{
        if (several[i][0] != character) continue;
        for (int k = 0; k < 3; k++) rest[k] = several[i][1 + k];
        return rest[2] != 0 ? 3 : 2;
    }}
    return 0;
}}""")


main()
