// Whole files in one call.

import Glibc
import Platform

/// All bytes of a file.
package func contentsOfFile(_ path: String) throws -> [UInt8] {
    let file = try FileDescriptor.open(path, O_RDONLY)
    var bytes = [UInt8](repeating: 0, count: Int(try file.size()))
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    return Array(bytes.prefix(count))
}

/// Replaces a file's content, creating it if needed.
package func writeFile(_ path: String, _ bytes: [UInt8]) throws {
    let file = try FileDescriptor.open(path, O_CREAT | O_RDWR | O_TRUNC)
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
}

/// Copies a directory and everything in it, as a crash would leave it.
package func copyTree(_ source: String, to target: String) throws {
    mkdir(target, 0o700)
    for name in namesInDirectory(source) {
        let (from, to) = ("\(source)/\(name)", "\(target)/\(name)")
        if namesInDirectory(from).isEmpty, let bytes = try? contentsOfFile(from) {
            try writeFile(to, bytes)
        } else {
            try copyTree(from, to: to)
        }
    }
}
