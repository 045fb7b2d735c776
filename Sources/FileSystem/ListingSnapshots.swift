// Listings of directories that can change, as they were when their readers began. Pure.
//
// An offset in such a listing is the number of the copy and a position in it. Numbers begin at
// random, so that an offset which a reader kept from an earlier process is not taken for one of a
// copy of this process. A directory whose names have not changed keeps its copy and its number.

internal import Platform

/// Copies of listings, the least recently used forgotten.
struct ListingSnapshots {
    private struct Key: Hashable {
        let row: Int64
        let number: Int64
    }

    /// Names in all copies together; at some 100 bytes each they are under 50 MiB.
    private static let nameCountMax = 500_000
    /// Positions have the low bits of an offset: sixteen million names.
    private static let positionBitCount: Int64 = 24
    private static let numberLimit: Int64 = 1 << 38

    private var copies = RecentCache<Key, [String]>(
        costMax: nameCountMax, cost: { $0.count + 1 })
    private var newest = RecentCache<Int64, Int64>(costMax: 1024)
    private var lastNumber: Int64

    /// - Parameter seed: where numbers begin.
    init(seed: UInt64) {
        lastNumber = Int64(seed % UInt64(ListingSnapshots.numberLimit / 2))
    }

    /// An offset, from its parts.
    static func offset(_ number: Int64, _ position: Int64) -> Int64 {
        number << positionBitCount | position
    }

    /// The parts of an offset; of 0, which begins a listing, 0 and 0.
    static func parts(of offset: Int64) -> (number: Int64, position: Int64) {
        (offset >> positionBitCount, offset & (1 << positionBitCount - 1))
    }

    /// A copy that was kept; nil when there is none of that number, as for a reader that begins.
    mutating func names(of row: Int64, _ number: Int64) -> [String]? {
        copies.value(for: Key(row: row, number: number))
    }

    /// Keeps a copy of a directory's names.
    ///
    /// - Returns: its number; that of the newest copy if the names are the same.
    mutating func keep(_ names: [String], of row: Int64) -> Int64 {
        if let number = newest.value(for: row),
            let kept = copies.value(for: Key(row: row, number: number)),
            kept.elementsEqual(names, by: { $0.utf8.elementsEqual($1.utf8) })
        {
            return number
        }
        lastNumber = lastNumber % (ListingSnapshots.numberLimit - 1) + 1
        copies.insert(names, for: Key(row: row, number: lastNumber))
        newest.insert(lastNumber, for: row)
        return lastNumber
    }
}
