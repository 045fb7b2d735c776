// What a daemon leaves with its keeper, so that its successor goes on where it ended.
//
// The cache's lock, what the daemon was started with, every connection to the kernel with the
// message that began it, and every mountpoint. Without a keeper nothing is kept, and all of this
// does nothing. That a keeper has gone is noticed and told elsewhere (Pulse), not at each call.

internal import FoundationEssentials
package import FuseSession
internal import Glibc
internal import Keeping
package import Platform
internal import Synchronization
package import Telemetry

/// A mountpoint, as the successor needs to know it.
struct MountRecord: Equatable, Sendable, Codable {
    let request: MountRequest
    /// Nil while it is being mounted.
    let info: MountInfo?
}

/// A connection to the kernel, as the successor needs to know it.
package struct ConnectionRecord: Equatable, Sendable, Codable {
    /// Where the kernel mounted it.
    let mountpoint: String
    /// Shown as the device in the mount table.
    let source: String
    /// The node of its root.
    let root: UInt64
    /// How it looks to others.
    let options: MountOptions
    /// The bytes of its FUSE_INIT.
    let initMessage: [UInt8]
}

/// What is kept across the deaths of daemons.
package final class MountKeeping: Sendable {
    /// The form of all that is kept here; a program of another one cannot go on.
    static let formatVersion = 1
    private static let lockName = "lock"
    private static let upgradeName = "upgrade"
    private static let configurationName = "configuration"
    private static let crashesName = "crashes"
    private static let connectionPrefix = "connection "
    private static let mountPrefix = "mount "

    private let link: KeeperLink?
    private let isLost = Atomic<Bool>(false)
    private let log: Lock<Log>

    /// - Parameter log: until `beginPulse` gives another.
    init(_ link: KeeperLink?, log: Log = Log()) {
        self.link = link
        self.log = Lock(log)
    }

    /// Whether there is a keeper, as far as is known.
    var isKept: Bool { link != nil && !isLost.load(ordering: .relaxed) }

    /// Whether the keeper still takes messages.
    var isAnswering: Bool {
        guard let link, isKept else { return false }
        do throws(Errno) {
            try link.tellAlive()
            return true
        } catch {
            return false
        }
    }

    /// Whether a daemon served before, and this one takes over.
    var isSuccessor: Bool { takeoverCount > 0 }

    /// Begins to show the keeper that this process lives.
    ///
    /// - Parameter lost: called once, when the keeper has gone.
    /// - Returns: nil where there is no keeper.
    func beginPulse(
        _ log: Log, lost: @escaping @Sendable () -> Void
    ) throws(MountFailure) -> Pulse? {
        guard let link else { return nil }
        self.log.withLock { $0 = log }
        do throws(Errno) {
            return try Pulse(link, log) { [self] in
                isLost.store(true, ordering: .relaxed)
                lost()
            }
        } catch {
            throw .failed(detail: "there is no room for a thread: \(error)")
        }
    }

    /// How many daemons served before this one.
    var takeoverCount: Int { link?.earlierWorkerCount ?? 0 }

    /// When the keeper began to start this daemon; nil where that is not known.
    var begin: MonotonicInstant? { link?.begin }

    // MARK: What an earlier daemon left

    func takeLock() -> CacheLock? {
        guard let file = link?.take(MountKeeping.lockName)?.takeDescriptor() else { return nil }
        return CacheLock(file: file)
    }

    func takeConfiguration() -> DaemonConfiguration? {
        guard let item = link?.take(MountKeeping.configurationName) else { return nil }
        return MountKeeping.decoded(item.bytes)
    }

    /// The crashes of earlier daemons, and a place for this one's; nil where nobody follows it.
    package func crashRecords(_ log: Log) -> CrashRecords? {
        guard let link else { return nil }
        let memory = link.take(MountKeeping.crashesName)?.takeDescriptor()
        if let memory, let records = try? CrashRecords(takingOver: memory, log) { return records }
        do throws(Errno) {
            let records = try CrashRecords(log)
            try link.keep(MountKeeping.crashesName, [], descriptor: records.descriptorNumber)
            return records
        } catch {
            log.error("crashes cannot be noted", ["reason": "\(error)"])
            return nil
        }
    }

    /// Those that had a name like this, decoded.
    private func take<Record: Decodable>(
        _ prefix: String, _ type: Record.Type
    ) -> [(record: Record, item: Keepsake)] {
        guard let link else { return [] }
        return link.keptNames.filter { $0.hasPrefix(prefix) }.compactMap { name in
            guard let item = link.take(name), let record: Record = MountKeeping.decoded(item.bytes)
            else { return nil }
            return (record, item)
        }
    }

    /// Whether the earlier daemon ended to be followed by what is installed now.
    func takeUpgrade() -> Bool {
        guard let link, link.take(MountKeeping.upgradeName) != nil else { return false }
        drop(MountKeeping.upgradeName)
        return true
    }

    func takeMounts() -> [MountRecord] {
        take(MountKeeping.mountPrefix, MountRecord.self).map(\.record)
    }

    /// Goes through the connections that an earlier daemon had.
    ///
    /// - Parameter body: given the descriptor of /dev/fuse, which it owns from there on.
    package func takeConnections(
        _ body: (ConnectionRecord, consuming FileDescriptor) -> Void
    ) {
        for (record, item) in take(MountKeeping.connectionPrefix, ConnectionRecord.self) {
            if let device = item.takeDescriptor() { body(record, device) }
        }
    }

    // MARK: What this one leaves

    func keep(_ lock: borrowing CacheLock) {
        put(MountKeeping.lockName, [], lock.descriptorNumber)
    }

    func keep(_ configuration: DaemonConfiguration) {
        keep(MountKeeping.configurationName, configuration)
    }

    func keep(_ mount: MountRecord) {
        keep(MountKeeping.mountPrefix + mount.request.mountpoint, mount)
    }

    func dropMount(at mountpoint: String) {
        drop(MountKeeping.mountPrefix + mountpoint)
    }

    /// - Parameter device: the descriptor of /dev/fuse, which stays the caller's.
    func keep(_ connection: ConnectionRecord, device: CInt) {
        keep(MountKeeping.connectionPrefix + connection.mountpoint, connection, device)
    }

    func dropConnection(at mountpoint: String) {
        drop(MountKeeping.connectionPrefix + mountpoint)
    }

    /// Requests are answered: a successor follows when this process dies.
    func tellReady() {
        tell { link throws(Errno) in
            try link.tellReady()
        } failed: { log, reason in
            log.error("no daemon follows when this one dies", ["reason": reason])
        }
    }

    /// This process is about to end, and the program that is installed now is to follow.
    func tellReplace() {
        put(MountKeeping.upgradeName, [], nil)
        tell { link throws(Errno) in
            try link.tellReplace()
        } failed: { log, reason in
            log.error("the keeper goes on with the program of before", ["reason": reason])
        }
    }

    /// This process ends in order, and nobody follows.
    func tellFinishing() {
        tell { link throws(Errno) in
            try link.tellFinishing()
        } failed: { log, reason in
            log.error("the keeper starts a daemon although this one ends", ["reason": reason])
        }
    }

    /// The log is another file now.
    func tellOutput(_ descriptor: CInt) {
        tell { link throws(Errno) in
            try link.tellOutput(descriptor)
        } failed: { log, reason in
            log.warning("the keeper goes on with the log of before", ["reason": reason])
        }
    }

    private func keep(_ name: String, _ record: some Encodable, _ descriptor: CInt? = nil) {
        guard link != nil else { return }
        guard let json = try? JSONEncoder().encode(record) else {
            tellLoss(of: name, "it cannot be encoded", log.withLock { $0 })
            return
        }
        put(name, Array(json), descriptor)
    }

    private func put(_ name: String, _ bytes: [UInt8], _ descriptor: CInt?) {
        tell { link throws(Errno) in
            try link.keep(name, bytes, descriptor: descriptor)
        } failed: { log, reason in
            tellLoss(of: name, reason, log)
        }
    }

    private func drop(_ name: String) {
        tell { link throws(Errno) in
            try link.drop(name)
        } failed: { log, reason in
            log.warning(
                "the next daemon is told of what is gone", ["what": name, "reason": reason])
        }
    }

    /// What users lose is said, since they notice nothing until this process dies.
    private func tellLoss(of name: String, _ reason: String, _ log: Log) {
        for prefix in [MountKeeping.connectionPrefix, MountKeeping.mountPrefix]
        where name.hasPrefix(prefix) {
            log.error(
                "a mount ends with this daemon: the next one will not take it over",
                ["mountpoint": String(name.dropFirst(prefix.count)), "reason": reason])
            return
        }
        log.error("the mounts end with this daemon", ["unkept": name, "reason": reason])
    }

    /// Says something to the keeper; that it has gone is noticed and told elsewhere.
    private func tell(
        _ body: (KeeperLink) throws(Errno) -> Void, failed: (Log, String) -> Void
    ) {
        guard let link else { return }
        do throws(Errno) { try body(link) } catch {
            if error == Errno(EPIPE) || error == Errno(ECONNRESET) { return }
            failed(log.withLock { $0 }, "\(error)")
        }
    }

    private static func decoded<Record: Decodable>(_ bytes: [UInt8]) -> Record? {
        try? JSONDecoder().decode(Record.self, from: Data(bytes))
    }
}
