// Plain files beside the store: the yardstick of what a disk and the kernel give.

import Glibc

/// What ended the run.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

private func failure(_ call: String, _ path: String) -> BenchError {
    BenchError("\(call) \(path): \(String(cString: strerror(errno)))")
}

/// Writes a file from its begin to its end and waits for the disk.
func writeAndSync(_ path: String, _ bytes: UnsafeRawBufferPointer, piece: Int) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    if descriptor < 0 { throw failure("open", path) }
    defer { close(descriptor) }
    var offset = 0
    while offset < bytes.count {
        let length = min(piece, bytes.count - offset)
        guard let start = bytes.baseAddress else { return }
        let count = pwrite(descriptor, start + offset, length, off_t(offset))
        if count <= 0 { throw failure("pwrite", path) }
        offset += count
    }
    if fdatasync(descriptor) != 0 { throw failure("fdatasync", path) }
}

/// Reads a whole file into one buffer, piece by piece.
func readThrough(_ path: String, _ buffer: UnsafeMutableRawBufferPointer) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw failure("open", path) }
    defer { close(descriptor) }
    var offset = 0
    while true {
        let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
        if count < 0 { throw failure("pread", path) }
        if count == 0 { return }
        offset += count
    }
}

/// Reads pieces of a file, each lent to `body` in the buffer.
func readPieces(
    _ path: String, _ pieces: [Range<Int>], _ buffer: UnsafeMutableRawBufferPointer,
    _ body: (Int, UnsafeRawBufferPointer) throws -> Void
) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw failure("open", path) }
    defer { close(descriptor) }
    for (number, piece) in pieces.enumerated() {
        let count = pread(
            descriptor, buffer.baseAddress, piece.count, off_t(piece.lowerBound))
        if count != piece.count { throw failure("pread", path) }
        try body(number, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
}

/// Bytes that a file or all files under a folder take on the disk.
func diskBytes(_ paths: [String]) -> Int {
    paths.reduce(0) { sum, path in
        var status = stat()
        return lstat(path, &status) == 0 ? sum + Int(status.st_blocks) * 512 : sum
    }
}

/// Whether the page cache can be emptied here.
var canDropPages: Bool { access("/proc/sys/vm/drop_caches", W_OK) == 0 }

/// Empties the page cache of the whole machine.
func dropPages() throws {
    sync()
    let descriptor = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC)
    if descriptor < 0 { throw failure("open", "drop_caches") }
    defer { close(descriptor) }
    if write(descriptor, "3", 1) != 1 { throw failure("write", "drop_caches") }
}
