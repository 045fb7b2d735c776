// Bringing the pages of mapped files into memory, in order, before anybody touches them.
//
// A page that cannot be had is an error here, where a touch would be SIGBUS. Several threads go
// through the pieces in their order, so that over a slow line several requests are under way; the
// daemon of a mount reads ahead of them, and brings the rest of a weight file by itself.

internal import Glibc
internal import Platform

/// Populates mappings.
struct PagePopulation {
    /// What one call waits for: short enough that progress is seen and an end is heard.
    static let pieceByteCount = 8 << 20
    /// Threads that go through the pieces, where there is more than they would be started for.
    static let threadCount = 4
    private static let threadByteCountMin = 64 << 20

    private struct Piece: Sendable {
        let file: MappedFile
        let name: String
        let range: Range<Int>
    }

    private struct State {
        var next = 0
        var failure: PredictorError?
    }

    /// Brings everything.
    ///
    /// - Parameters:
    ///   - files: with the names that errors have.
    ///   - isOver: asked before each piece; when it says so, the rest is left.
    static func run(
        _ files: [(name: String, file: MappedFile)], _ progress: LoadProgress,
        isOver: @escaping @Sendable () -> Bool
    ) throws(PredictorError) {
        var pieces: [Piece] = []
        for (name, file) in files {
            for start in stride(from: 0, to: file.byteCount, by: pieceByteCount) {
                let end = min(file.byteCount, start + pieceByteCount)
                pieces.append(Piece(file: file, name: name, range: start..<end))
            }
        }
        let total = files.reduce(0) { $0 + $1.file.byteCount }
        progress.expect(Int64(total))
        let state = SharedState()
        let all = pieces
        let work: @Sendable () -> Void = {
            while !isOver(), let piece = state.next(of: all) {
                progress.turn(to: piece.name)
                if let failure = populate(piece) { state.fail(failure) }
                progress.add(piece.range.count)
            }
        }
        var others: [ThreadBox] = []
        if total >= threadByteCountMin {
            for _ in 1..<threadCount {
                if let thread = try? ThreadBox(named: "populate", .system, work) {
                    others.append(thread)
                }
            }
        }
        work()
        for thread in others { thread.join() }
        if let failure = state.failure { throw failure }
    }

    private static func populate(_ piece: Piece) -> PredictorError? {
        do throws(Errno) {
            try piece.file.populate(piece.range)
            return nil
        } catch {
            // Before Linux 5.14 there is no such advice; a read brings the pages as well, and tells
            // in both cases what the file system says.
            return read(piece, otherwise: error)
        }
    }

    private static func read(_ piece: Piece, otherwise error: Errno) -> PredictorError? {
        let step = 1 << 20
        var offset = piece.range.lowerBound
        do throws(Errno) {
            let file = try FileDescriptor.open(piece.file.path, O_RDONLY)
            while offset < piece.range.upperBound {
                let count = min(step, piece.range.upperBound - offset)
                let bytes = try file.readBytes(countMax: count, at: Int64(offset))
                if bytes.count < count { throw Errno.inputOutput }
                offset += count
            }
        } catch {
            return .unreadable(file: piece.name, offset: offset, error)
        }
        // Read, and yet not to be mapped: what the advice said stands.
        return error == .invalidArgument
            ? nil : .unreadable(file: piece.name, offset: piece.range.lowerBound, error)
    }

    private final class SharedState: Sendable {
        private let state = Lock(State())

        func next(of pieces: [Piece]) -> Piece? {
            state.withLock { state in
                guard state.failure == nil, state.next < pieces.count else { return nil }
                defer { state.next += 1 }
                return pieces[state.next]
            }
        }

        func fail(_ failure: PredictorError) {
            state.withLock { $0.failure = $0.failure ?? failure }
        }

        var failure: PredictorError? { state.withLock { $0.failure } }
    }
}
