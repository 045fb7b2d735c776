// What is known of how bytes came, and is not in the index yet.
//
// A proof by chunks rests on this: whatever byte of a content is in the store, there is an entry
// for the transfer that brought it, either with the names of its chunks or without. So an entry
// without names is made before the first byte comes, and is exchanged for one with names when the
// transfer ends; the index has it no later than it calls a block of the transfer valid. What a
// crash cuts off stays an entry without names, and then only the content's own hash can prove it.

internal import Hashing
internal import Platform
internal import Xet

/// A transfer that brings bytes of a content.
package struct DeliveryID: Hashable, Sendable {
    let number: Int64
}

/// An entry: some bytes of a content, and the chunks that they are; nil: they came without names.
struct DeliveryRow: Sendable {
    let number: Int64
    let key: ContentKey
    let range: Range<Int64>
    let run: ChunkRun?
}

/// What has to be changed in the index.
struct DeliveryChanges: Sendable {
    var removed: [Int64] = []
    var added: [DeliveryRow] = []

    var isEmpty: Bool { removed.isEmpty && added.isEmpty }
}

/// The entries that are not in the index.
final class DeliveryBook: Sendable {
    private struct Open {
        let key: ContentKey
        let range: Range<Int64>
        var isRecorded = false
    }

    private struct State {
        var nextNumber: Int64
        var open: [Int64: Open] = [:]
        var changes = DeliveryChanges()
    }

    private let state: Lock<State>

    init(newestNumber: Int64) {
        state = Lock(State(nextNumber: newestNumber + 1))
    }

    func begin(_ key: ContentKey, _ range: Range<Int64>) -> DeliveryID {
        state.withLock { state in
            let number = state.nextNumber
            state.nextNumber += 1
            state.open[number] = Open(key: key, range: range)
            return DeliveryID(number: number)
        }
    }

    /// - Parameter unnamed: what came without names.
    func end(_ id: DeliveryID, _ runs: [ChunkRun], unnamed: [Range<Int64>]) {
        state.withLock { state in
            guard let open = state.open.removeValue(forKey: id.number) else { return }
            if open.isRecorded { state.changes.removed.append(id.number) }
            let named: [(Range<Int64>, ChunkRun?)] = runs.map { ($0.fileRange, $0) }
            for (range, run) in named + unnamed.map({ ($0, nil) }) {
                state.changes.added.append(
                    DeliveryRow(
                        number: state.nextNumber, key: open.key, range: range, run: run))
                state.nextNumber += 1
            }
        }
    }

    /// Whether the index has all of it.
    var isEmpty: Bool {
        state.withLock { $0.changes.isEmpty && $0.open.values.allSatisfy(\.isRecorded) }
    }

    /// Numbers for entries that go into the index at once.
    func numbers(_ count: Int) -> Int64 {
        state.withLock { state in
            defer { state.nextNumber += Int64(count) }
            return state.nextNumber
        }
    }

    /// What is to be changed, which from then on counts as done.
    func take() -> DeliveryChanges {
        state.withLock { state in
            var changes = state.changes
            state.changes = DeliveryChanges()
            for (number, open) in state.open where !open.isRecorded {
                changes.added.append(
                    DeliveryRow(number: number, key: open.key, range: open.range, run: nil))
                state.open[number]?.isRecorded = true
            }
            return changes
        }
    }

    /// The changes could not be made; they are to be made with the next ones.
    func putBack(_ changes: DeliveryChanges) {
        state.withLock { state in
            state.changes.removed = changes.removed + state.changes.removed
            // An entry of a transfer that has ended meanwhile is removed again by number.
            state.changes.added = changes.added + state.changes.added
        }
    }

    /// A content was dropped with its entries; transfers under way are entered anew.
    func forget(_ key: ContentKey) {
        state.withLock { state in
            state.changes.added.removeAll { $0.key == key }
            for number in state.open.keys where state.open[number]?.key == key {
                state.open[number]?.isRecorded = false
            }
        }
    }
}
