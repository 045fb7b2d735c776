// What a file is put together from: runs of chunks of xorbs, in the order of the file. It is kept
// in a file of its own, named by the file's Xet hash:
//
//     modelfs-hub xet file 1
//     term <xorb hash> <first chunk> <end of chunks> <decoded bytes>
//     end <number of terms>
//
// The last line tells a whole record from one that was cut off.

package import Xet

/// The terms of a file, not empty.
package struct XetFileRecord: Equatable, Sendable {
    /// In the order of the file.
    package let terms: [ReconstructionTerm]
    /// Where each term begins in the file, in bytes.
    let starts: [Int64]
    /// The file's length.
    package let byteCount: Int64

    private static let heading = "modelfs-hub xet file 1"

    /// Takes the terms as they are.
    init(_ terms: [ReconstructionTerm]) {
        self.terms = terms
        var starts: [Int64] = []
        starts.reserveCapacity(terms.count)
        var end: Int64 = 0
        for term in terms {
            starts.append(end)
            end += term.byteCount
        }
        self.starts = starts
        byteCount = end
    }

    /// Reads what `bytes` gave; nil if it does not have the form.
    init?(bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        var lines = text.split(separator: "\n")[...]
        guard lines.popFirst() == Self.heading[...], let last = lines.popLast(),
            last == "end \(lines.count)"
        else { return nil }
        var terms: [ReconstructionTerm] = []
        terms.reserveCapacity(lines.count)
        for line in lines {
            let fields = line.split(separator: " ")
            guard fields.count == 5, fields[0] == "term", let xorb = XetHash(text: fields[1]),
                let first = Int(fields[2]), let end = Int(fields[3]), first >= 0, first < end,
                end <= ChunkStream.mostChunks, let byteCount = Int64(fields[4]), byteCount > 0
            else { return nil }
            terms.append(
                ReconstructionTerm(xorb: xorb, chunks: first..<end, byteCount: byteCount))
        }
        if terms.isEmpty { return nil }
        self.init(terms)
    }

    /// The record's file.
    var bytes: [UInt8] {
        var text = "\(Self.heading)\n"
        for term in terms {
            let chunks = "\(term.chunks.lowerBound) \(term.chunks.upperBound)"
            text += "term \(term.xorb) \(chunks) \(term.byteCount)\n"
        }
        text += "end \(terms.count)\n"
        return Array(text.utf8)
    }

    /// The indices of the terms that have bytes of a range, which is not empty and inside.
    func terms(of range: Range<Int64>) -> Range<Int> {
        firstTerm(endingAfter: range.lowerBound)..<firstTerm(startingFrom: range.upperBound)
    }

    private func firstTerm(endingAfter offset: Int64) -> Int {
        max(0, firstTerm(startingFrom: offset + 1) - 1)
    }

    /// By halving.
    private func firstTerm(startingFrom offset: Int64) -> Int {
        var (low, high) = (0, starts.count)
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
