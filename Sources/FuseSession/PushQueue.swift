// What is to be pushed, in order: readers' windows before plans. Pure.

internal import Catalog
internal import Platform

/// Extents of contents that wait for their pages to be pushed.
struct PushQueue {
    /// One message: the size at which the kernel took pages fastest (512 KiB to 1 MiB).
    static let pieceByteCount: Int64 = 1 << 20
    /// Extents that wait; at 40 bytes each, 160 KiB, and more are left to the readers' own faults.
    static let extentCountMax = 4_096

    /// What a reader that sends READs comes to before pages can be pushed there.
    ///
    /// It is what the kernel has asked for ahead of it, and as much as the reader goes through
    /// while two threads push as much. Pages that are both read and pushed are decoded and copied
    /// twice.
    static let leadByteCount: Int64 = 4 << 20

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

    /// Adds what a plan says, but not what its reader is at: that it has asked for already, and who
    /// pushes it as well is held by the kernel until the reader has it.
    mutating func plan(_ node: NodeID, _ extents: [Range<Int64>], reading: Range<Int64>) {
        add(node, extents, isUrgent: false)
        skip(node, reading)
    }

    /// The next piece, which ends at a multiple of its size unless its extent ends before.
    mutating func next() -> Piece? {
        PushQueue.next(&urgent) ?? PushQueue.next(&planned)
    }

    /// Whether a plan for a content waits, beside which nobody needs windows.
    func hasPlan(_ node: NodeID) -> Bool { planned.contains { $0.node == node } }

    /// A reader has read a range by itself.
    ///
    /// What is behind it is not worth pushing any more, and what comes next it reaches first. Of a
    /// plan only the range and what comes next are left out, since plans are in any order.
    mutating func skip(_ node: NodeID, _ range: Range<Int64>) {
        let next = range.upperBound + PushQueue.leadByteCount
        urgent = urgent.compactMap { piece in
            guard piece.node == node, piece.range.lowerBound < next,
                range.upperBound - piece.range.upperBound < PushQueue.pieceByteCount
            else { return piece }
            if next >= piece.range.upperBound { return nil }
            return Piece(node: node, range: next..<piece.range.upperBound)
        }
        let passed = range.lowerBound..<next
        if planned.contains(where: { $0.node == node && $0.range.overlaps(passed) }) {
            planned = planned.flatMap { piece in
                piece.node == node ? PushQueue.parts(of: piece, without: passed) : [piece]
            }
        }
    }

    private static func parts(of piece: Piece, without passed: Range<Int64>) -> [Piece] {
        let (whole, node) = (piece.range, piece.node)
        if !whole.overlaps(passed) { return [piece] }
        return [
            whole.lowerBound..<max(whole.lowerBound, passed.lowerBound),
            min(whole.upperBound, passed.upperBound)..<whole.upperBound,
        ].filter { !$0.isEmpty }.map { Piece(node: node, range: $0) }
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
