// Room for what has been received and is not yet decoded, used again and again: the transfer
// thread fills it, a "xet" thread empties it, and a fresh page for every byte would cost as much
// as receiving it.

internal import Platform

/// Some bytes of an answer, in order.
@safe
final class ReceivedPiece: @unchecked Sendable {
    // Sendable because one thread has it at a time: that of the transfer under the download's
    // lock, then that of the fetch, which gives it back.

    /// A read of a socket, or a few.
    static let byteCountMax = 256 << 10

    private let room: UnsafeMutableRawBufferPointer
    private(set) var byteCount = 0

    init() {
        unsafe room = .allocate(byteCount: ReceivedPiece.byteCountMax, alignment: 4096)
    }

    deinit {
        unsafe room.deallocate()
    }

    /// What was added since the piece was taken from the pool.
    var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: room[..<byteCount])
    }

    /// Adds as many of the bytes as there is room for; how many.
    func add(_ bytes: UnsafeRawBufferPointer) -> Int {
        let count = min(bytes.count, ReceivedPiece.byteCountMax - byteCount)
        unsafe UnsafeMutableRawBufferPointer(rebasing: room[byteCount..<byteCount + count])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        byteCount += count
        return count
    }

    fileprivate func clear() {
        byteCount = 0
    }
}

/// Pieces that nobody uses.
final class ReceivedPieces: Sendable {
    /// Kept for what comes next: 8 MiB; more are made when they are needed.
    private static let idleCountMax = 32

    private let idle = Lock<[ReceivedPiece]>([])

    /// An empty piece.
    func take() -> ReceivedPiece {
        idle.withLock { $0.popLast() } ?? ReceivedPiece()
    }

    func give(_ piece: ReceivedPiece) {
        piece.clear()
        idle.withLock { idle in
            if idle.count < ReceivedPieces.idleCountMax { idle.append(piece) }
        }
    }
}
