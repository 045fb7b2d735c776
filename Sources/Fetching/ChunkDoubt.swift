// What is in doubt of a file whose chunks do not give its hash, from one arrival to the next.
//
// Every chunk that may be wrong is fetched again. One that comes with the same name twice is
// settled: two arrivals are not damaged alike. When the file is right at last, the names that
// chunks had before tell which had come wrong. Pure.

internal import Xet

/// The doubtful chunks of one file.
struct ChunkDoubt {
    /// Arrivals of a chunk before the server is given up.
    ///
    /// With one byte wrong in every answer of 8 MiB, what is in doubt shrinks to a chunk or two
    /// with the second arrival.
    static let roundCountMax = 8

    private var roundCount = 0
    /// The forms in which each chunk came, by where it begins.
    private var seen: [Int64: [IdentifiedChunk]] = [:]

    /// The file is wrong, and these of its chunks may be.
    ///
    /// - Returns: those to be fetched again; nil if that leads nowhere, because all came alike or
    ///   because too many attempts were made.
    mutating func note(_ doubtful: [IdentifiedChunk]) -> [IdentifiedChunk]? {
        roundCount += 1
        var open: [IdentifiedChunk] = []
        for chunk in doubtful {
            let isKnown = seen[chunk.fileOffset]?.contains { $0.hash == chunk.hash } ?? false
            if isKnown { continue }
            seen[chunk.fileOffset, default: []].append(chunk)
            open.append(chunk)
        }
        return open.isEmpty || roundCount > ChunkDoubt.roundCountMax ? nil : open
    }

    /// Every form in which a doubtful chunk came.
    var forms: [IdentifiedChunk] { seen.values.flatMap { $0 } }
}
