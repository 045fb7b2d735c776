// One read into several buffers: what lies together in a file goes to where each part belongs.

internal import Glibc

extension FileDescriptor {
    /// The most buffers of one call: a part of what the system allows (`IOV_MAX`, 1,024).
    package static let bufferCountMax = 64

    /// Reads into one buffer after another until all are full or the file ends.
    ///
    /// The corresponding C function is `preadv`.
    ///
    /// - Parameter buffers: at most `bufferCountMax`.
    /// - Returns: the bytes read; fewer than asked only at the end of the file.
    package borrowing func read(
        into buffers: [UnsafeMutableRawBufferPointer], at offset: Int64
    ) throws(Errno) -> Int {
        precondition(unsafe buffers.count <= FileDescriptor.bufferCountMax)
        let number = rawValue
        let vectors = unsafe buffers.map {
            unsafe iovec(iov_base: $0.baseAddress, iov_len: $0.count)
        }
        let count = try retryingOnInterrupt {
            unsafe preadv(number, vectors, CInt(vectors.count), off_t(offset))
        }
        var skipped = 0
        // A read may stop anywhere; then the rest comes buffer by buffer.
        for index in unsafe buffers.indices {
            let buffer = unsafe buffers[index]
            let done = min(max(0, count - skipped), buffer.count)
            if done < buffer.count {
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
                let more = try unsafe read(into: rest, at: offset + Int64(skipped + done))
                if more < rest.count { return skipped + done + more }
            }
            skipped += buffer.count
        }
        return skipped
    }
}
