// The merges of byte pair encoding: which two neighbours become one, and which first.

/// A merge: its place in the order, and what comes out.
struct Merge {
    let rank: Int32
    let id: Int32
}

/// Merges by the two ids that they take.
struct MergeTable: Sendable {
    private struct Slot {
        var pair: UInt64
        var rank: Int32
        var id: Int32
    }

    /// No pair, since ids are not negative.
    private static let free = UInt64.max
    private var slots: [Slot]
    private var mask: Int
    private(set) var count = 0

    init(expectedCount: Int = 32) {
        var slotCount = 64
        while slotCount < 2 * expectedCount { slotCount *= 2 }
        slots = Array(
            repeating: Slot(pair: MergeTable.free, rank: 0, id: 0), count: slotCount)
        mask = slotCount - 1
    }

    /// Adds the next merge in the order; of two for one pair the later one counts.
    mutating func append(_ left: Int32, _ right: Int32, id: Int32) {
        if 2 * (count + 1) > slots.count { grow() }
        put(Slot(pair: MergeTable.pair(left, right), rank: Int32(count), id: id))
        count += 1
    }

    @inline(__always)
    func merge(_ left: Int32, _ right: Int32) -> Merge? {
        let pair = MergeTable.pair(left, right)
        var place = MergeTable.place(pair, mask)
        while case let slot = slots[place], slot.pair != MergeTable.free {
            if slot.pair == pair { return Merge(rank: slot.rank, id: slot.id) }
            place = (place + 1) & mask
        }
        return nil
    }

    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    private static func place(_ pair: UInt64, _ mask: Int) -> Int {
        Int(truncatingIfNeeded: (pair &* 0x9e37_79b9_7f4a_7c15) >> 32) & mask
    }

    private mutating func put(_ slot: Slot) {
        var place = MergeTable.place(slot.pair, mask)
        while slots[place].pair != MergeTable.free && slots[place].pair != slot.pair {
            place = (place + 1) & mask
        }
        slots[place] = slot
    }

    private mutating func grow() {
        let old = slots
        self = MergeTable(expectedCount: slots.count, count: count)
        for slot in old where slot.pair != MergeTable.free { put(slot) }
    }

    private init(expectedCount: Int, count: Int) {
        self.init(expectedCount: expectedCount)
        self.count = count
    }
}
