// OpenBLAS: products of matrices, for models whose layers are little else.
#include <cblas.h>
