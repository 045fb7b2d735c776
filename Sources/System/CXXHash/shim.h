// xxHash: XXH3, the checksum of what lies on our own disk.
#include <xxhash.h>
