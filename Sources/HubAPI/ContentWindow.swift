// Which bytes of an answer are the bytes that were asked for. Pure.
//
// The answer's head is judged before any byte is passed on: a partial answer must be exactly the
// range of a file of exactly the expected size, a whole one is cut to the range where that is
// cheap. Bytes past the end are an error, and so is an end before the last byte.

internal import Transport

/// The way from an answer's body to a range.
struct ContentWindow: Equatable {
    /// How much of a whole answer is read and thrown away before the range, where a server
    /// ignores ranges: 4 MiB, less than a tenth of a second at 50 MB/s.
    static let skipByteCountMax: Int64 = 4 << 20

    /// Body bytes still to be thrown away.
    private(set) var skipCount: Int64
    /// Bytes of the range still missing.
    private(set) var missingCount: Int64
    /// Whether more may follow that nobody asked for.
    let endsBeforeBody: Bool

    /// What the next part of the body is: which of its bytes to pass on.
    enum Step: Equatable {
        case pass(Range<Int>)
        /// More than was asked for.
        case tooMuch
    }

    var isComplete: Bool { missingCount == 0 }

    /// Judges the head of an answer with status 200 or 206.
    ///
    /// - Parameter range: of the file's `size` bytes; nil when the whole file was asked for.
    /// - Throws: `.malformed` when it is not the answer to that.
    init(_ head: HTTPHead, range: Range<Int64>?, size: Int64) throws(HubError) {
        if let encoding = head.headers["Content-Encoding"], encoding.lowercased() != "identity" {
            throw .malformed(reason: "a compressed body that was not asked for")
        }
        let length = head.headers["Content-Length"].flatMap { Int64($0) }
        switch head.status {
        case 206:
            guard let range else { throw .malformed(reason: "a part where the whole was asked") }
            guard let field = head.headers["Content-Range"], let told = ContentRange(field),
                told.bytes == range
            else { throw .malformed(reason: "another range than was asked for") }
            if told.size != size {
                throw .malformed(reason: "the file has \(told.size) bytes and not \(size)")
            }
            skipCount = 0
            missingCount = Int64(range.count)
            endsBeforeBody = false
            try ContentWindow.check(length, is: missingCount)
        case 200:
            let wanted = range ?? 0..<size
            try ContentWindow.check(length, is: size)
            if wanted.lowerBound > ContentWindow.skipByteCountMax {
                throw .malformed(reason: "the whole file where a part was asked")
            }
            skipCount = wanted.lowerBound
            missingCount = Int64(wanted.count)
            endsBeforeBody = wanted.upperBound < size
        default:
            throw .malformed(reason: "HTTP status \(head.status) for a content")
        }
    }

    private static func check(_ length: Int64?, is expected: Int64) throws(HubError) {
        if let length, length != expected {
            throw .malformed(reason: "a body of \(length) bytes and not \(expected)")
        }
    }

    /// Which of the next `count` bytes belong to the range; they count as passed on.
    mutating func take(_ count: Int) -> Step {
        let skipped = min(skipCount, Int64(count))
        let passed = min(missingCount, Int64(count) - skipped)
        if skipped + passed < Int64(count) && !endsBeforeBody { return .tooMuch }
        skipCount -= skipped
        missingCount -= passed
        return .pass(Int(skipped)..<Int(skipped + passed))
    }
}

/// The field `Content-Range: bytes 0-99/1000`; RFC 9110, 14.4.
struct ContentRange: Equatable {
    let bytes: Range<Int64>
    /// The whole file's length.
    let size: Int64

    /// Nil for other units, for an unknown size and for ends that are not inside.
    init?(_ field: String) {
        let text = field.trimmingBlanks()
        guard text.lowercased().hasPrefix("bytes ") else { return nil }
        let parts = text.dropFirst("bytes ".count).split(separator: "/")
        guard parts.count == 2, let size = Int64(parts[1].trimmingBlanks()) else { return nil }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int64(ends[0].trimmingBlanks()),
            let last = Int64(ends[1].trimmingBlanks()), first >= 0, last >= first, last < size
        else { return nil }
        bytes = first..<last + 1
        self.size = size
    }
}
