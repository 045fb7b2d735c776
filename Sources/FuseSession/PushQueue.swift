// What is to be pushed, in order: readers' windows before plans. Pure.

internal import Catalog
internal import Platform

/// Extents of contents that wait for their pages to be pushed.
struct PushQueue {
    /// One message: the size at which the kernel took pages fastest (512 KiB to 1 MiB).
    static let pieceByteCount: Int64 = 1 << 20
    /// Extents that wait; at 40 bytes each, 160 KiB, and more are left to the readers' own faults.
    static let extentCountMax = 4_096

    /// Pages to be pushed in one message.
    struct Piece: Equatable {
        let node: NodeID
        let range: Range<Int64>
    }

    private var urgent: [Piece] = []
    private var planned: [Piece] = []

    /// Adds extents in the order in which they will be touched.
    ///
    /// - Parameter isUrgent: whether a reader is on its way to them.
    mutating func add(_ node: NodeID, _ extents: [Range<Int64>], isUrgent: Bool) {
        for extent in extents where !extent.isEmpty {
            if urgent.count + planned.count >= PushQueue.extentCountMax { return }
            let piece = Piece(node: node, range: extent)
            if isUrgent { urgent.append(piece) } else { planned.append(piece) }
        }
    }

    /// The next piece, which ends at a multiple of its size unless its extent ends before.
    mutating func next() -> Piece? {
        PushQueue.next(&urgent) ?? PushQueue.next(&planned)
    }

    /// A reader has come to a position by itself: what is behind it is not worth pushing any more.
    mutating func skip(_ node: NodeID, to position: Int64) {
        urgent = urgent.compactMap { piece in
            guard piece.node == node, piece.range.lowerBound < position,
                position - piece.range.upperBound < PushQueue.pieceByteCount
            else { return piece }
            if position >= piece.range.upperBound { return nil }
            return Piece(node: node, range: position..<piece.range.upperBound)
        }
    }

    /// Forgets what waits of a content.
    mutating func cancel(_ node: NodeID) {
        urgent.removeAll { $0.node == node }
        planned.removeAll { $0.node == node }
    }

    private static func next(_ waiting: inout [Piece]) -> Piece? {
        guard let first = waiting.first else { return nil }
        let start = first.range.lowerBound
        let end = min(first.range.upperBound, (start / pieceByteCount + 1) * pieceByteCount)
        if end == first.range.upperBound {
            waiting.removeFirst()
        } else {
            waiting[0] = Piece(node: first.node, range: end..<first.range.upperBound)
        }
        return Piece(node: first.node, range: start..<end)
    }
}
