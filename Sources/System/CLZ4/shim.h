// LZ4: blocks and frames, for chunks as the Hub compresses them and as they lie in the cache.
#include <lz4.h>
#include <lz4hc.h>
#include <lz4frame.h>
