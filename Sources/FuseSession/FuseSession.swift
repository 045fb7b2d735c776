// A mount: the kernel's messages on one side, the filesystem's answers on the other.
//
// The only module that knows libfuse. A few threads of its own take messages from the kernel; each
// message becomes an attempt of the filesystem, answered on the spot or handed over as an
// `Operation` that is answered later by whoever brings what was lacking. So these threads wait for
// the kernel and for the local disk, and never for the network.
//
// Rules that were learned from the kernel and are kept here:
// - OPEN is answered ENOSYS once: from then on opening and closing a file sends no message, and
//   its pages stay in the page cache. OPENDIR likewise, which also turns on the directory cache;
//   a directory that changes therefore moves its mtime.
// - AUTO_INVAL_DATA is refused, EXPLICIT_INVAL_DATA taken: contents never change, and a look at
//   attributes must not drop pages.
// - FORGET frees nothing, since there is no table of nodes; it is counted (KnownContents.swift).

internal import CFuse3
package import Catalog
package import FileSystem
internal import Glibc
package import Platform

/// What a mount is given.
package struct FuseSessionOptions: Sendable {
    /// Shown as the device in the mount table.
    package var sourceName: String
    /// The directory of the tree that the mount shows.
    package var root: NodeID
    package var owner: Ownership
    /// Whether other users than the mounter may look.
    package var allowsOthers: Bool
    /// Threads that take messages.
    package var threadCount = 4

    package init(sourceName: String, root: NodeID, owner: Ownership, allowsOthers: Bool) {
        self.sourceName = sourceName
        self.root = root
        self.owner = owner
        self.allowsOthers = allowsOthers
    }
}

/// Why a session could not begin.
package enum FuseSessionError: Error, Equatable, Sendable {
    /// libfuse refused the options.
    case badOptions
    /// The mount itself failed; libfuse has said why on standard error.
    case mountFailed(Errno)
    /// There is no room for another thread.
    case noThread(Errno)
}

/// What the kernel has to forget.
package enum KernelNotice: Sendable {
    /// The attributes of a directory, and with them its listing: its mtime has moved.
    case attributes(NodeID)
    /// The pages of a file: they were not what its hash says.
    case pages(NodeID)
}

/// A mounted tree.
@safe
package final class FuseSession: @unchecked Sendable {
    // Sendable because `handle` never changes, and libfuse's session may be used by all threads.
    private let handle: OpaquePointer
    private let context: MountContext
    private let threads: Lock<Threads>
    private let ended = Mailbox<Void>()
    private let notices = Mailbox<KernelNotice>()
    package let mountpoint: String

    private struct Threads {
        var boxes: [ThreadBox] = []
        /// Those that have not ended.
        var liveCount = 0
    }

    /// How long the threads are waited for when the session is closed.
    private static let endSeconds = 1.0

    /// Mounts, and starts to answer.
    ///
    /// - Parameter mountpoint: an existing directory.
    package init(
        _ fileSystem: FileSystem, at mountpoint: String, options: FuseSessionOptions
    ) throws(FuseSessionError) {
        self.mountpoint = mountpoint
        context = MountContext(fileSystem, options)
        threads = Lock(Threads())
        guard let handle = unsafe FuseSession.makeSession(context, options)
        else { throw .badOptions }
        unsafe self.handle = handle
        Glibc.errno = 0
        if unsafe fuse_session_mount(handle, mountpoint) != 0 {
            let error = Errno.current
            unsafe fuse_session_destroy(handle)
            throw .mountFailed(error)
        }
        do throws(Errno) {
            for _ in 0..<options.threadCount {
                threads.withLock { $0.liveCount += 1 }
                let box = try ThreadBox(named: "kernel") { self.serve() }
                threads.withLock { $0.boxes.append(box) }
            }
            threads.withLock { $0.liveCount += 1 }
            let box = try ThreadBox(named: "notices") { self.notify() }
            threads.withLock { $0.boxes.append(box) }
        } catch {
            unsafe fuse_session_exit(handle)
            unsafe fuse_session_unmount(handle)
            throw .noThread(error)
        }
    }

    /// Has the kernel forget what it was told of a node.
    ///
    /// Does not wait: a thread of its own tells the kernel, because that may have to wait for a
    /// read of the same pages.
    package func announce(_ notice: KernelNotice) {
        _ = notices.send(notice)
    }

    /// Whether the kernel may still refer to a content: it may be open or mapped.
    package func knows(_ content: ContentID) -> Bool { context.known.contains(content) }

    /// Messages of the kernel by kind.
    package var messageCounts: [String: Int64] { context.messages.counts }

    /// The number of requests of all mounts that wait for something to arrive.
    package static var waitingCount: Int { InterruptRegistry.shared.count }

    /// Waits until the kernel has let go of the mount, or until `deadline`.
    ///
    /// - Returns: whether it has.
    package func waitForEnd(until deadline: MonotonicInstant) -> Bool {
        ended.receive(until: deadline) != nil || ended.isClosed
    }

    /// Ends the threads and frees the session, if the kernel has let go of it; whoever still uses
    /// the mount keeps it until the process ends.
    ///
    /// To be called once, after the mount was taken away, and before what answers the requests is
    /// closed.
    package func close() {
        unsafe fuse_session_exit(handle)
        guard waitForEnd(until: .now + FuseSession.endSeconds) else { return }
        for box in threads.withLock({ $0.boxes }) { box.join() }
        unsafe fuse_session_destroy(handle)
    }

    // MARK: Threads

    private func serve() {
        var buffer = unsafe fuse_buf()
        while unsafe fuse_session_exited(handle) == 0 {
            let size = unsafe fuse_session_receive_buf(handle, &buffer)
            if size == -EINTR { continue }
            if size <= 0 { break }
            unsafe count(buffer)
            unsafe fuse_session_process_buf(handle, &buffer)
        }
        unsafe free(buffer.mem)
        unsafe fuse_session_exit(handle)
        notices.close()
        leave()
    }

    private func notify() {
        while let notice = notices.receive() {
            if unsafe fuse_session_exited(handle) != 0 { break }
            // The kernel not knowing the node is as good as its having forgotten.
            switch notice {
            case .attributes(let node):
                _ = unsafe fuse_lowlevel_notify_inval_inode(handle, context.number(node), -1, 0)
            case .pages(let node):
                _ = unsafe fuse_lowlevel_notify_inval_inode(handle, context.number(node), 0, 0)
            }
        }
        leave()
    }

    private func leave() {
        let isLast = threads.withLock { threads in
            threads.liveCount -= 1
            return threads.liveCount == 0
        }
        if isLast {
            ended.send(())
            ended.close()
        }
    }

    private func count(_ buffer: fuse_buf) {
        guard unsafe buffer.size >= MemoryLayout<UInt32>.size * 2,
            let memory = unsafe buffer.mem
        else { return }
        // `struct fuse_in_header` begins with u32 length and u32 opcode.
        context.messages.count(unsafe memory.load(fromByteOffset: 4, as: UInt32.self))
    }

    /// The session of libfuse, with a reference to the context as its user data.
    private static func makeSession(
        _ context: MountContext, _ options: FuseSessionOptions
    ) -> OpaquePointer? {
        var words = ["modelfs", "-o", "ro,nosuid,nodev,noatime,default_permissions"]
        words += ["-o", "fsname=\(options.sourceName)", "-o", "subtype=modelfs"]
        if options.allowsOthers { words += ["-o", "allow_other"] }
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
        // By index, not `for unsafe word`: swift format would join those two words.
        defer { for index in words.indices { unsafe free(arguments[index]) } }
        var operations = MountContext.operations
        // The reference is kept for the life of the process: a message may be on its way as long
        // as anybody uses the mount.
        let reference = unsafe Unmanaged.passRetained(context).toOpaque()
        return unsafe arguments.withUnsafeMutableBufferPointer { buffer in
            var list = unsafe fuse_args(
                argc: CInt(words.count), argv: buffer.baseAddress, allocated: 0)
            defer { unsafe fuse_opt_free_args(&list) }
            return unsafe fuse_session_new(
                &list, &operations, MemoryLayout<fuse_lowlevel_ops>.size, reference)
        }
    }
}
