// An answer that is made while its request still arrives: in memory at first, then in a file
// without a name, which goes with its descriptor.

internal import Glibc
internal import HTTPService
internal import Platform

/// Collects bytes; nobody reads them before all are there.
struct Spool: ~Copyable {
    /// What is kept in memory.
    static let memoryByteCountMax = 256 << 10

    private var memory: [UInt8] = []
    private var file: FileDescriptor?
    private var fileByteCount: Int64 = 0
    private let folder: String

    /// - Parameter folder: where a file may be made.
    init(folder: String) {
        self.folder = folder
    }

    /// Adds bytes.
    mutating func append(_ bytes: some Sequence<UInt8>) throws(Errno) {
        memory.append(contentsOf: bytes)
        if memory.count > Spool.memoryByteCountMax { try spill() }
    }

    private mutating func spill() throws(Errno) {
        // O_TMPFILE of <fcntl.h>, which is not imported.
        let withoutName: CInt = 0o20_000_000 | O_DIRECTORY
        if file == nil { file = try FileDescriptor.open(folder, O_RDWR | withoutName) }
        try file?.writeBytes(memory, at: fileByteCount)
        fileByteCount += Int64(memory.count)
        memory.removeAll(keepingCapacity: true)
    }

    /// All of it, as the body of an answer.
    consuming func body() throws(Errno) -> HTTPResponse.Body {
        if file == nil { return .bytes(memory) }
        try spill()
        guard let file = file.take() else { return .bytes(memory) }
        return .file(HTTPFile(file), offset: 0, length: fileByteCount)
    }
}
