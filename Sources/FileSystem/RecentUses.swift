// Which contents were used within the last minute, in a table of fixed size.
//
// A place of the table remembers one content and the time, so two that share a place push one
// another out, and are told more often than needed: never less.

internal import Catalog
internal import Platform

/// Tells whether a use is the first one in a while.
final class RecentUses: Sendable {
    /// 16 bytes each: 256 KiB, enough for the files of a thousand models in use.
    private static let placeCount = 16_384
    private static let intervalSeconds = 60.0

    private struct Place {
        var row: Int64 = 0
        var dueNanoseconds: Int64 = 0
    }

    private let places = Lock([Place](repeating: Place(), count: RecentUses.placeCount))

    /// Whether the content was not used within the last minute; from now on it was.
    func isDue(_ content: ContentID, at now: MonotonicInstant) -> Bool {
        places.withLock { places in
            let index = Int(content.row % Int64(RecentUses.placeCount))
            if places[index].row == content.row && now.nanoseconds < places[index].dueNanoseconds {
                return false
            }
            let due = now + RecentUses.intervalSeconds
            places[index] = Place(row: content.row, dueNanoseconds: due.nanoseconds)
            return true
        }
    }
}
