// What the processor can, as far as the choice between two forms of a function depends on it, and
// how many there are.

internal import CShims
internal import Glibc

/// The processors that this process runs on.
package enum Processor {
    /// Whether functions may be called in their wide form (AVX2 with FMA, and F16C).
    package static let hasWideVectors = modelfs_has_wide_vectors() != 0

    /// How many processors this process may use; 1 at least.
    ///
    /// The corresponding C function is `sched_getaffinity`.
    package static var usableCount: Int { Int(modelfs_usable_processor_count()) }

    /// Lets other threads run first.
    ///
    /// The corresponding C function is `sched_yield`.
    package static func yield() {
        _ = sched_yield()
    }
}
