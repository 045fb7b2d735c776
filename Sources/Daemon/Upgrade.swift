// Replacing a running daemon by the program that is installed now: what is looked at before.
//
// The new program itself says whether it can go on with this cache and with what is kept for it,
// in a process of its own that changes nothing; only then the daemon ends to be followed by it.

internal import Catalog
internal import ChunkStore
internal import Database
internal import Glibc
internal import Keeping
internal import Platform
internal import Settings

/// The functions on the program that is to follow.
enum Upgrade {
    /// How long the new program may take to say whether the cache fits, in seconds.
    private static let checkSecondsMax = 20.0
    /// What it may say.
    private static let sayingByteCountMax = 4_096

    /// The place from which daemons of this keeper are started; nil without a keeper.
    static var program: String? { Environment.process[KeeperLink.programVariable] }

    /// Whether this process runs the file that is at that place now.
    static var isInstalled: Bool {
        guard let program else { return false }
        return isSame("/proc/self/exe", program)
    }

    /// Whether two paths lead to one file.
    static func isSame(_ first: String, _ second: String) -> Bool {
        var one = stat()
        var other = stat()
        if unsafe stat(first, &one) != 0 { return false }
        if unsafe stat(second, &other) != 0 { return false }
        return one.st_ino == other.st_ino && one.st_dev == other.st_dev
    }

    /// Asks the installed program whether it could go on here.
    ///
    /// - Throws: `upgradeRefused` with its reason.
    static func check(_ program: String, cachePath: String) throws(MountFailure) {
        let words = [
            "daemon", "--fits", "\(MountKeeping.formatVersion)", "--cache", cachePath,
        ]
        let said: String
        let ending: ChildProcess.Ending?
        do throws(Errno) {
            let pair = try SocketPair()
            let child = try ChildProcess(
                program, words, name: "modelfs", environment: Environment.process.entries,
                descriptors: [-1, -1, pair.second.rawValue])
            let deadline = MonotonicInstant.now + checkSecondsMax
            var found: ChildProcess.Ending?
            while found == nil, MonotonicInstant.now < deadline {
                found = try child.poll()
                if found == nil { sleep(seconds: 0.01) }
            }
            if found == nil { try child.signal(SIGKILL) }
            ending = found
            said = saying(from: pair.first)
        } catch {
            throw .upgradeRefused(program: program, detail: "it cannot be started: \(error)")
        }
        switch ending {
        case .exited(0)?: return
        case .exited?: throw .upgradeRefused(program: program, detail: said)
        case .killed(let signal)?:
            let name = Signals.name(of: signal)
            throw .upgradeRefused(program: program, detail: "it was killed by \(name)")
        case nil: throw .upgradeRefused(program: program, detail: "it does not answer")
        }
    }

    /// The first line of what a program has said, without its own name.
    private static func saying(from socket: borrowing FileDescriptor) -> String {
        var bytes = [UInt8](repeating: 0, count: sayingByteCountMax)
        let number = socket.rawValue
        let count = unsafe bytes.withUnsafeMutableBytes { room in
            unsafe recv(number, room.baseAddress, room.count, 0)
        }
        let line = bytes.prefix(max(0, count)).prefix { $0 != UInt8(ascii: "\n") }
        let text = String(decoding: line, as: UTF8.self)
        let opening = "modelfs daemon: "
        return text.hasPrefix(opening) ? String(text.dropFirst(opening.count)) : text
    }

    /// Whether this program can go on with a cache, and with what a daemon keeps in that format.
    static func checkFits(cachePath: String, keptVersion: Int) throws(MountFailure) {
        if keptVersion != MountKeeping.formatVersion {
            throw .failed(
                detail: "what the daemon keeps has the format \(keptVersion), and this version "
                    + "knows \(MountKeeping.formatVersion)")
        }
        guard let cache = try CacheDirectory.openIfPresent(cachePath) else {
            throw .cacheMissing(path: cachePath)
        }
        try cache.format()
        try checkFits("catalog.db", Catalog.schemaVersion, cachePath)
        try checkFits("store.db", ChunkStore.schemaVersion, cachePath)
    }

    private static func checkFits(
        _ name: String, _ known: Int, _ cachePath: String
    ) throws(MountFailure) {
        let found: Int
        do throws(DatabaseError) {
            let connection = try Connection(path: "\(cachePath)/\(name)", access: .readOnly)
            found = try connection.schemaVersion()
        } catch {
            throw .cacheDamaged(path: cachePath, detail: "\(name): \(error)")
        }
        // An older one takes the steps that are missing when it is opened.
        if found > known {
            throw .cacheOfOtherVersion(
                path: cachePath, found: "\(name) of version \(found)",
                known: CacheDirectory.formatVersion)
        }
    }
}
