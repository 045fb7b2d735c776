// Decoded chunks of which a read wanted only the first part: the next read wants the rest.
//
// Reads end anywhere in a chunk. Without this each end would be read, checked and decoded twice:
// 6 % of all chunks when 1 MiB is read at a time, and half of them with 128 KiB. Only the rest of a
// chunk is ever taken from here; who reads a chunk from its start gets it from the disk.

internal import Platform

/// A few decoded chunks by the places of their records, which mean one record for ever.
final class RecentChunks: Sendable {
    /// For as many readers at once; 8 of 128 KiB are 1 MiB.
    static let countMax = 8

    private let chunks = Lock<[(location: RecordLocation, bytes: BlockBuffer)]>([])

    /// Takes a chunk out.
    func take(_ location: RecordLocation) -> BlockBuffer? {
        chunks.withLock { chunks in
            guard let place = chunks.firstIndex(where: { $0.location == location }) else {
                return nil
            }
            return chunks.remove(at: place).bytes
        }
    }

    /// Puts a chunk in; returns a buffer that was given up for it.
    func give(_ bytes: BlockBuffer, _ location: RecordLocation) -> BlockBuffer? {
        chunks.withLock { chunks in
            chunks.append((location, bytes))
            return chunks.count > RecentChunks.countMax ? chunks.removeFirst().bytes : nil
        }
    }
}
