// The kernel's own account of what is mounted where: /proc/self/mountinfo.
//
// Nothing here remembers mounts: whoever wants to know asks the kernel again. The format is in
// proc(5), "/proc/[pid]/mountinfo"; blanks, tabs, newlines and backslashes are written in octal.

internal import Glibc
package import Platform

/// One line of the mount table.
package struct MountEntry: Equatable, Sendable {
    /// The kernel's number of this mount.
    package let mountID: Int
    /// Such as `0:45`; all binds of one filesystem have the same.
    package let deviceID: String
    /// Which folder of the filesystem is seen; `/` unless it is a bind.
    package let root: String
    /// Where it is seen.
    package let mountpoint: String
    /// Such as `ext4` or `fuse.modelfs`.
    package let fileSystemType: String
    /// What the filesystem says it was made from.
    package let source: String

    /// Whether it is one of ours, of any daemon, living or dead.
    package var isModelFS: Bool { fileSystemType == MountTable.fileSystemType }
}

/// What is mounted, at one moment, in the order of the kernel: later entries cover earlier ones.
package struct MountTable: Equatable, Sendable {
    /// The type that our mounts have in the kernel's table.
    package static let fileSystemType = "fuse.modelfs"
    /// A table larger than this is not read: 100,000 mounts of 160 bytes.
    static let sizeMax = 16 << 20

    /// In the order of the kernel.
    package let entries: [MountEntry]

    /// Reads the text of a mountinfo file; lines that are not understood are left out.
    package init(parsing text: String) {
        entries = text.split(separator: "\n").compactMap { MountTable.entry($0.utf8) }
    }

    /// The table of the calling process's namespace.
    package static func current() throws(Errno) -> MountTable {
        let file = try FileDescriptor.open("/proc/self/mountinfo", O_RDONLY)
        let bytes = try file.readBytes(countMax: sizeMax)
        return MountTable(parsing: String(decoding: bytes, as: UTF8.self))
    }

    /// What is seen at exactly that absolute path; nil when nothing is mounted there.
    package func topmost(at path: String) -> MountEntry? {
        entries.last { $0.mountpoint == path }
    }

    /// All mounts that are ours.
    package var modelFSEntries: [MountEntry] { entries.filter(\.isModelFS) }

    /// Whether a folder lies on a filesystem on top of another: overlayfs, as in containers.
    static func isStacked(_ folder: String) -> Bool {
        var status = stat()
        guard unsafe stat(folder, &status) == 0, let table = try? current() else { return false }
        let device = BlockDevice(number: UInt64(status.st_dev)).id
        return table.entries.contains { $0.deviceID == device && $0.fileSystemType == "overlay" }
    }

    private static func entry(_ line: Substring.UTF8View) -> MountEntry? {
        // What a filesystem was made from may be nothing, between two blanks.
        let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        // A variable number of optional fields ends with a lone dash, at index 6 or later.
        guard fields.count >= 10,
            let dash = fields.indices.dropFirst(6).first(where: {
                fields[$0].elementsEqual([UInt8(ascii: "-")])
            }),
            fields.count >= dash + 3, let mountID = Int(Substring(fields[0]))
        else { return nil }
        return MountEntry(
            mountID: mountID, deviceID: unescaped(fields[2]), root: unescaped(fields[3]),
            mountpoint: unescaped(fields[4]), fileSystemType: unescaped(fields[dash + 1]),
            source: unescaped(fields[dash + 2]))
    }

    private static func unescaped(_ field: Substring.UTF8View) -> String {
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(Substring(digits)), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
