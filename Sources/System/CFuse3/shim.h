// The low-level API of libfuse, at the version Debian 12 ships.
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
