// XXH3 for the baseline of the platform, and the choice between that and the wide form.
#include "CShims.h"
#include "xxh3_wide.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t modelfs_xxh3(int is_wide, const void *bytes, size_t count) {
#if defined(__x86_64__)
    if (is_wide) return modelfs_xxh3_wide(bytes, count);
#endif
    (void)is_wide;
    return XXH3_64bits(bytes, count);
}
