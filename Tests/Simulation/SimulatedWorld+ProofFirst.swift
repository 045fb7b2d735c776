// A story that no seed has to find: a reader who waits until a large file is proven, while the disk
// of the cache has no room.

import Fetching
import FileSystem
import Platform

extension SimulatedWorld {
    /// How such a read ended.
    package struct ProvenRead {
        /// Nil when there was no answer at all.
        package let result: Result<[UInt8], FileSystemError>?
        package let seconds: Double
        /// What is right.
        package let bytes: [UInt8]
    }

    /// Reads the beginning of a large file, while the disk is full for the first seconds.
    ///
    /// - Parameter sizeLimitBytes: the size of the cache.
    package func readProven(
        diskIsFullForSeconds fullSeconds: Double, sizeLimitBytes: Int64 = 1 << 40
    ) throws -> ProvenRead? {
        options.fetch.provesFirst = true
        options.sizeLimitBytes = sizeLimitBytes
        guard let large = contents.max(by: { $0.bytes.count < $1.bytes.count }) else { return nil }
        publish("models/legacy", "main", ["large.bin": large])
        try visit("models/legacy@main", "models/legacy", "main")
        guard let root = held.last,
            let file = waitFor(try life().lookup(root.node, "large.bin"), "large.bin")?.attributes
        else { return nil }
        let begin = threads.now
        disk.faults.isFull = fullSeconds > 0
        let question = try life().read(file.node, 0..<4_096)
        let early = question.answer(withinSeconds: fullSeconds)
        disk.faults.isFull = false
        let result = early ?? question.answer(withinSeconds: 400)
        let seconds = threads.now.seconds(since: begin)
        try endLife { $0.close() }
        return ProvenRead(result: result, seconds: seconds, bytes: Array(large.bytes.prefix(4_096)))
    }
}
