// Small files as arrays of bytes: configuration, locks, the kernel's tables.
//
// Not for data: the read path works in buffers that it owns.

extension FileDescriptor {
    /// Reads up to `countMax` bytes from `offset` on; fewer only at the end of the file.
    package borrowing func readBytes(
        countMax: Int, at offset: Int64 = 0
    ) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: countMax)
        let result: Result<Int, Errno> = unsafe bytes.withUnsafeMutableBytes { room in
            do throws(Errno) {
                return .success(try unsafe read(into: room, at: offset))
            } catch {
                return .failure(error)
            }
        }
        bytes.removeLast(countMax - (try result.get()))
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
