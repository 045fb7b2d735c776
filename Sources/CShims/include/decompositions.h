// Characters without their accents, by a table from Unicode's data.
#pragma once

#include <stdint.h>

// What is left of a character when it is decomposed and marks without a width are dropped: 1 to 3
// characters in `rest`. 0 when the table does not have it: it is left as it is, is such a mark
// itself, or is a Hangul syllable.
int modelfs_strip_accents(uint32_t character, uint32_t rest[3]);
