// A thread that does nothing but hand pages to the kernel.
//
// The kernel may hold it until a READ of the same pages is answered, through SIGKILL too, and after
// the process's death a successor has to answer that. So it has a table of descriptors of its own
// with the device alone: all others are closed with the process, its locks are let go, and the
// keeper sees the death. Whoever decodes pages needs files, and waits here for the result instead.

internal import CFuse3
internal import CShims
internal import Glibc
internal import Platform

/// Writes what one other thread gives it.
final class PageWriter: Sendable {
    private struct Job: Sendable {
        let head: [UInt8]
        let pages: PooledBuffer
        let byteCount: Int
    }

    private let jobs = Mailbox<Job>()
    private let results = Mailbox<Bool>()

    /// - Parameters:
    ///   - device: the connection's descriptor.
    ///   - niceness: how far it stands back for others.
    init(_ device: CInt, niceness: CInt) throws(Errno) {
        let thread = try Thread(named: "push") { [jobs, results] in
            _ = modelfs_unshare_descriptors(device)
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness)
            while let job = jobs.receive() {
                _ = results.send(PageWriter.write(job, device))
            }
        }
        thread.detach()
    }

    /// Ends the thread, once what it does now is done.
    func close() {
        jobs.close()
    }

    /// Hands the head of a message and its pages to the kernel, and waits until it has them.
    ///
    /// - Returns: whether the kernel took them.
    func write(_ head: [UInt8], _ pages: PooledBuffer, byteCount: Int) -> Bool {
        guard jobs.send(Job(head: head, pages: pages, byteCount: byteCount)) else { return false }
        return results.receive() ?? false
    }

    private static func write(_ job: Job, _ device: CInt) -> Bool {
        var head = job.head
        let headByteCount = head.count
        let pages = unsafe job.pages.prefix(job.byteCount)
        let written = unsafe head.withUnsafeMutableBytes { head in
            var vectors = unsafe (
                iovec(iov_base: head.baseAddress, iov_len: headByteCount),
                iovec(iov_base: pages.baseAddress, iov_len: pages.count)
            )
            return unsafe withUnsafeBytes(of: &vectors) { vectors in
                unsafe writev(
                    device, vectors.baseAddress?.assumingMemoryBound(to: iovec.self), 2)
            }
        }
        return written == headByteCount + job.byteCount
    }
}
