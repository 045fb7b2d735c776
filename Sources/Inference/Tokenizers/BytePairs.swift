// Byte pair encoding on bytes, as GPT-2 and RoBERTa have it: words become bytes, and neighbours are
// merged, those first that come first in the list of merges.

/// The tokenizer of GPT-2 and RoBERTa.
struct BytePairs: Sendable {
    /// Words of the vocabulary, as the bytes that they stand for.
    let vocabulary: Vocabulary
    /// The id of each byte by itself; nil where the vocabulary has none.
    let byteIDs: [Int32?]
    let merges: MergeTable
    /// Stands for a byte without an id; nil to leave it out.
    let unknown: Int32?
    /// Whether a blank is put before a text that begins with none.
    let addsPrefixSpace: Bool
    /// Whether texts are cut into words at all.
    let cutsWords: Bool
    /// Whether a word that is in the vocabulary is one token, whatever the merges say.
    let ignoresMerges: Bool

    /// Appends the ids of a text, until the sink is full.
    func encode(_ text: [UInt8], in range: Range<Int>, to sink: inout TokenSink) {
        if range.isEmpty { return }
        if addsPrefixSpace && text[range.lowerBound] != 0x20 {
            let spaced = [0x20] + text[range]
            return encodeWords(of: spaced, in: 0..<spaced.count, to: &sink)
        }
        encodeWords(of: text, in: range, to: &sink)
    }

    private func encodeWords(of text: [UInt8], in range: Range<Int>, to sink: inout TokenSink) {
        if !cutsWords { return encodeWord(of: text, in: range, to: &sink) }
        var words = ByteLevelWords(text, in: range)
        while !sink.isFull, let word = words.next() {
            encodeWord(of: text, in: word, to: &sink)
        }
    }

    private func encodeWord(of text: [UInt8], in word: Range<Int>, to sink: inout TokenSink) {
        if ignoresMerges,
            let id = vocabulary.id(of: text, in: word, hash: WordHash(text, in: word))
        {
            return sink.append(id)
        }
        var symbols: [Int32] = []
        symbols.reserveCapacity(word.count)
        for index in word {
            if let id = byteIDs[Int(text[index])] ?? unknown { symbols.append(id) }
        }
        if symbols.count <= BytePairs.shortCountMax {
            mergeShort(&symbols)
            sink.append(contentsOf: symbols)
        } else {
            var long = LongWord(symbols, merges)
            sink.append(contentsOf: long.merged())
        }
    }

    /// Up to here, looking through all neighbours for each merge is faster than keeping them in
    /// order.
    private static let shortCountMax = 48

    private func mergeShort(_ symbols: inout [Int32]) {
        while symbols.count > 1 {
            var best: (merge: Merge, index: Int)?
            for index in 0..<symbols.count - 1 {
                guard let merge = merges.merge(symbols[index], symbols[index + 1]) else {
                    continue
                }
                if let found = best, found.merge.rank <= merge.rank { continue }
                best = (merge, index)
            }
            guard let best else { return }
            symbols[best.index] = best.merge.id
            symbols.remove(at: best.index + 1)
        }
    }
}

/// A word of many bytes: its symbols as a chain, its possible merges as a heap.
private struct LongWord {
    private struct Symbol {
        var id: Int32
        var previous: Int32
        var next: Int32
    }

    private struct Candidate {
        let rank: Int32
        let index: Int32
        let id: Int32
        /// The symbols that it was found for; others may stand there by now.
        let left: Int32
        let right: Int32

        func precedes(_ other: Candidate) -> Bool {
            (rank, index) < (other.rank, other.index)
        }
    }

    private static let gone: Int32 = -2
    private static let none: Int32 = -1
    private let merges: MergeTable
    private var symbols: [Symbol]
    private var heap: [Candidate] = []

    init(_ ids: [Int32], _ merges: MergeTable) {
        self.merges = merges
        symbols = ids.enumerated().map { index, id in
            Symbol(
                id: id, previous: Int32(index) - 1,
                next: index + 1 < ids.count ? Int32(index) + 1 : LongWord.none)
        }
        for index in symbols.indices.dropLast() { offer(at: Int32(index)) }
    }

    /// The ids after all merges.
    mutating func merged() -> [Int32] {
        while let candidate = pop() {
            let left = symbols[Int(candidate.index)]
            guard left.id == candidate.left, left.next >= 0,
                symbols[Int(left.next)].id == candidate.right
            else { continue }
            let right = symbols[Int(left.next)]
            symbols[Int(left.next)].id = LongWord.gone
            symbols[Int(candidate.index)].id = candidate.id
            symbols[Int(candidate.index)].next = right.next
            if right.next >= 0 { symbols[Int(right.next)].previous = candidate.index }
            if left.previous >= 0 { offer(at: left.previous) }
            offer(at: candidate.index)
        }
        return symbols.map(\.id).filter { $0 >= 0 }
    }

    private mutating func offer(at index: Int32) {
        let left = symbols[Int(index)]
        guard left.next >= 0, case let right = symbols[Int(left.next)].id,
            let merge = merges.merge(left.id, right)
        else { return }
        push(
            Candidate(rank: merge.rank, index: index, id: merge.id, left: left.id, right: right))
    }

    private mutating func push(_ candidate: Candidate) {
        heap.append(candidate)
        var child = heap.count - 1
        while child > 0, case let parent = (child - 1) / 2,
            heap[child].precedes(heap[parent])
        {
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func pop() -> Candidate? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if heap.isEmpty { return first }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].precedes(heap[least]) { least = child }
            }
            if least == parent { return first }
            heap.swapAt(least, parent)
            parent = least
        }
    }
}
