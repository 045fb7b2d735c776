// Which contents the kernel refers to: lookups counted up, forgets counted down.
//
// The kernel forgets a file when nobody has it open or mapped and it needs the memory, so what it
// has not forgotten may be in use without a message. Counts stand in a table of fixed size, by row:
// contents that share a place are known together, which only makes one of them be evicted later.
// Forgets of what was looked up before this process began are more than were counted, and harmless.

internal import Catalog
internal import Platform

/// The kernel's references to contents, of one mount.
final class KnownContents: Sendable {
    /// 4 bytes each: 256 KiB a mount.
    private static let placeCount = 65_536

    private let counts = Lock([UInt32](repeating: 0, count: KnownContents.placeCount))

    private func place(_ row: Int64) -> Int { Int(row % Int64(KnownContents.placeCount)) }

    /// The kernel was told of these nodes, each once more.
    func add(_ nodes: some Sequence<NodeID>) {
        counts.withLock { counts in
            for node in nodes where node.isFile {
                let place = place(node.row)
                if counts[place] < .max { counts[place] += 1 }
            }
        }
    }

    /// The kernel takes back so many of the times that it was told of a node.
    func forget(_ node: NodeID, count: UInt64) {
        if !node.isFile { return }
        counts.withLock { counts in
            let place = place(node.row)
            counts[place] -= UInt32(min(UInt64(counts[place]), count))
        }
    }

    /// Whether the kernel may still refer to a content.
    func contains(_ content: ContentID) -> Bool {
        counts.withLock { $0[place(content.row)] > 0 }
    }
}
