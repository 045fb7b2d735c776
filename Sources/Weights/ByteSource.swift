// Where parsers get a file's bytes from, and how they say that some are not there yet.
//
// A parser is run anew whenever more bytes have come: it keeps nothing between its attempts, and
// what it reads is small. It names the range that it lacks, whoever runs it fetches that.

/// A file's bytes, as far as they are there.
package protocol ByteSource {
    /// The length of the file.
    var sizeBytes: Int64 { get }

    /// The bytes of a range, which lies within the file; nil when not all of them are there.
    func bytes(in range: Range<Int64>) -> [UInt8]?
}

/// A file that is wholly in memory.
package struct WholeFile: ByteSource, Sendable {
    private let content: [UInt8]

    package init(_ content: [UInt8]) {
        self.content = content
    }

    package var sizeBytes: Int64 { Int64(content.count) }

    package func bytes(in range: Range<Int64>) -> [UInt8]? {
        Array(content[Int(range.lowerBound)..<Int(range.upperBound)])
    }
}

/// What an attempt to read something came to.
package enum Parse<Value: Sendable>: Sendable {
    /// These bytes are needed first.
    case needs(Range<Int64>)
    case done(Value)

    /// Runs an attempt, and turns the way out that it took into an outcome.
    init(_ attempt: () throws(Halt) -> Value) throws(WeightError) {
        do throws(Halt) {
            self = .done(try attempt())
        } catch {
            switch error {
            case .needs(let range): self = .needs(range)
            case .wrong(let error): throw error
            }
        }
    }
}

extension Parse: Equatable where Value: Equatable {}

/// The way out of an attempt.
enum Halt: Error {
    case needs(Range<Int64>)
    case wrong(WeightError)

    static func malformed(_ reason: String) -> Halt { .wrong(.malformed(reason: reason)) }
}

extension ByteSource {
    /// The bytes of a range, all of them or none.
    func need(_ range: Range<Int64>) throws(Halt) -> [UInt8] {
        if range.lowerBound < 0 || range.upperBound > sizeBytes { throw .wrong(.truncated) }
        if range.isEmpty { return [] }
        guard let bytes = bytes(in: range) else { throw .needs(range) }
        return bytes
    }

    /// As many of the first bytes as the file has.
    func needHead(_ byteCount: Int64) throws(Halt) -> [UInt8] {
        try need(0..<min(byteCount, sizeBytes))
    }
}

/// Reads numbers, the lowest byte first, and stops at the end of its bytes.
struct LittleEndianReader {
    /// The bytes ended before what was asked for.
    struct Ended: Error {}

    let bytes: [UInt8]
    private(set) var position: Int

    init(_ bytes: [UInt8], at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var remainingCount: Int { bytes.count - position }

    mutating func skip(_ count: Int) throws(Ended) {
        if count < 0 || count > remainingCount { throw Ended() }
        position += count
    }

    mutating func take(_ count: Int) throws(Ended) -> ArraySlice<UInt8> {
        let start = position
        try skip(count)
        return bytes[start..<position]
    }

    mutating func uint8() throws(Ended) -> UInt8 { UInt8(try number(1)) }
    mutating func uint16() throws(Ended) -> UInt16 { UInt16(try number(2)) }
    mutating func uint32() throws(Ended) -> UInt32 { UInt32(try number(4)) }
    mutating func uint64() throws(Ended) -> UInt64 { try number(8) }

    /// A number of so many bytes, 8 at most.
    mutating func number(_ byteCount: Int) throws(Ended) -> UInt64 {
        var value: UInt64 = 0
        for (index, byte) in try take(byteCount).enumerated() {
            value |= UInt64(byte) << UInt64(8 * index)
        }
        return value
    }
}

/// A check that the places of a file's tensors are its own, and theirs alone.
func sortedWithoutOverlap(_ extents: [WeightExtent]) throws(Halt) -> [WeightExtent] {
    let sorted = extents.sorted {
        ($0.bytes.lowerBound, $0.bytes.upperBound, $0.name)
            < ($1.bytes.lowerBound, $1.bytes.upperBound, $1.name)
    }
    for (left, right) in zip(sorted, sorted.dropFirst())
    where right.bytes.lowerBound < left.bytes.upperBound {
        throw .wrong(.overlap(right.name))
    }
    return sorted
}
