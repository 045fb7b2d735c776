// How many seeds the random tests run through.

import Glibc

/// The seeds of one random test: few by default, as many as `MODELFS_SEEDS` says in long runs.
///
/// Each seed is an argument of its test, so a failure names it.
func seeds(_ count: Int) -> Range<UInt64> {
    let wanted = getenv("MODELFS_SEEDS").flatMap { Int(String(cString: $0)) } ?? count
    return 1..<UInt64(max(1, wanted) + 1)
}
