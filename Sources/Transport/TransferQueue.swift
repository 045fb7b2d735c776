// Which transfer starts next. Pure: it knows ids, priorities and hosts, and starts nothing.
//
// Readers go before metadata and metadata before prefetch; within a priority, first come, first
// served. Prefetch leaves the last quarter of the slots free, so that a reader never waits for a
// prefetch to end. A host has a limit of its own that is not above libcurl's limit of connections
// to it, so nothing waits inside libcurl, whose line knows no priorities.

/// The waiting and the running transfers.
package struct TransferQueue {
    private enum Place {
        case waiting, running
    }

    private struct Entry {
        var priority: TransferPriority
        let origin: HTTPOrigin
        var place: Place
    }

    private let transfersMax: Int
    private let transfersPerHostMax: Int
    private let waitingMax: Int
    private var entries: [TransferID: Entry] = [:]
    private var waiting: [TransferPriority: [TransferID]] = [:]
    private var runningByOrigin: [HTTPOrigin: Int] = [:]
    /// How many have a slot.
    package private(set) var runningCount = 0

    /// An empty queue that lets so many run, in all and for one host, and so many wait.
    package init(transfersMax: Int, transfersPerHostMax: Int, waitingMax: Int) {
        precondition(transfersMax > 0 && transfersPerHostMax > 0 && waitingMax > 0)
        self.transfersMax = transfersMax
        self.transfersPerHostMax = transfersPerHostMax
        self.waitingMax = waitingMax
    }

    /// How many are in line.
    package var waitingCount: Int { entries.count - runningCount }

    /// Puts a transfer in line; false when the line is full.
    package mutating func add(
        _ id: TransferID, priority: TransferPriority, origin: HTTPOrigin
    ) -> Bool {
        precondition(entries[id] == nil)
        if waitingCount >= waitingMax { return false }
        entries[id] = Entry(priority: priority, origin: origin, place: .waiting)
        waiting[priority, default: []].append(id)
        return true
    }

    /// Changes the priority; a waiting transfer goes to the end of its new line.
    package mutating func promote(_ id: TransferID, to priority: TransferPriority) {
        guard let entry = entries[id], entry.priority != priority else { return }
        entries[id]?.priority = priority
        if entry.place == .waiting {
            waiting[entry.priority]?.removeAll { $0 == id }
            waiting[priority, default: []].append(id)
        }
    }

    /// Forgets a transfer and frees its slot if it has one.
    package mutating func remove(_ id: TransferID) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        switch entry.place {
        case .waiting:
            waiting[entry.priority]?.removeAll { $0 == id }
        case .running:
            runningCount -= 1
            let rest = (runningByOrigin[entry.origin] ?? 0) - 1
            runningByOrigin[entry.origin] = rest > 0 ? rest : nil
        }
    }

    /// Gives a slot to the transfer that is next; nil when none may start now.
    package mutating func startNext() -> TransferID? {
        for priority in TransferPriority.allCases
        where runningCount < slotCount(for: priority, of: transfersMax) {
            let line = waiting[priority] ?? []
            for (index, id) in line.enumerated() {
                guard let entry = entries[id] else { continue }
                let busy = runningByOrigin[entry.origin] ?? 0
                if busy >= slotCount(for: priority, of: transfersPerHostMax) { continue }
                waiting[priority]?.remove(at: index)
                entries[id]?.place = .running
                runningByOrigin[entry.origin] = busy + 1
                runningCount += 1
                return id
            }
        }
        return nil
    }

    /// How many of the slots a transfer of that priority may find taken, exclusive: a quarter is
    /// kept for those that somebody waits for, at each host as well as in all.
    private func slotCount(for priority: TransferPriority, of count: Int) -> Int {
        switch priority {
        case .reader, .metadata: count
        case .prefetch: max(1, count - count / 4)
        }
    }
}
