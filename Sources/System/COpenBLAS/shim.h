// OpenBLAS: products of matrices.
#include <cblas.h>
