// Whether this processor has wide vectors (AVX2, with F16C beside it, as all that were made have),
// for which some functions here exist twice.
//
// Such functions take `is_wide`: not 0 only if this says so. Both forms give the same bytes.
#pragma once

int modelfs_has_wide_vectors(void);
