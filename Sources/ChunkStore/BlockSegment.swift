// Which blocks of a segment are valid, and the checksum of each.
//
// Kept in the index as one blob (all numbers little-endian):
//
//     bytes            what
//     1                version of this form, 1
//     ceil(n / 8)      one bit a block, lowest bit first: valid or not
//     8 n              XXH3-64 of each block, 0 where it is not valid
//     8                XXH3-64 of all the above, followed by the row's key (8 bytes)
//
// The row's key in the checksum makes a row that was swapped with another one a damaged one.

internal import Hashing

/// Validity and checksums of up to 1,024 blocks of one content.
struct BlockSegment: Equatable, Sendable {
    /// 1,024 blocks take 8.3 KiB in memory and in the index.
    static let blockCountMax = 1_024
    private static let version: UInt8 = 1

    /// XXH3-64 by block; meaningless where the block is not valid.
    private(set) var checksums: [UInt64]
    private var valid: [UInt64]

    /// A segment with no valid block.
    init(blockCount: Int) {
        checksums = [UInt64](repeating: 0, count: blockCount)
        valid = [UInt64](repeating: 0, count: (blockCount + 63) / 64)
    }

    var blockCount: Int { checksums.count }

    func isValid(_ block: Int) -> Bool {
        valid[block / 64] & 1 << UInt64(block % 64) != 0
    }

    mutating func setValid(_ block: Int, checksum: UInt64) {
        valid[block / 64] |= 1 << UInt64(block % 64)
        checksums[block] = checksum
    }

    mutating func setInvalid(_ block: Int) {
        valid[block / 64] &= ~(1 << UInt64(block % 64))
        checksums[block] = 0
    }

    /// Reads a blob of the index; nil if it is damaged or of another row.
    init?(blob: [UInt8], blockCount: Int, rowKey: Int64) {
        let bitmapCount = (blockCount + 7) / 8
        let bodyCount = 1 + bitmapCount + 8 * blockCount
        guard blob.count == bodyCount + 8, blob[0] == BlockSegment.version,
            littleEndian(blob[bodyCount...]) == rowChecksum(blob[..<bodyCount], rowKey: rowKey)
        else { return nil }
        self.init(blockCount: blockCount)
        for block in 0..<blockCount where blob[1 + block / 8] & 1 << UInt8(block % 8) != 0 {
            let start = 1 + bitmapCount + 8 * block
            setValid(block, checksum: littleEndian(blob[start..<start + 8]))
        }
    }

    /// The blob for the index.
    func blob(rowKey: Int64) -> [UInt8] {
        let bitmapCount = (blockCount + 7) / 8
        var blob: [UInt8] = []
        blob.reserveCapacity(9 + bitmapCount + 8 * blockCount)
        blob.append(BlockSegment.version)
        for byte in 0..<bitmapCount {
            blob.append(UInt8(truncatingIfNeeded: valid[byte / 8] >> UInt64(byte % 8 * 8)))
        }
        for checksum in checksums { append(checksum, to: &blob) }
        append(rowChecksum(blob[...], rowKey: rowKey), to: &blob)
        return blob
    }
}

/// XXH3-64 of the bytes followed by the key's eight bytes.
func rowChecksum(_ bytes: ArraySlice<UInt8>, rowKey: Int64) -> UInt64 {
    var keyed = [UInt8](bytes)
    append(UInt64(bitPattern: rowKey), to: &keyed)
    return unsafe keyed.withUnsafeBytes { unsafe xxh3($0) }
}

/// The number that eight bytes stand for.
func littleEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

/// Appends the eight bytes of a number.
func append(_ number: UInt64, to bytes: inout [UInt8]) {
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: number >> shift))
    }
}
