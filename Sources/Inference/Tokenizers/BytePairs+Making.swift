// Vocabularies and merges as files have them, made into the tables of byte pair encoding.

/// Lines of merges.
enum MergeText {
    /// The two sides of the only blank in a range of bytes; nil when there is not just one.
    static func split(
        _ bytes: [UInt8], in range: Range<Int>
    ) -> (left: Range<Int>, right: Range<Int>)? {
        guard let blank = bytes[range].firstIndex(of: 0x20), blank > range.lowerBound,
            blank + 1 < range.upperBound,
            !bytes[blank + 1..<range.upperBound].contains(0x20)
        else { return nil }
        return (range.lowerBound..<blank, blank + 1..<range.upperBound)
    }
}

extension BytePairs {
    /// Makes the tables.
    ///
    /// - Parameters:
    ///   - words: written in the alphabet of bytes.
    ///   - merges: the two sides of each, as ranges of `mergeBytes`, in the same alphabet.
    ///   - path: the file that an error names.
    init(
        words: Vocabulary, merges: [(left: Range<Int>, right: Range<Int>)],
        of mergeBytes: [UInt8], path: String, unknown: String?, addsPrefixSpace: Bool,
        cutsWords: Bool, ignoresMerges: Bool
    ) throws(InferenceError) {
        var decoded: [UInt8] = []
        var table = Vocabulary(expectedCount: words.count)
        words.forEach { bytes, range, id in
            if ByteAlphabet.decode(bytes, in: range, into: &decoded) {
                table.insert(decoded, id: id)
            }
        }
        var mergeTable = MergeTable(expectedCount: merges.count)
        var joined: [UInt8] = []
        for pair in merges {
            joined.removeAll(keepingCapacity: true)
            joined.append(contentsOf: mergeBytes[pair.left])
            joined.append(contentsOf: mergeBytes[pair.right])
            guard let left = words.id(of: mergeBytes, in: pair.left),
                let right = words.id(of: mergeBytes, in: pair.right),
                let id = words.id(of: joined, in: 0..<joined.count)
            else {
                let text = String(decoding: joined, as: UTF8.self)
                throw .malformed(
                    path: path, reason: "a merge of or into '\(text)' that has no id")
            }
            mergeTable.append(left, right, id: id)
        }
        vocabulary = table
        self.merges = mergeTable
        byteIDs = (UInt8.min...UInt8.max).map { byte in
            table.id(of: [byte], in: 0..<1)
        }
        self.unknown = unknown.flatMap { words.id(of: $0) }
        self.addsPrefixSpace = addsPrefixSpace
        self.cutsWords = cutsWords
        self.ignoresMerges = ignoresMerges
    }
}

extension Vocabulary {
    /// The id of the word that lies in a range of bytes.
    func id(of source: [UInt8], in range: Range<Int>) -> Int32? {
        id(of: source, in: range, hash: WordHash(source, in: range))
    }
}
