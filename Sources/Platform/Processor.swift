// What the processor can, as far as the choice between two forms of a function depends on it.

internal import CShims
internal import Glibc

/// The processor that this process runs on.
package enum Processor {
    /// Whether functions may be called in their wide form (AVX2 and F16C).
    package static let hasWideVectors = modelfs_has_wide_vectors() != 0

    /// How many processors there are.
    ///
    /// The corresponding C function is `sysconf`.
    package static let count = max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)))
}
