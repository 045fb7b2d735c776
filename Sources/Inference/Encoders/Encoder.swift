// An encoder that is open: texts as ids in, a vector for every token out.
//
// Texts of a batch lie one behind the other, without padding: products do not care where a text
// ends, and attention goes text by text. A batch is cut into pieces of bounded memory. Where there
// are as many pieces as threads each thread takes whole pieces; a single piece is worked on by all
// threads together, each with its own columns, heads or rows.

internal import LinearAlgebra
internal import Platform
internal import Weights

/// An encoder of one of the known families.
final class Encoder: Sendable {
    let configuration: EncoderConfiguration
    let weights: EncoderWeights
    private let scratches: ScratchPool

    init(_ configuration: EncoderConfiguration, _ weights: EncoderWeights) {
        self.configuration = configuration
        self.weights = weights
        scratches = ScratchPool(configuration, weights)
    }

    /// How many parameters the tensors of the layers and tables have.
    var parameterCount: Int64 {
        var count = Int64(weights.words.elementCount + weights.positions.elementCount)
        count += Int64(configuration.typeCount * configuration.width + 2 * configuration.width)
        let (width, inner) = (Int64(configuration.width), Int64(configuration.innerWidth))
        let layer = 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width
        return count + Int64(configuration.layerCount) * layer
            + Int64(weights.distanceBuckets?.elementCount ?? 0)
    }

    /// Encodes texts, and calls for each, on any thread, with the vectors of its tokens.
    ///
    /// - Parameters:
    ///   - texts: ids below the number of words; each text has one at least, and none more than
    ///     the encoder has positions for.
    ///   - finish: gets the place of the text, and one row for each of its tokens.
    func encode(
        _ texts: [[Int32]], on team: Team = .shared,
        _ finish: @escaping @Sendable (Int, Matrix) -> Void
    ) {
        let pieces = PieceCut(
            texts.map(\.count), tokenCountMax: scratches.tokenCountMax,
            threadCount: team.threadCount
        ).pieces
        if pieces.isEmpty { return }
        if pieces.count > 1 {
            // Each thread takes the next piece as soon as it has done one.
            let next = Lock(0)
            team.run { _ in
                self.scratches.withScratch { scratch in
                    while case let index = next.withLock({ (next: inout sending Int) in
                        defer { next += 1 }
                        return next
                    }), index < pieces.count {
                        let pass = EncoderPass(
                            self, texts, pieces[index], scratch, .alone, [scratch.own])
                        pass.run(finish)
                    }
                }
            }
            return
        }
        scratches.withScratch { scratch in
            let owns = OwnScratches(scratch, team.threadCount, configuration, weights)
            team.run { member in
                EncoderPass(self, texts, pieces[0], scratch, member, owns.all).run(finish)
            }
        }
    }
}

/// A batch cut into pieces: texts that follow each other.
struct PieceCut {
    /// Fewer tokens than this are not worth a piece of their own.
    static let tokenCountMin = 64

    private(set) var pieces: [Range<Int>] = []

    init(_ tokenCounts: [Int], tokenCountMax: Int, threadCount: Int) {
        let total = tokenCounts.reduce(0, +)
        // A multiple of the number of threads, so that all have about as much to do.
        var pieceCount = (total + tokenCountMax - 1) / tokenCountMax
        if total >= threadCount * PieceCut.tokenCountMin && tokenCounts.count >= threadCount {
            pieceCount = (pieceCount + threadCount - 1) / threadCount * threadCount
        }
        let goal = min(tokenCountMax, (total + max(pieceCount, 1) - 1) / max(pieceCount, 1))
        var (start, count) = (0, 0)
        for (index, length) in tokenCounts.enumerated() {
            // Closed before a text that would make it larger than wanted by more than it lacks.
            let isOver = count + length > tokenCountMax || count + length / 2 > goal
            if count > 0 && isOver {
                pieces.append(start..<index)
                (start, count) = (index, 0)
            }
            count += length
        }
        if start < tokenCounts.count { pieces.append(start..<tokenCounts.count) }
    }
}
