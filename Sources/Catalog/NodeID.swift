// Node ids: what the kernel knows files and directories by, across every life of the daemon.
//
// An id is a row of the database, never reused, with the database's epoch in it. A rebuilt
// database gets another epoch, so an id that the kernel kept from before is recognised as stale
// instead of meaning something else. Files and directories count separately: a file's id is its
// content's row, wherever the file stands, and a directory's id is the row of (path, commit).

/// The identity of a node, as the kernel stores it.
package struct NodeID: Hashable, Sendable {
    /// Bit 63 clear | 22 bits epoch | 1 bit "is a file" | 40 bits row.
    package let rawValue: UInt64

    private static let rowBitCount: UInt64 = 40
    private static let fileBit: UInt64 = 1 << rowBitCount
    private static let epochShift: UInt64 = rowBitCount + 1
    /// Epochs are drawn from 1..<epochLimit, so no id is ever FUSE's root, which is 1.
    package static let epochLimit: UInt32 = 1 << 22

    /// An id as the kernel sent it.
    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    private init(epoch: UInt32, isFile: Bool, row: Int64) {
        precondition(row > 0 && row < 1 << NodeID.rowBitCount, "row ids have 40 bits")
        rawValue =
            UInt64(epoch) << NodeID.epochShift | (isFile ? NodeID.fileBit : 0) | UInt64(row)
    }

    /// The node of a content.
    package static func file(_ content: ContentID, epoch: UInt32) -> NodeID {
        NodeID(epoch: epoch, isFile: true, row: content.row)
    }

    /// The node of a directory or a symbolic link.
    package static func named(_ row: Int64, epoch: UInt32) -> NodeID {
        NodeID(epoch: epoch, isFile: false, row: row)
    }

    /// The epoch of the database that made it.
    package var epoch: UInt32 { UInt32(rawValue >> NodeID.epochShift & 0x3F_FFFF) }
    /// Whether it is a content's node.
    package var isFile: Bool { rawValue & NodeID.fileBit != 0 }
    /// The row in the table that `isFile` tells.
    package var row: Int64 { Int64(rawValue & (NodeID.fileBit - 1)) }
}

/// A content's row: one for all files with equal bytes.
package struct ContentID: Hashable, Sendable {
    package let row: Int64

    package init(row: Int64) {
        self.row = row
    }
}

/// A commit's row.
package struct CommitID: Hashable, Sendable {
    package let row: Int64

    package init(row: Int64) {
        self.row = row
    }
}

/// A repository's row.
package struct RepositoryRow: Hashable, Sendable {
    package let row: Int64

    package init(row: Int64) {
        self.row = row
    }
}
