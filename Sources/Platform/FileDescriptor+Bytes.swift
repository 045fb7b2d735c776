// Small files as arrays of bytes: configuration, locks, the kernel's tables.
//
// Not for data: the read path works in buffers that it owns.

extension FileDescriptor {
    /// What is read at once of a file that does not say how long it is, as those of /proc.
    private static let pieceByteCount = 4096

    /// Reads up to `countMax` bytes from `offset` on; fewer only at the end of the file.
    ///
    /// It takes memory for what there is, however large `countMax` is.
    package borrowing func readBytes(
        countMax: Int, at offset: Int64 = 0
    ) throws(Errno) -> [UInt8] {
        // One byte more, which shows that the file has ended where it said.
        let told = min(Int64(countMax), max(try size() - offset, 0)) + 1
        var bytes: [UInt8] = []
        while bytes.count < countMax {
            let wanted = min(
                countMax - bytes.count,
                bytes.isEmpty
                    ? max(Int(told), FileDescriptor.pieceByteCount) : bytes.count)
            let piece = try readPiece(wanted, at: offset + Int64(bytes.count))
            if bytes.isEmpty { bytes = piece } else { bytes += piece }
            if piece.count < wanted { break }
        }
        return bytes
    }

    private borrowing func readPiece(
        _ byteCount: Int, at offset: Int64
    ) throws(Errno) -> [UInt8] {
        var failure: Errno?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { room, count in
            do throws(Errno) {
                count = try unsafe read(into: UnsafeMutableRawBufferPointer(room), at: offset)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Reads all of a file.
    ///
    /// - Throws: `EFBIG` when it has more than `countMax` bytes.
    package borrowing func readAllBytes(countMax: Int) throws(Errno) -> [UInt8] {
        let bytes = try readBytes(countMax: countMax + 1)
        if bytes.count > countMax { throw .fileTooLarge }
        return bytes
    }

    /// Writes all of `bytes` at `offset`.
    package borrowing func writeBytes(_ bytes: [UInt8], at offset: Int64 = 0) throws(Errno) {
        let result: Result<Void, Errno> = unsafe bytes.withUnsafeBytes { room in
            do throws(Errno) {
                return .success(try unsafe write(room, at: offset))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
