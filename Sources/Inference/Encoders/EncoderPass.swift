// One pass of a piece of a batch through an encoder, as one thread of those that share it sees it.
//
// Who has which part: of products each thread has some of the outputs, of attention the heads of
// its own outputs, of what goes row by row some of the rows. Between parts that do not fit on each
// other the threads meet.

internal import LinearAlgebra
internal import Weights

/// A pass, of one thread.
struct EncoderPass {
    private let encoder: Encoder
    private let ids: [[Int32]]
    private let piece: Range<Int>
    private let member: TeamMember
    private let own: OwnScratch
    /// The rows of each text.
    private let texts: [Range<Int>]
    private let tokenCount: Int
    private let state, query, key, value, context: Matrix
    private let inner: Matrix

    private var configuration: EncoderConfiguration { encoder.configuration }

    init(
        _ encoder: Encoder, _ ids: [[Int32]], _ piece: Range<Int>, _ scratch: Scratch,
        _ member: TeamMember, _ owns: [OwnScratch]
    ) {
        self.encoder = encoder
        self.ids = ids
        self.piece = piece
        self.member = member
        own = owns[member.index]
        var (texts, count): ([Range<Int>], Int) = ([], 0)
        for index in piece {
            texts.append(count..<count + ids[index].count)
            count += ids[index].count
        }
        self.texts = texts
        tokenCount = count
        let width = encoder.configuration.width
        let rows = scratch.states.map { Matrix($0, rowCount: count, columnCount: width) }
        (state, query, key, value, context) = (rows[0], rows[1], rows[2], rows[3], rows[4])
        inner = Matrix(
            scratch.inner, rowCount: count, columnCount: encoder.configuration.innerWidth)
    }

    /// Runs all layers; `finish` is called for each text by one of the threads.
    func run(_ finish: (Int, Matrix) -> Void) {
        embed()
        member.meet()
        let distances = member.count == 0 ? nil : distanceTables()
        for layer in encoder.weights.layers { run(layer, distances) }
        for index in member.share(of: texts.count) {
            finish(piece.lowerBound + index, state.rows(texts[index]))
        }
    }

    // MARK: Tokens

    private func embed() {
        let (weights, width) = (encoder.weights, configuration.width)
        let rows = member.share(of: tokenCount)
        for (text, textRows) in texts.enumerated() {
            var position = configuration.firstPosition
            for (index, id) in ids[piece.lowerBound + text].enumerated() {
                // Padding that stands in a text has no place of its own.
                let isPadding =
                    configuration.family.countsFromPadding && id == configuration.paddingID
                let place = isPadding ? configuration.paddingID : position
                if !isPadding { position += 1 }
                let row = textRows.lowerBound + index
                if !rows.contains(row) { continue }
                let word = Int(id) * width
                DenseLayer.copy(weights.words, word..<word + width, to: state, at: row)
                DenseLayer.copy(
                    weights.positions, place * width..<(place + 1) * width, to: query, at: row)
            }
        }
        state.rows(rows).normalize(
            bias: weights.firstType, residual: query.rows(rows), weight: weights.norm.weight,
            offset: weights.norm.offset, epsilon: configuration.epsilon)
    }

    // MARK: Layers

    private func run(_ layer: EncoderLayer, _ distances: [[Float]]?) {
        let heads = member.share(of: configuration.width, unit: configuration.headWidth)
        project(layer.query, to: query, heads)
        project(layer.key, to: key, heads)
        project(layer.value, to: value, heads)
        attend(heads, distances)
        member.meet()
        // What attention needed is free again, but for the state.
        let columns = member.share(of: configuration.width, unit: 16)
        let rows = member.share(of: tokenCount)
        layer.attentionOutput.apply(context, to: query, outputs: columns, tile: own.tile)
        member.meet()
        normalize(query, rows, layer.attentionNorm, layer.attentionOutput, adding: state)
        member.meet()
        let innerColumns = member.share(of: configuration.innerWidth, unit: 16)
        layer.inner.apply(query, to: inner, outputs: innerColumns, tile: own.tile)
        inner.columns(innerColumns).activate(
            configuration.activation, bias: layer.inner.bias(innerColumns))
        member.meet()
        layer.outer.apply(inner, to: state, outputs: columns, tile: own.tile)
        member.meet()
        normalize(state, rows, layer.outputNorm, layer.outer, adding: query)
        member.meet()
    }

    private func project(_ layer: DenseLayer, to target: Matrix, _ outputs: Range<Int>) {
        layer.apply(state, to: target, outputs: outputs, tile: own.tile)
        target.columns(outputs).activate(.identity, bias: layer.bias(outputs))
    }

    private func normalize(
        _ matrix: Matrix, _ rows: Range<Int>, _ norm: NormLayer, _ product: DenseLayer,
        adding residual: Matrix
    ) {
        matrix.rows(rows).normalize(
            bias: product.bias, residual: residual.rows(rows), weight: norm.weight,
            offset: norm.offset, epsilon: configuration.epsilon)
    }

    // MARK: Attention

    /// For the heads of some columns: every token takes of all tokens of its text.
    private func attend(_ columns: Range<Int>, _ distances: [[Float]]?) {
        let headWidth = configuration.headWidth
        let scale = 1 / Float(headWidth).squareRoot()
        for text in texts {
            let length = text.count
            for start in stride(from: columns.lowerBound, to: columns.upperBound, by: headWidth) {
                let head = start..<start + headWidth
                let keys = key.rows(text).columns(head)
                let values = value.rows(text).columns(head)
                var first = 0
                while first < length {
                    let last = min(first + OwnScratch.queryCount, length)
                    let rows = text.lowerBound + first..<text.lowerBound + last
                    let scores = Matrix(
                        own.scores, rowCount: last - first, columnCount: length)
                    scores.setProduct(query.rows(rows).columns(head), transposed: keys)
                    if let distances {
                        let table = distances[start / headWidth]
                        scores.softmax(
                            scale: scale, distances: table, origin: table.count / 2 - first)
                    } else {
                        scores.softmax(scale: scale)
                    }
                    context.rows(rows).columns(head).setProduct(scores, values)
                    first = last
                }
            }
        }
    }

    /// What each head adds to a score, by the distance from the one token to the other: from
    /// minus the greatest to plus the greatest that there is.
    private func distanceTables() -> [[Float]]? {
        guard let buckets = encoder.weights.distanceBuckets else { return nil }
        let values = DenseLayer.floats(buckets)
        let most = max((texts.map(\.count).max() ?? 1) - 1, 0)
        let places = (-most...most).map {
            DistanceBuckets.bucket(of: $0, count: configuration.bucketCount)
        }
        return (0..<configuration.headCount).map { head in
            places.map { values[$0 * configuration.headCount + head] }
        }
    }
}
