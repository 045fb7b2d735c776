// How alike vectors of texts are, and which of a list are the nearest.

internal import LinearAlgebra

/// How alike two vectors are.
package enum Similarity {
    /// The cosine of the angle between two vectors of one length: 1 for the same direction, 0
    /// where one of them is zero.
    package static func cosine(_ left: [Float], _ right: [Float]) -> Float {
        let product = left.span.dot(right.span)
        let square = left.span.dot(left.span) * right.span.dot(right.span)
        return square > 0 ? min(max(product / square.squareRoot(), -1), 1) : 0
    }
}

/// Vectors in which the nearest are looked for.
package struct EmbeddingIndex: Sendable {
    /// One that was found.
    package struct Match: Equatable, Sendable {
        /// Its place in the list.
        package let index: Int
        /// The cosine.
        package let similarity: Float
    }

    /// Each of length 1.
    private let vectors: Matrix

    /// - Parameter vectors: all of one length.
    package init(_ vectors: [[Float]]) {
        self.vectors = Matrix(zeros: vectors.count, vectors.first?.count ?? 0)
        for (index, vector) in vectors.enumerated() {
            let unit = SentenceStep.normalize.apply(vector)
            self.vectors.setRow(index, unit.span)
        }
    }

    /// How many vectors there are.
    package var count: Int { vectors.rowCount }

    /// The nearest to a vector, `countMax` of them at most, the most alike first.
    package func nearest(to vector: [Float], countMax: Int) -> [Match] {
        if count == 0 { return [] }
        let query = Matrix(zeros: 1, vector.count)
        query.setRow(0, SentenceStep.normalize.apply(vector).span)
        let scores = Matrix(zeros: 1, count)
        scores.setProduct(query, transposed: vectors)
        let matches = scores.array(row: 0).enumerated().map {
            Match(index: $0.offset, similarity: min(max($0.element, -1), 1))
        }
        let sorted = matches.sorted {
            ($1.similarity, $0.index) < ($0.similarity, $1.index)
        }
        return Array(sorted.prefix(max(0, countMax)))
    }
}
