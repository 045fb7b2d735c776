// What a command and a daemon say to each other. The format is in ControlChannel.swift.
//
// The daemon greets; the command asks once; the daemon answers with any number of progress lines
// and one last reply. A change that an older program would misread gets another version.

package import Platform

/// The first thing that a daemon says on a connection.
package struct ControlGreeting: Equatable, Sendable, Codable {
    /// The daemon's own process.
    package let processID: Int32
    /// As `--version` prints it.
    package let programVersion: String

    /// - Parameters:
    ///   - processID: the daemon's own process.
    ///   - programVersion: as `--version` prints it.
    package init(processID: Int32, programVersion: String) {
        self.processID = processID
        self.programVersion = programVersion
    }
}

/// What a command asks of a daemon.
package enum ControlRequest: Equatable, Sendable, Codable {
    case mount(MountRequest)
    case unmount(mountpoint: String, isLazy: Bool)
    case status
    /// What shows whether the daemon has the same token as whoever asks.
    case token(salt: [UInt8])
    case cache(CacheRequest)
    /// Be followed by the program that is installed now.
    case upgrade
    /// Unmount everything and end.
    case stop
}

/// What a daemon answers; all but `progress` are the last word.
package enum ControlReply: Equatable, Sendable, Codable {
    case progress(String)
    /// Notices are sentences for the user, about what was done on the way.
    /// `wasThere` tells that somebody else had mounted it before; nil from an older daemon.
    case mounted(MountInfo, notices: [String], wasThere: Bool?)
    case unmounted
    case status(DaemonStatus)
    /// Nil without a token.
    case token(mark: String?)
    case cache(CacheAnswer)
    /// The daemon is about to end, to be followed by the program at that path.
    case upgrading(program: String)
    /// The daemon is about to end; who wants a mount asks its successor.
    case stopping
    case failed(MountFailure)
}

/// What a command tells the daemon that it starts.
package struct StartOrder: Equatable, Sendable, Codable {
    package let configuration: DaemonConfiguration
    package let mounts: [MountRequest]

    /// - Parameters:
    ///   - configuration: what the daemon keeps until its end.
    ///   - mounts: what it mounts before it says that it is ready.
    package init(configuration: DaemonConfiguration, mounts: [MountRequest]) {
        self.configuration = configuration
        self.mounts = mounts
    }
}

/// What a daemon says to the command that started it.
package enum StartReply: Equatable, Sendable, Codable {
    /// All mounts answer.
    case ready([MountInfo], notices: [String])
    /// Another daemon serves the cache, or is about to.
    case cacheTaken
    case failed(MountFailure)
}

/// Why a conversation failed.
package enum ControlError: Error, Equatable, Sendable {
    /// Nobody listens.
    case absent
    /// The other end hung up before it had said everything.
    case closed
    case timedOut
    case tooLong(byteCount: Int)
    case malformed
    case otherVersion(Int)
    case system(Errno)

    /// In terms of the daemon of a cache.
    func failure(cache: CacheDirectory) -> MountFailure {
        switch self {
        case .absent, .closed: .daemonAbsent(cache: cache.path)
        case .timedOut: .daemonSilent(cache: cache.path, processID: cache.notedHolder())
        case .otherVersion:
            .daemonOfOtherVersion(cache: cache.path, processID: cache.notedHolder() ?? 0)
        case .tooLong(let count): .failed(detail: "a control message of \(count) bytes is too long")
        case .malformed: .failed(detail: "the daemon's answer was not understood")
        case .system(let error): .failed(detail: "the daemon cannot be asked: \(error)")
        }
    }
}
