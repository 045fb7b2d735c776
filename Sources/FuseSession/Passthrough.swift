// Whether the kernel reads flat files by itself, and if not, what is in the way.

package import FileSystem
package import Platform

/// What passthrough needs of the cache.
package struct PassthroughOptions: Sendable {
    /// A plain file on the filesystem of the flat files, by which the right to it is tried.
    package var probePath: String
    /// Where the open contents are recorded for a successor.
    package var recordPath: String
    /// How deep the filesystem of the flat files may be stacked.
    ///
    /// 1 for a plain one, 2 for one on top of another, such as overlayfs; Linux knows no more.
    package var stackDepth: UInt32

    package init(probePath: String, recordPath: String, stackDepth: UInt32) {
        self.probePath = probePath
        self.recordPath = recordPath
        self.stackDepth = stackDepth
    }
}

/// Why all files of a mount are read through the daemon.
package enum PassthroughObstacle: Equatable, Sendable {
    /// The user has chosen that every read is checked.
    case checkedReads
    /// Nothing stays flat: `--hot-size` is 0.
    case nothingFlat
    /// It takes root.
    case notPrivileged
    /// The kernel cannot: it came with Linux 6.9.
    case notOffered
    /// The kernel did not take a file of the cache.
    case refused(Errno)
    /// The open contents cannot be recorded.
    case noRecords(Errno)
}

/// Thrown where passthrough was tried and is not possible.
struct PassthroughRefusal: Error, Equatable {
    let obstacle: PassthroughObstacle

    init(_ obstacle: PassthroughObstacle) {
        self.obstacle = obstacle
    }
}

/// Whether passthrough is to be tried.
package enum PassthroughWish: Sendable {
    case wanted(PassthroughOptions)
    case unwanted(PassthroughObstacle)
}

/// The way of one content's bytes, for `status`.
package struct FileReading: Sendable {
    /// The newest place where the content stands.
    package let name: String
    /// In how many others it is known to stand.
    package let otherPlaceCount: Int
    /// Whether the kernel reads its file by itself.
    package let isByKernel: Bool
    /// Why it does not; nil where it does.
    package let obstacle: WhyNotFlat?
    /// How many open files there are; 0 for one that was open lately.
    package let openCount: Int
}
