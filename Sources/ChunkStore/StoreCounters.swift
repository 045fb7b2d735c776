// Counts of what the store has done, for `status` and for tests.

package import Telemetry

/// What went right and wrong since the store was opened.
package struct StoreCounters: Sendable {
    /// Blocks, records and rows whose checksum failed.
    package let checksumFailures = Counter()
    /// Contents whose hash was proven.
    package let proofs = Counter()
    /// Contents whose hash was wrong.
    package let proofFailures = Counter()
    /// Reads answered from the disk.
    package let hits = Counter()
    /// Bytes of the reads answered from the disk.
    package let hitBytes = Counter()
    /// Reads not answered.
    package let misses = Counter()
    /// Bytes written to flat files, and of small contents before they are coded.
    package let writtenBytes = Counter()
    /// Contents dropped to make room.
    package let evictions = Counter()
    /// Contents that were moved into packs.
    package let cooled = Counter()
    /// Contents that were made flat again.
    package let warmed = Counter()
    /// Bytes of chunks that were in a pack already when a content was cooled.
    package let sharedBytes = Counter()
    /// Bytes that were looked through in the background.
    package let scrubbedBytes = Counter()
    /// Failures of the disk or the index.
    package let diskFailures = Counter()
}
