// Whose rest is fetched next: contents of which all is wanted, though nobody waits for it. Pure.
//
// The rest of each content comes transfer by transfer, the contents taking turns, so that a large
// one does not keep the others waiting. Few transfers are under way at a time: those of readers
// begin at once beside them, and what is under way is soon done.

internal import Catalog

/// The contents whose rest is wanted, and the transfers that bring it.
struct RestQueue {
    private struct Running: Hashable {
        let content: ContentID
        let number: ContentPlan.TransferNumber
    }

    /// Transfers of 8 MiB: 48 MiB under way hide a round trip of 100 ms at 480 MB/s.
    static let runningCountMax = 6
    /// While somebody waits for other bytes; not none, since that wait may be a long one.
    static let runningCountMaxBesideReaders = 2
    /// Contents in line; what comes beyond waits for a reader to touch it again.
    static let contentCountMax = 4096

    /// The next in turn is first.
    private var line: [ContentID] = []
    private var members: Set<ContentID> = []
    private var running: Set<Running> = []

    /// Whether another transfer may begin.
    ///
    /// - Parameter isBesideReaders: whether somebody waits for bytes of other contents.
    func hasSlot(isBesideReaders: Bool) -> Bool {
        let limit =
            isBesideReaders ? RestQueue.runningCountMaxBesideReaders : RestQueue.runningCountMax
        return running.count < limit
    }

    var isEmpty: Bool { line.isEmpty }

    /// Bytes that are under way when one more transfer begins, at most.
    var claimedByteCount: Int64 {
        Int64(running.count + 1) * ContentPlan.transferByteCountMax
    }

    func contains(_ content: ContentID) -> Bool { members.contains(content) }

    /// Whether a transfer of the content's rest is under way.
    func isRunning(_ content: ContentID) -> Bool {
        running.contains { $0.content == content }
    }

    /// Puts a content in line; false when the line is full.
    mutating func add(_ content: ContentID) -> Bool {
        if members.contains(content) { return true }
        if line.count >= RestQueue.contentCountMax { return false }
        members.insert(content)
        line.append(content)
        return true
    }

    /// Takes a content out of the line; what is under way goes on.
    mutating func remove(_ content: ContentID) {
        if members.remove(content) != nil { line.removeAll { $0 == content } }
    }

    /// Takes all contents out of the line, and returns them.
    mutating func removeAll() -> [ContentID] {
        defer {
            line = []
            members = []
        }
        return line
    }

    /// The content whose turn it is; it goes to the end of the line.
    mutating func next() -> ContentID? {
        if line.isEmpty { return nil }
        let content = line.removeFirst()
        line.append(content)
        return content
    }

    mutating func began(_ content: ContentID, _ number: ContentPlan.TransferNumber) {
        running.insert(Running(content: content, number: number))
    }

    /// A transfer has ended, in whatever way.
    mutating func ended(_ content: ContentID, _ number: ContentPlan.TransferNumber) {
        running.remove(Running(content: content, number: number))
    }
}
