// From a file's record to the answer that a reader gets for a range of it.

internal import Xet

extension XetStore {
    /// The reconstruction of a range, trimmed to whole chunks.
    ///
    /// Looks only at the terms that have bytes of the range, and in them only at those chunks.
    ///
    /// - Parameters:
    ///   - range: bytes of the file, not empty and inside.
    ///   - url: signs a URL for bytes of a xorb's file.
    func reconstruction(
        of file: XetFileRecord, range: Range<Int64>, url: (XetHash, Range<Int64>) -> String
    ) throws(LocalHubError) -> Reconstruction {
        var chunks: [FileChunk] = []
        // Where the first of `chunks` stands in the file.
        var start: Int64?
        var indices: [XetHash: XorbIndex] = [:]
        for number in file.terms(of: range) {
            let term = file.terms[number]
            let index = try index(of: term.xorb)
            indices[term.xorb] = index
            // What is to be added to a place among the xorb's decoded bytes for one in the file.
            let shift = file.starts[number] - index.unpackedStart(of: term.chunks.lowerBound)
            let wanted = index.chunks(
                of: range.lowerBound - shift..<range.upperBound - shift, in: term.chunks)
            for chunk in wanted {
                let from = index.unpackedStart(of: chunk)
                if start == nil { start = from + shift }
                chunks.append(
                    FileChunk(
                        xorb: term.xorb, index: chunk,
                        byteCount: index.unpackedStart(of: chunk + 1) - from))
            }
        }
        let first = start ?? 0
        do throws(XetError) {
            return try Reconstruction(
                of: chunks, range: range.lowerBound - first..<range.upperBound - first
            ) { xorb, chunks in
                let bytes = indices[xorb]?.packedRange(of: chunks) ?? 0..<0
                return (url(xorb, bytes), bytes)
            }
        } catch {
            throw .damaged(path: "the record of a file")
        }
    }
}

extension XorbIndex {
    /// Those of the chunks that have bytes of a range of the decoded bytes.
    fileprivate func chunks(of range: Range<Int64>, in chunks: Range<Int>) -> Range<Int> {
        let first = firstEnd(after: range.lowerBound, in: chunks)
        let end = firstEnd(after: range.upperBound - 1, in: chunks) + 1
        return first..<max(first, min(end, chunks.upperBound))
    }

    /// By halving.
    private func firstEnd(after offset: Int64, in chunks: Range<Int>) -> Int {
        var (low, high) = (chunks.lowerBound, chunks.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if Int64(unpackedEnds[middle]) <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
