// Whether this machine lets us mount with FUSE at all, found out before anything is tried.
//
// libfuse says no more than "mount failed"; the causes are few, and each can be looked at.

internal import Glibc
internal import Platform
internal import Settings

/// The conditions for a FUSE mount.
package struct FusePrerequisites: Sendable {
    private let device: String
    private let configuration: String
    private let searchPath: String
    private let userID: UInt32
    private let hasName: @Sendable (UInt32) -> Bool

    /// - Parameters:
    ///   - device: the kernel's end of FUSE.
    ///   - configuration: where fusermount3 reads what users may do.
    ///   - searchPath: folders with programs, separated by colons.
    ///   - userID: who mounts.
    ///   - hasName: whether the system knows a name for that user.
    package init(
        device: String = "/dev/fuse", configuration: String = "/etc/fuse.conf",
        searchPath: String = Environment.process["PATH"] ?? "/usr/bin:/bin",
        userID: UInt32 = geteuid(),
        hasName: @escaping @Sendable (UInt32) -> Bool = FusePrerequisites.isKnown
    ) {
        self.device = device
        self.configuration = configuration
        self.searchPath = searchPath
        self.userID = userID
        self.hasName = hasName
    }

    /// Throws the first condition that is not met.
    package func check(allowOther: Bool) throws(MountFailure) {
        do {
            // Opening alone is harmless: a connection begins with the mount.
            _ = try FileDescriptor.open(device, O_RDWR)
        } catch {
            // ENODEV and ENXIO are a device node without a driver behind it.
            if error == .noEntry || error == .noDevice || error == Errno(ENXIO) {
                throw .fuseDeviceMissing(path: device)
            }
            throw .fuseDeviceRefused(path: device, error)
        }
        if userID == 0 { return }
        let folders = searchPath.split(separator: ":")
        let found = folders.contains { unsafe access("\($0)/fusermount3", X_OK) == 0 }
        guard found else { throw .fusermountMissing }
        guard hasName(userID) else { throw .userNameless(userID: userID) }
        if allowOther && !allowsOther() {
            throw .allowOtherNotEnabled(configuration: configuration)
        }
    }

    /// Whether the system's list of users has the number.
    ///
    /// Containers often run as one without.
    package static func isKnown(_ userID: UInt32) -> Bool {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        // Entries are a few hundred bytes; one that does not fit has a name all the same.
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1 << 14) { room in
            guard let base = room.baseAddress else { return false }
            let status = unsafe getpwuid_r(userID, &entry, base, room.count, &found)
            return unsafe found != nil || status == ERANGE
        }
    }

    /// Whether a line says `user_allow_other`, as fusermount3 reads it.
    private func allowsOther() -> Bool {
        guard let bytes = try? readSmallFile(configuration, sizeMax: 1 << 16) else { return false }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains { line in
            let text = line.prefix { $0 != "#" }.filter { $0 != " " && $0 != "\t" }
            return text == "user_allow_other"
        }
    }
}

/// The first `sizeMax` bytes of a file.
func readSmallFile(
    _ path: String, in directory: CInt? = nil, sizeMax: Int
) throws(Errno) -> [UInt8] {
    let file = try FileDescriptor.open(path, O_RDONLY, in: directory)
    return try file.readBytes(countMax: sizeMax)
}
