// What the processor can, asked of the compiler's own table, which is filled at the start.
#include "CShims.h"

int modelfs_has_wide_vectors(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("f16c") != 0;
#else
    return 0;
#endif
}
