// Memory that a pass through an encoder works in: bounded, and used again by the next pass.

internal import LinearAlgebra
internal import Platform

/// What one thread has for itself.
struct OwnScratch: Sendable {
    /// Scores of some tokens for all tokens of their text.
    let scores: FloatMemory
    /// Weights that are converted.
    let tile: FloatMemory

    /// So many tokens' scores are made at once.
    static let queryCount = 64

    init(_ configuration: EncoderConfiguration, _ weights: EncoderWeights) {
        scores = FloatMemory(count: OwnScratch.queryCount * configuration.tokenCountMax)
        let layers = weights.layers.flatMap {
            [$0.query, $0.key, $0.value, $0.attentionOutput, $0.inner, $0.outer]
        }
        tile = FloatMemory(count: layers.map(\.tileFloatCount).max() ?? 0)
    }
}

/// What the members of a team have, each for itself.
struct OwnScratches: Sendable {
    let all: [OwnScratch]

    init(
        _ scratch: Scratch, _ count: Int, _ configuration: EncoderConfiguration,
        _ weights: EncoderWeights
    ) {
        all =
            [scratch.own]
            + (1..<max(count, 1)).map { _ in OwnScratch(configuration, weights) }
    }
}

/// What a piece of a batch needs.
struct Scratch: Sendable {
    /// Rows for tokens: the state, three parts of attention and what comes out of it.
    let states: [FloatMemory]
    let inner: FloatMemory
    let own: OwnScratch
    static let stateCount = 5

    init(
        _ configuration: EncoderConfiguration, _ weights: EncoderWeights, tokenCount: Int
    ) {
        states = (0..<Scratch.stateCount).map { _ in
            FloatMemory(count: tokenCount * configuration.width)
        }
        inner = FloatMemory(count: tokenCount * configuration.innerWidth)
        own = OwnScratch(configuration, weights)
    }
}

/// Memory of passes that are over, for those to come.
final class ScratchPool: Sendable {
    /// What the rows of one piece may take.
    private static let byteCountMax = 8 << 20
    /// More passes at the same time than this give their memory back.
    private static let keptCountMax = 2

    /// How many tokens a piece may have: what fits, but one text at least.
    let tokenCountMax: Int
    private let configuration: EncoderConfiguration
    private let weights: EncoderWeights
    private let free = Lock<[Scratch]>([])

    init(_ configuration: EncoderConfiguration, _ weights: EncoderWeights) {
        self.configuration = configuration
        self.weights = weights
        let floatCount = Scratch.stateCount * configuration.width + configuration.innerWidth
        let fitting = ScratchPool.byteCountMax / MemoryLayout<Float>.stride / floatCount
        tokenCountMax = max(fitting, configuration.tokenCountMax)
    }

    func withScratch(_ body: (Scratch) -> Void) {
        let kept = free.withLock { free in free.popLast() }
        let scratch =
            kept ?? Scratch(configuration, weights, tokenCount: tokenCountMax)
        body(scratch)
        free.withLock { free in
            if free.count < ScratchPool.keptCountMax { free.append(scratch) }
        }
    }
}
