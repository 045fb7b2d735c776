// The exit codes of every program, named, numbered and explained in one place.
//
// Scripts depend on the numbers: a number is never given another meaning, and a new meaning gets
// a new number. `--help` prints the ones a command can end with, docs/EXIT-CODES.md all of them.

/// How a program ends, as its parent sees it.
package enum ExitCode: Int32, CaseIterable, Sendable, Codable {
    case success = 0
    case failure = 1
    case usage = 2
    case fuseUnavailable = 3
    case mountpoint = 4
    case cache = 5
    case hubUnreachable = 6
    case notFound = 7
    case accessDenied = 8
    case notRunning = 9
    case daemonSilent = 10
    case inUse = 11
    case storage = 12
    case listen = 13
    case damaged = 14
    case unsupportedModel = 15
    case unreadableModel = 16

    /// One line that says when a program ends with it.
    package var explanation: String {
        switch self {
        case .success: "all was done"
        case .failure: "it failed for a reason that has no number of its own; the message tells"
        case .usage: "the command line was not understood; nothing was done"
        case .fuseUnavailable: "FUSE is missing or not allowed on this machine"
        case .mountpoint: "the mountpoint is missing, not a folder, not empty or taken"
        case .cache: "the cache folder cannot be used: rights, room, version or another owner"
        case .hubUnreachable: "the Hub does not answer, and what was asked for is not cached"
        case .notFound: "there is no such repository, revision, file, mount or token"
        case .accessDenied: "the Hub refuses: gated, private, or the token is not accepted"
        case .notRunning: "no daemon serves this cache"
        case .daemonSilent: "the daemon died or does not answer"
        case .inUse: "files of the mount, or the cache itself, are in use"
        case .storage: "files of the program itself cannot be read or written"
        case .listen: "the address cannot be listened on"
        case .damaged: "damage was found in the cache, and not all of it could be repaired"
        case .unsupportedModel: "the folder holds no model that is supported, or a broken one"
        case .unreadableModel: "the model's files cannot be read, or are not proven"
        }
    }
}
