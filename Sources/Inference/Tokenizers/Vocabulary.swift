// Words and their ids: a hash table over one array of bytes.
//
// A vocabulary is filled at every start, and a dictionary of strings would take longer for that
// than everything else together. The hash of a word is made byte by byte, so that the hashes of all
// beginnings of a word come from one pass over it.

/// A word's hash, as far as it has been read.
struct WordHash {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    @inline(__always)
    mutating func add(_ byte: UInt8) {
        value = (value ^ UInt64(byte)) &* 0x100_0000_01b3
    }

    /// Of all bytes of a range.
    @inline(__always)
    init(_ bytes: [UInt8], in range: Range<Int>) {
        for index in range { add(bytes[index]) }
    }

    init() {}
}

/// A table from words to ids.
struct Vocabulary: Sendable {
    /// More words than any vocabulary has.
    static let wordCountMax = 1 << 22

    private struct Entry {
        var start: UInt32
        var count: UInt32
        var id: Int32
    }

    private var bytes: [UInt8] = []
    private var entries: [Entry] = []
    /// Indices into `entries`, or -1; a power of two of them, at most half in use.
    private var slots: [Int32]
    private var mask: Int

    init(expectedCount: Int = 32) {
        var slotCount = 64
        while slotCount < 2 * expectedCount { slotCount *= 2 }
        slots = Array(repeating: -1, count: slotCount)
        mask = slotCount - 1
        entries.reserveCapacity(expectedCount)
        bytes.reserveCapacity(8 * expectedCount)
    }

    var count: Int { entries.count }

    /// Adds a word, or gives it another id.
    mutating func insert(_ word: [UInt8], id: Int32) {
        insert(word, in: 0..<word.count, id: id)
    }

    /// Adds the word that lies in a range of bytes, or gives it another id.
    mutating func insert(_ source: [UInt8], in range: Range<Int>, id: Int32) {
        if 2 * (entries.count + 1) > slots.count { grow() }
        let hash = WordHash(source, in: range)
        var slot = Vocabulary.place(hash, mask)
        while slots[slot] >= 0 {
            if matches(Int(slots[slot]), source, range) {
                entries[Int(slots[slot])].id = id
                return
            }
            slot = (slot + 1) & mask
        }
        slots[slot] = Int32(entries.count)
        entries.append(Entry(start: UInt32(bytes.count), count: UInt32(range.count), id: id))
        bytes.append(contentsOf: source[range])
    }

    /// Calls for each word: bytes, the range of the word in them, and its id.
    func forEach(_ body: ([UInt8], Range<Int>, Int32) -> Void) {
        for entry in entries {
            body(bytes, Int(entry.start)..<Int(entry.start + entry.count), entry.id)
        }
    }

    /// The id of a word.
    func id(of word: String) -> Int32? {
        let bytes = Array(word.utf8)
        return id(of: bytes, in: 0..<bytes.count, hash: WordHash(bytes, in: 0..<bytes.count))
    }

    /// The id of the word that lies in a range of bytes; `hash` is that of these bytes.
    @inline(__always)
    func id(of source: [UInt8], in range: Range<Int>, hash: WordHash) -> Int32? {
        var slot = Vocabulary.place(hash, mask)
        while case let index = Int(slots[slot]), index >= 0 {
            if matches(index, source, range) { return entries[index].id }
            slot = (slot + 1) & mask
        }
        return nil
    }

    @inline(__always)
    private static func place(_ hash: WordHash, _ mask: Int) -> Int {
        // The upper bits of a product hang on all bits of the hash.
        Int(truncatingIfNeeded: (hash.value &* 0x9e37_79b9_7f4a_7c15) >> 32) & mask
    }

    @inline(__always)
    private func matches(_ index: Int, _ source: [UInt8], _ range: Range<Int>) -> Bool {
        let entry = entries[index]
        if Int(entry.count) != range.count { return false }
        let start = Int(entry.start)
        for offset in 0..<range.count
        where bytes[start + offset] != source[range.lowerBound + offset] {
            return false
        }
        return true
    }

    private mutating func grow() {
        slots = Array(repeating: -1, count: 2 * slots.count)
        mask = slots.count - 1
        for (index, entry) in entries.enumerated() {
            let range = Int(entry.start)..<Int(entry.start + entry.count)
            var slot = Vocabulary.place(WordHash(bytes, in: range), mask)
            while slots[slot] >= 0 { slot = (slot + 1) & mask }
            slots[slot] = Int32(index)
        }
    }
}
