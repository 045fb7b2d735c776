// The copy of a recipe's segment that lies in a pack, from which the index can be rebuilt.
//
//     bytes     what
//     1         length of the content's hash, 20 or 32
//     20, 32    the content's hash
//     8         its size
//     8         the incarnation that it is of: of two, the higher one counts
//     8         when it was proven, in seconds since 1970; 0: it was not, when this was written
//     8         XXH3-64 of the first 8 bytes of the hashes of the segment's chunks, in order
//     8         number of the segment
//     the rest  the segment as in the index (Recipe.swift), with the key 0

internal import Hashing
internal import Platform

/// A segment of a recipe with the content that it belongs to.
struct RecipeCopy: Equatable, Sendable {
    let key: ContentKey
    let incarnation: Int64
    let verification: Verification
    let chunkDigest: UInt64
    let segment: RecipeSegment

    init(
        key: ContentKey, incarnation: Int64, verification: Verification, chunkDigest: UInt64,
        segment: RecipeSegment
    ) {
        self.key = key
        self.incarnation = incarnation
        self.verification = verification
        self.chunkDigest = chunkDigest
        self.segment = segment
    }

    /// The payload of a record of kind `recipe`.
    var bytes: [UInt8] {
        let hash = key.hash.bytes
        var bytes: [UInt8] = [UInt8(hash.count)] + hash
        appendNumber(UInt64(bitPattern: key.size), to: &bytes)
        appendNumber(UInt64(bitPattern: incarnation), to: &bytes)
        var date: Int64 = 0
        if case .proven(let time) = verification { date = time.secondsSince1970 }
        appendNumber(UInt64(bitPattern: date), to: &bytes)
        appendNumber(chunkDigest, to: &bytes)
        appendNumber(UInt64(segment.index), to: &bytes)
        return bytes + segment.blob(key: 0)
    }

    /// Nil for a payload that is not of this form.
    init?(_ bytes: ArraySlice<UInt8>) {
        guard let length = bytes.first, bytes.count > 1 + Int(length) + 40 else { return nil }
        let rest = bytes.dropFirst(1 + Int(length))
        guard let hash = ContentHash(bytes: bytes.dropFirst().prefix(Int(length))) else {
            return nil
        }
        func number(_ place: Int) -> UInt64 { littleEndian(rest.dropFirst(8 * place).prefix(8)) }
        let index = number(4)
        guard index < UInt64(StoreIndex.segmentCountMax), let size = Int64(exactly: number(0)),
            size <= ContentKey.sizeMax,
            let segment = RecipeSegment(blob: rest.dropFirst(40), index: Int(index), key: 0)
        else { return nil }
        key = ContentKey(hash: hash, size: size)
        incarnation = Int64(bitPattern: number(1))
        let date = Int64(bitPattern: number(2))
        verification = date == 0 ? .none : .proven(WallTime(secondsSince1970: date))
        chunkDigest = number(3)
        self.segment = segment
    }

    /// XXH3-64 of chunk hashes in order.
    static func digest(_ hashes: some Sequence<Int64>) -> UInt64 {
        var bytes: [UInt8] = []
        for hash in hashes { appendNumber(UInt64(bitPattern: hash), to: &bytes) }
        return unsafe bytes.withUnsafeBytes { unsafe xxh3($0) }
    }
}
