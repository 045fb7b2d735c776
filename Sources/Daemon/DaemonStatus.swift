// What `modelfs status --json` prints: the names are part of what users may rely on.

internal import Platform
internal import Telemetry

/// A daemon and everything that it does, at one moment.
package struct DaemonStatus: Equatable, Sendable, Codable {
    /// How many entries of a list are shown; a thousand mounts have about 200 kB.
    static let mountCountMax = 1000
    /// How many fetches, refusals and open files are shown.
    static let listCountMax = 100

    /// The daemon's own process number.
    package var processID: Int32
    /// As `--version` prints it.
    package var version: String
    /// ISO 8601, in UTC.
    package var startedAt: String
    /// The cache folder.
    package var cachePath: String
    /// In the order of their mountpoints.
    package var mounts: [MountInfo]
    /// The filesystem's own account.
    package var fileSystem: BackendStatus
    /// The newest warnings and errors of the log, oldest first.
    package var problems: [Problem]
    /// What the daemon has given up; nil from one that knew nothing of it.
    package var confinement: ConfinementStatus?

    /// A line of the log.
    package struct Problem: Equatable, Sendable, Codable {
        /// ISO 8601, in UTC.
        package var time: String
        /// `warning` or `error`.
        package var level: String
        /// The message with its fields, as in the log.
        package var text: String
    }

    /// Lists are cut to their bounds.
    package init(
        processID: Int32, version: String, startedAt: String, cachePath: String,
        mounts: [MountInfo], fileSystem: BackendStatus, problems: [Problem],
        confinement: ConfinementStatus? = nil
    ) {
        self.processID = processID
        self.version = version
        self.startedAt = startedAt
        self.cachePath = cachePath
        self.mounts = Array(mounts.prefix(DaemonStatus.mountCountMax))
        self.fileSystem = fileSystem
        self.fileSystem.fetches = Array(fileSystem.fetches.prefix(DaemonStatus.listCountMax))
        self.fileSystem.reading.files = Array(
            fileSystem.reading.files.prefix(DaemonStatus.listCountMax))
        self.fileSystem.refusals = Array(fileSystem.refusals.prefix(DaemonStatus.listCountMax))
        self.problems = problems
        self.confinement = confinement
    }
}

extension DaemonStatus.Problem {
    init(_ line: Log.Line) {
        let fields = line.fields.map { " \($0.key)=\(Log.quoted($0.value))" }
        self.init(
            time: line.time.iso8601, level: line.level.name, text: line.message + fields.joined())
    }
}
