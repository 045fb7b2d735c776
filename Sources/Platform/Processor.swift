// What the processor can, as far as the choice between two forms of a function depends on it.

internal import CShims

/// The processor that this process runs on.
package enum Processor {
    /// Whether functions may be called in their wide form (AVX2 and F16C).
    package static let hasWideVectors = modelfs_has_wide_vectors() != 0
}
