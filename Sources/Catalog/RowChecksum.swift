// Checksums of rows whose damage would be believed: which contents a folder has, and what they are.

internal import Hashing

/// XXH3 over the values of a row, with its key, so that a row that moved is no other row.
enum RowChecksum {
    static func directory(_ commit: CommitID, path: [UInt8], _ entries: [UInt8]) -> Int64 {
        checksum(number(commit.row) + number(Int64(path.count)) + path + entries)
    }

    static func content(
        _ id: ContentID, _ hash: ContentHash, sizeBytes: Int64, modified: Int64
    ) -> Int64 {
        checksum(number(id.row) + number(sizeBytes) + number(modified) + hash.bytes)
    }

    private static func number(_ value: Int64) -> [UInt8] {
        stride(from: 0, to: 64, by: 8).map { UInt8(truncatingIfNeeded: value >> Int64($0)) }
    }

    private static func checksum(_ bytes: [UInt8]) -> Int64 {
        unsafe bytes.withUnsafeBytes { Int64(bitPattern: unsafe xxh3($0)) }
    }
}
