// How files are read, in words: by the kernel itself or through the daemon, and why.

internal import FileSystem
internal import FuseSession

/// The ways in which files are read, for `status`.
package struct ReadingStatus: Equatable, Sendable, Codable {
    /// Whether the kernel reads files by itself, once they are complete, proven and flat.
    package var isByKernel = false
    /// Why it does not.
    package var reason: String?
    /// Files that are open or were lately, where the kernel reads some by itself.
    package var files: [FileReadingStatus] = []
    /// Bytes that were put into the page cache ahead of readers.
    package var pushedBytes: Int64 = 0
    /// Bytes that were not, since memory was short.
    package var refusedPushBytes: Int64 = 0
    /// What the mounts asked of the kernel for speed.
    package var settings: [KernelSetting] = []

    /// Without a mount.
    package init() {}

    /// That of mounts, which are alike in what is possible.
    init(_ sessions: [FuseSession], _ settings: [KernelSetting]) {
        self.settings = settings
        pushedBytes = sessions.reduce(0) { $0 + $1.pushedByteCount }
        refusedPushBytes = sessions.reduce(0) { $0 + $1.refusedPushByteCount }
        guard let first = sessions.first else { return }
        isByKernel = first.passthroughObstacle == nil
        reason = first.passthroughObstacle?.reason
        files = sessions.flatMap(\.readings).map { FileReadingStatus($0) }
    }
}

/// How one file is read.
package struct FileReadingStatus: Equatable, Sendable, Codable {
    /// The newest place where it stands, such as `org/name@v1/model.safetensors`.
    package var file: String
    /// In how many others it is known to stand, at most a few.
    ///
    /// Nil from a daemon that does not tell.
    package var otherPlaceCount: Int?
    /// Whether the kernel reads it by itself.
    package var isByKernel: Bool
    /// Why it does not.
    package var reason: String?
    /// How often it is open; 0 for one that was open lately.
    package var openCount: Int

    /// - Parameters:
    ///   - file: such as `org/name@v1/model.safetensors`.
    ///   - isByKernel: whether the kernel reads it by itself.
    ///   - reason: why it does not.
    ///   - openCount: how often it is open.
    package init(file: String, isByKernel: Bool, reason: String?, openCount: Int) {
        self.file = file
        self.isByKernel = isByKernel
        self.reason = reason
        self.openCount = openCount
    }

    init(_ reading: FileReading) {
        self.init(
            file: reading.name, isByKernel: reading.isByKernel, reason: reading.obstacle?.reason,
            openCount: reading.openCount)
        otherPlaceCount = reading.otherPlaceCount
    }
}

/// Something that a mount asked of the kernel.
package struct KernelSetting: Equatable, Sendable, Codable {
    /// Such as `max_background`.
    package var name: String
    /// What was asked for.
    package var wanted: Int64
    /// What it is; nil if that cannot be told.
    package var granted: Int64?
    /// Why it is not what was asked for.
    package var reason: String?

    /// - Parameters:
    ///   - name: such as `max_background`.
    ///   - wanted: what was asked for.
    package init(name: String, wanted: Int64) {
        self.name = name
        self.wanted = wanted
    }
}

extension PassthroughObstacle {
    /// For people, after "because".
    var reason: String {
        switch self {
        case .checkedReads: "--check-reads was given, so that every read is checked"
        case .nothingFlat: "--hot-size is 0, so that nothing lies flat"
        case .notPrivileged: "it takes root (CAP_SYS_ADMIN)"
        case .notOffered: "this kernel has no FUSE passthrough, which came with Linux 6.9"
        case .refused(let error): "the kernel takes no file of the cache: \(error)"
        case .noRecords(let error): "open files cannot be recorded in the cache: \(error)"
        }
    }
}

extension WhyNotFlat {
    /// For people.
    var reason: String {
        switch self {
        case .empty: "it is empty"
        case .incomplete: "not all of it was cached when it was opened"
        case .unproven: "its hash was not proven when it was opened"
        case .packed: "it was packed when it was opened"
        case .unreadable: "its file in the cache could not be opened"
        }
    }
}
