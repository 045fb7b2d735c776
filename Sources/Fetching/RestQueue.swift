// Whose rest is fetched next: contents of which all is wanted, though nobody waits for it. Pure.
//
// The rest of each content comes transfer by transfer. Those of one group follow each other, as
// they were read before; the groups take turns, so that none keeps the others waiting. Few
// transfers are under way at a time: those of readers begin at once beside them, and what is under
// way is soon done.

internal import Catalog

/// The contents whose rest is wanted, and the transfers that bring it.
struct RestQueue {
    private struct Running: Hashable {
        let content: ContentID
        let number: ContentPlan.TransferNumber
    }

    /// Transfers of 16 MiB: 64 MiB under way hide a round trip of 100 ms at 640 MB/s.
    static let runningCountMax = 4
    /// While somebody waits for other bytes; not none, since that wait may be a long one.
    static let runningCountMaxBesideReaders = 1
    /// Contents in line; what comes beyond waits for a reader to touch it again.
    static let contentCountMax = 4096

    /// The next group in turn is first, and in each the next content; none is empty.
    private var line: [[ContentID]] = []
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

    /// Groups that take turns.
    var groupCount: Int { line.count }

    /// Bytes that are under way when one more transfer begins, at most.
    var claimedByteCount: Int64 {
        Int64(running.count + 1) * ContentPlan.transferByteCountMax
    }

    func contains(_ content: ContentID) -> Bool { members.contains(content) }

    /// Whether a transfer of the content's rest is under way.
    func isRunning(_ content: ContentID) -> Bool {
        running.contains { $0.content == content }
    }

    /// Puts a content in line, as a group of its own; false when the line is full.
    mutating func add(_ content: ContentID) -> Bool {
        if members.contains(content) { return true }
        add(group: [content])
        return members.contains(content)
    }

    /// Puts contents in line that follow each other; those that are in line already stay there.
    mutating func add(group contents: [ContentID]) {
        let room = RestQueue.contentCountMax - members.count
        let group = contents.filter { !members.contains($0) }.prefix(max(0, room))
        if group.isEmpty { return }
        members.formUnion(group)
        line.append(Array(group))
    }

    /// Takes a content out of the line; what is under way goes on.
    mutating func remove(_ content: ContentID) {
        if members.remove(content) == nil { return }
        guard let index = line.firstIndex(where: { $0.contains(content) }) else { return }
        line[index].removeAll { $0 == content }
        if line[index].isEmpty { line.remove(at: index) }
    }

    /// Takes all contents out of the line, and returns them.
    mutating func removeAll() -> [ContentID] {
        defer {
            line = []
            members = []
        }
        return line.flatMap(\.self)
    }

    /// The first content of the group whose turn it is; the group goes to the end of the line.
    mutating func next() -> ContentID? {
        if line.isEmpty { return nil }
        let group = line.removeFirst()
        line.append(group)
        return group.first
    }

    mutating func began(_ content: ContentID, _ number: ContentPlan.TransferNumber) {
        running.insert(Running(content: content, number: number))
    }

    /// A transfer has ended, in whatever way.
    mutating func ended(_ content: ContentID, _ number: ContentPlan.TransferNumber) {
        running.remove(Running(content: content, number: number))
    }
}
