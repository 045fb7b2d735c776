// A folder for one test, removed with it.

import Glibc
import Platform

@testable import Daemon

final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/modelfs-test-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        guard mkdtemp(&template) != nil else { throw Errno.current }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for entry in (try? MountTable.current())?.entries.reversed() ?? []
        where entry.mountpoint.hasPrefix(path) {
            try? Mounting.unmount(entry.mountpoint, isLazy: true)
        }
        let child = try? ChildProcess(
            "rm", ["-rf", path], name: "rm", environment: [], descriptors: [-1, -1, -1])
        _ = try? child?.wait()
    }

    /// A new folder in it.
    func folder(_ name: String) throws -> String {
        guard mkdir("\(path)/\(name)", 0o755) == 0 else { throw Errno.current }
        return "\(path)/\(name)"
    }

    /// A new file in it.
    func file(_ name: String, _ text: String) throws -> String {
        let file = try FileDescriptor.open("\(path)/\(name)", O_WRONLY | O_CREAT)
        try file.writeBytes(Array(text.utf8))
        return "\(path)/\(name)"
    }
}

func mode(of path: String) -> mode_t {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
}

func text(of path: String) -> String {
    guard let file = try? FileDescriptor.open(path, O_RDONLY),
        let bytes = try? file.readBytes(countMax: 1 << 20)
    else { return "" }
    return String(decoding: bytes, as: UTF8.self)
}

let isRoot = geteuid() == 0
/// Real mounts need root and the device.
let canMount = isRoot && access("/dev/fuse", R_OK | W_OK) == 0
