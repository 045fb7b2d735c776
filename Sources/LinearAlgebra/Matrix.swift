// Products of matrices of floats, by OpenBLAS.
//
// Owns nothing: the caller lends all memory. Matrices lie in row order. The number of threads is
// OpenBLAS's own, set once by the program.

internal import COpenBLAS

/// How many threads a product may take; the program says it once, before the first product.
package func setProductThreads(_ count: Int) {
    openblas_set_num_threads(CInt(count))
}
