// Where the blocks of a segment are, and the checksum of each that is in the flat file.
//
// Kept in the index as one blob (all numbers little-endian):
//
//     bytes            what
//     1                version of this form, 1
//     ceil(n / 8)      one bit a block, lowest bit first: valid in the flat file
//     ceil(n / 8)      one bit a block: covered by the recipe, in packs
//     8 f              XXH3-64 of each block that is valid in the flat file, f of them
//     8                XXH3-64 of all the above, followed by the row's key (8 bytes)
//
// The row's key in the checksum makes a row that was swapped with another one a damaged one.

internal import Hashing

/// Validity and checksums of up to 1,024 blocks of one content.
struct BlockSegment: Equatable, Sendable {
    /// 1,024 blocks take 8.4 KiB in memory and in the index at most.
    static let blockCountMax = 1_024
    private static let version: UInt8 = 1

    let blockCount: Int
    private var flat: [UInt64]
    private var packed: [UInt64]
    /// XXH3-64 by block; empty while no block is flat, meaningless where one is not.
    private var checksums: [UInt64] = []

    /// A segment whose blocks are all in packs, or all nowhere.
    init(blockCount: Int, isPacked: Bool) {
        self.blockCount = blockCount
        let wordCount = (blockCount + 63) / 64
        flat = [UInt64](repeating: 0, count: wordCount)
        packed = [UInt64](repeating: 0, count: wordCount)
        if isPacked { for block in 0..<blockCount { setPacked(block) } }
    }

    /// Whether the block can be read from somewhere.
    func isValid(_ block: Int) -> Bool { isFlat(block) || isPacked(block) }

    func isFlat(_ block: Int) -> Bool { flat[block / 64] & 1 << UInt64(block % 64) != 0 }

    func isPacked(_ block: Int) -> Bool { packed[block / 64] & 1 << UInt64(block % 64) != 0 }

    /// Of a block in the flat file; nil if it is not there.
    func checksum(_ block: Int) -> UInt64? { isFlat(block) ? checksums[block] : nil }

    mutating func setFlat(_ block: Int, checksum: UInt64) {
        if checksums.isEmpty { checksums = [UInt64](repeating: 0, count: blockCount) }
        flat[block / 64] |= 1 << UInt64(block % 64)
        checksums[block] = checksum
    }

    mutating func removeFlat(_ block: Int) {
        flat[block / 64] &= ~(1 << UInt64(block % 64))
    }

    mutating func setPacked(_ block: Int) {
        packed[block / 64] |= 1 << UInt64(block % 64)
    }

    mutating func removePacked(_ block: Int) {
        packed[block / 64] &= ~(1 << UInt64(block % 64))
    }

    /// Reads a blob of the index; nil if it is damaged or of another row.
    init?(blob: [UInt8], blockCount: Int, rowKey: Int64) {
        let mapCount = (blockCount + 7) / 8
        guard blob.count >= 9 + 2 * mapCount, blob[0] == BlockSegment.version,
            littleEndian(blob.suffix(8)) == rowChecksum(blob.dropLast(8), rowKey: rowKey)
        else { return nil }
        // Bits behind the last block stand for nothing.
        let unused = blockCount % 8 == 0 ? 0 : UInt8(truncatingIfNeeded: 0xff << (blockCount % 8))
        if (blob[mapCount] | blob[2 * mapCount]) & unused != 0 { return nil }
        self.init(blockCount: blockCount, isPacked: false)
        var next = 1 + 2 * mapCount
        for block in 0..<blockCount {
            let mask: UInt8 = 1 << UInt8(block % 8)
            if blob[1 + mapCount + block / 8] & mask != 0 { setPacked(block) }
            if blob[1 + block / 8] & mask == 0 { continue }
            guard next + 16 <= blob.count else { return nil }
            setFlat(block, checksum: littleEndian(blob[next..<next + 8]))
            next += 8
        }
        if next + 8 != blob.count { return nil }
    }

    /// The blob for the index.
    func blob(rowKey: Int64) -> [UInt8] {
        let mapCount = (blockCount + 7) / 8
        var blob: [UInt8] = []
        blob.reserveCapacity(9 + 2 * mapCount + 8 * checksums.count)
        blob.append(BlockSegment.version)
        for map in [flat, packed] {
            for byte in 0..<mapCount {
                blob.append(UInt8(truncatingIfNeeded: map[byte / 8] >> UInt64(byte % 8 * 8)))
            }
        }
        for block in 0..<blockCount {
            if let checksum = checksum(block) { appendNumber(checksum, to: &blob) }
        }
        appendNumber(rowChecksum(blob[...], rowKey: rowKey), to: &blob)
        return blob
    }
}

/// XXH3-64 of the bytes followed by the key's eight bytes.
func rowChecksum(_ bytes: ArraySlice<UInt8>, rowKey: Int64) -> UInt64 {
    var keyed = [UInt8](bytes)
    appendNumber(UInt64(bitPattern: rowKey), to: &keyed)
    return unsafe keyed.withUnsafeBytes { unsafe xxh3($0) }
}

/// The number that eight bytes stand for.
func littleEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

/// Appends the eight bytes of a number.
func appendNumber(_ number: UInt64, to bytes: inout [UInt8]) {
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: number >> shift))
    }
}
