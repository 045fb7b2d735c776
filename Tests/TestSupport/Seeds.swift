// How many seeds the random tests run through, and which.

import Glibc

/// The seeds of one random test: few by default, as many as `MODELFS_SEEDS` says in long runs, or
/// `MODELFS_SEED` alone.
///
/// Each seed is an argument of its test, so a failure names it.
package func seeds(_ count: Int) -> Range<UInt64> {
    func number(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }
    if let only = number("MODELFS_SEED") { return only..<only + 1 }
    return 1..<max(1, number("MODELFS_SEEDS") ?? UInt64(count)) + 1
}
