// What a session does about requests that crash processes: it says what each thread works on, and
// gives up what was noted twice.

internal import CFuse3
internal import Catalog
internal import FileSystem
internal import Glibc
internal import Platform

extension FuseSession {
    /// Handles a message; a crash meanwhile is held against it.
    func working(on head: MessageHead, _ body: () -> Void) {
        if crashes == nil {
            body()
        } else {
            CrashRecords.work(head, connectionNumber).during(body)
        }
    }

    /// Answers a message with EIO, if it has crashed as many processes as it may.
    ///
    /// - Returns: whether that is so.
    func isRefused(_ head: MessageHead) -> Bool {
        guard let crashes, crashes.refuses(head, connectionNumber) else { return false }
        let answer = KernelAnswer.plain(head.unique, .inputOutput)
        // Before anything else is done about it, and by nothing that it has been through before.
        _ = unsafe answer.withUnsafeBytes { bytes in
            unsafe write(fuse_session_fd(handle), bytes.baseAddress, bytes.count)
        }
        let place = context.fileSystem.place(of: context.node(head.node))
        crashes.tellRefusal(head, connectionNumber, file: place?.name)
        return true
    }
}
