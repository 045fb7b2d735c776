// A mount: the kernel's messages on one side, the filesystem's answers on the other.
//
// The only module that knows libfuse. A few threads of its own take messages from the kernel; each
// message becomes an attempt of the filesystem, answered on the spot or handed over as an
// `Operation` that is answered later by whoever brings what was lacking. So these threads wait for
// the kernel and for the local disk, and never for the network.
//
// Rules that were learned from the kernel and are kept here:
// - Where the kernel may read flat files by itself, OPEN is answered for each file (FileOpens).
//   Elsewhere it is answered ENOSYS once: from then on opening and closing a file sends no
//   message, and its pages stay in the page cache. OPENDIR is answered so everywhere, which also
//   turns on the directory cache; a directory that changes therefore moves its mtime.
// - AUTO_INVAL_DATA is refused, EXPLICIT_INVAL_DATA taken: contents never change, and a look at
//   attributes must not drop pages.
// - FORGET frees nothing, since there is no table of nodes; it is counted (KnownContents.swift).

internal import CFuse3
internal import CShims
package import Catalog
package import FileSystem
internal import Glibc
package import Platform
internal import Telemetry

/// What a mount is given.
package struct FuseSessionOptions: Sendable {
    /// Shown as the device in the mount table.
    package var sourceName: String
    /// The directory of the tree that the mount shows.
    package var root: NodeID
    package var owner: Ownership
    /// Whether other users than the mounter may look.
    package var allowsOthers: Bool
    /// Whether the kernel is to read flat files by itself.
    package var passthrough: PassthroughWish
    /// Whether the kernel sends again what an earlier process took and did not answer.
    package var resends = FuseSessionOptions.kernelResends
    /// Where crashes are noted for the next process; nil where there will be none.
    package var crashes: CrashRecords?
    /// Threads that take messages.
    package var threadCount = 4
    /// Where threads come from.
    package var scheduling = Scheduling.system

    package init(
        sourceName: String, root: NodeID, owner: Ownership, allowsOthers: Bool,
        passthrough: PassthroughWish
    ) {
        self.sourceName = sourceName
        self.root = root
        self.owner = owner
        self.allowsOthers = allowsOthers
        self.passthrough = passthrough
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
    /// The pages of a part of a file: it is not what its hash says, or is in doubt.
    case pages(NodeID, Range<Int64>)
}

/// A mounted tree.
@safe
package final class FuseSession: @unchecked Sendable {
    // Sendable because `handle` never changes, and libfuse's session may be used by all threads.
    let handle: OpaquePointer
    let context: MountContext
    /// Nil where opening and closing files sends no message.
    private let opens: FileOpens?
    /// Why that is so.
    package let passthroughObstacle: PassthroughObstacle?
    /// The connection's first descriptor, where another one is read from.
    private let original: FileDescriptor?
    private let originalNumber: CInt
    private let activity = Activity()
    /// Nil where no request comes to another process again.
    let crashes: CrashRecords?
    /// The connection, as `crashes` knows it.
    let connectionNumber: UInt64
    private let scheduling: Scheduling
    private let threads: Lock<Threads>
    private let ended = Mailbox<Void>()
    private let notices = Mailbox<KernelNotice>()
    package let mountpoint: String

    private struct Threads {
        var boxes: [ThreadBox] = []
        /// Those that have not ended.
        var liveCount = 0
        /// Those that take messages.
        var servingCount = 0
    }

    /// How long the threads are waited for when the session is closed.
    private static let endSeconds = 1.0

    /// Mounts, and starts to answer.
    ///
    /// - Parameter mountpoint: an existing directory.
    package convenience init(
        _ fileSystem: FileSystem, at mountpoint: String, options: FuseSessionOptions
    ) throws(FuseSessionError) {
        let context = MountContext(fileSystem, options)
        guard let handle = unsafe FuseSession.makeSession(context, options)
        else { throw .badOptions }
        Glibc.errno = 0
        if unsafe fuse_session_mount(handle, mountpoint) != 0 {
            let error = Errno.current
            unsafe FuseSession.destroy(handle, context)
            throw .mountFailed(error)
        }
        try unsafe self.init(
            handle, context, device: fuse_session_fd(handle), mountpoint, kept: nil, options)
    }

    /// Goes on with the connection of an earlier process, whose unanswered requests come again.
    ///
    /// The mount is not this session's to take away.
    package convenience init(
        _ fileSystem: FileSystem, continuing connection: consuming KeptConnection,
        options: FuseSessionOptions
    ) throws(FuseSessionError) {
        let context = MountContext(fileSystem, options)
        guard let handle = unsafe FuseSession.makeSession(context, options)
        else { throw .badOptions }
        let mountpoint = connection.mountpoint
        let message = connection.initMessage
        // libfuse closes it with its session.
        let device = connection.giveDevice()
        try unsafe self.init(
            handle, context, device: device, mountpoint, kept: message, options)
    }

    private init(
        _ handle: OpaquePointer, _ context: MountContext, device: CInt, _ mountpoint: String,
        kept: [UInt8]?, _ options: FuseSessionOptions
    ) throws(FuseSessionError) {
        unsafe self.handle = handle
        self.context = context
        self.mountpoint = mountpoint
        scheduling = options.scheduling
        threads = Lock(Threads())
        crashes = options.resends ? options.crashes : nil
        connectionNumber = CrashRecords.connection(at: mountpoint)
        if kept == nil { crashes?.forget(connectionNumber) }
        let clone = options.resends ? nil : FuseSession.clone(device)
        originalNumber = device
        original = clone == nil ? nil : FileDescriptor(owning: device)
        let device = clone ?? device
        var functions = Handshake.functions
        _ = unsafe fuse_session_custom_io(handle, &functions, device)
        do throws(Errno) {
            try unsafe FuseSession.shakeHands(handle, context, kept, options.passthrough)
        } catch {
            unsafe FuseSession.abandon(handle, context)
            throw .mountFailed(error)
        }
        (opens, passthroughObstacle) = FuseSession.prepareOpens(
            context, device, options.passthrough, resuming: kept != nil
        ) { [notices] node in _ = notices.send(.pages(node, 0..<Int64.max)) }
        do throws(Errno) {
            if kept != nil && options.resends { try FuseSession.askAgain(device) }
        } catch {
            unsafe FuseSession.abandon(handle, context)
            throw .mountFailed(error)
        }
        do throws(Errno) {
            try start(threadCount: options.threadCount, device)
        } catch {
            // None of them reads from the connection, so they end, and the connection is free.
            notices.close()
            context.pusher.close()
            for box in threads.withLock({ $0.boxes }) { box.join() }
            unsafe FuseSession.abandon(handle, context)
            throw .noThread(error)
        }
    }

    /// Starts the threads, those that take messages last: nothing brings one back from the kernel.
    ///
    /// - Throws: when not even one of those can be had; some of the others run then.
    private func start(threadCount: Int, _ device: CInt) throws(Errno) {
        try start("notices") { $0.notify() }
        for _ in 0..<PagePusher.threadCount { try start("pages") { $0.pushPages(device) } }
        for index in 0..<threadCount {
            // Counted before: it is at work at once.
            threads.withLock { $0.servingCount += 1 }
            do throws(Errno) { try start("kernel") { $0.serve() } } catch {
                threads.withLock { $0.servingCount -= 1 }
                // With fewer it is slower.
                if index == 0 { throw error }
                return
            }
        }
    }

    private func start(
        _ name: String, _ body: @escaping @Sendable (FuseSession) -> Void
    ) throws(Errno) {
        threads.withLock { $0.liveCount += 1 }
        do throws(Errno) {
            let box = try ThreadBox(named: name, scheduling) {
                body(self)
                self.leave()
            }
            threads.withLock { $0.boxes.append(box) }
        } catch {
            threads.withLock { $0.liveCount -= 1 }
            throw error
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

    /// Has pages of a content put into the kernel's page cache, in this order, as far as they are
    /// in the store and there is memory for them.
    ///
    /// Does not wait. To be called again for what has arrived since.
    ///
    /// - Parameter reading: what a reader waits for at the moment, which is not pushed.
    package func push(
        _ content: ContentID, _ extents: [Range<Int64>], reading: Range<Int64>? = nil
    ) {
        context.pusher.plan(context.fileSystem.nodeID(content), extents, reading: reading)
    }

    /// Forgets what was to be pushed of a content.
    package func cancelPush(of content: ContentID) {
        context.pusher.cancel(context.fileSystem.nodeID(content))
    }

    /// Bytes of pages that the kernel took.
    package var pushedByteCount: Int64 { context.pusher.pushedBytes.value }

    /// Bytes of pages that were not pushed since memory was short.
    package var refusedPushByteCount: Int64 { context.pusher.refusedBytes.value }

    /// The files that are open and were open lately, and how they are read; empty where the kernel
    /// does not tell.
    package var readings: [FileReading] { opens?.list() ?? [] }

    /// Has files that are not all here when they are opened read ahead less, where opens are
    /// answered and it may be set.
    ///
    /// - Parameter deviceID: the mount's, such as `0:45`.
    package func shortenReadahead(deviceID: String) {
        guard let opens, let readahead = try? Readahead(deviceID: deviceID) else { return }
        opens.shorten(readahead)
    }

    /// What the mount asked of the kernel.
    package var settings: ConnectionSettings? { context.handshake.settings }

    /// What a successor needs to go on with this connection: the descriptor of /dev/fuse, which
    /// stays the session's, and the message that began it.
    package var connection: (device: CInt, initMessage: [UInt8]) {
        (originalNumber, context.handshake.request)
    }

    /// For how long the kernel's messages have been taken by no thread, since all are at work on
    /// earlier ones; 0 while one waits for a message.
    package func secondsSilent(now: MonotonicInstant) -> Double {
        activity.secondsSilent(threadCount: threads.withLock { $0.servingCount }, now: now)
    }

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
        notices.close()
        context.pusher.close()
        guard waitForEnd(until: .now + FuseSession.endSeconds) else { return }
        for box in threads.withLock({ $0.boxes }) { box.join() }
        // Whoever still waits is answered through libfuse's session, although nobody listens.
        if context.waitingCount == 0 { unsafe FuseSession.destroy(handle, context) }
    }

    // MARK: Threads

    private func serve() {
        let stack = SecondStack()
        defer { extendLifetime(stack) }
        var buffer = unsafe fuse_buf()
        while unsafe fuse_session_exited(handle) == 0 {
            let size = unsafe fuse_session_receive_buf(handle, &buffer)
            if size == -EINTR { continue }
            if size <= 0 { break }
            let message = unsafe UnsafeRawBufferPointer(start: buffer.mem, count: buffer.size)
            guard let head = unsafe MessageHead(message) else { continue }
            context.messages.count(head.opcode)
            activity.begin()
            defer { activity.end() }
            if isRefused(head) { continue }
            working(on: head) {
                let node = context.node(head.node)
                switch (head.opcode, opens) {
                case (Opcode.open, let opens?): opens.open(node, head.unique)
                case (Opcode.release, let opens?): opens.release(node, head.unique)
                default: unsafe fuse_session_process_buf(handle, &buffer)
                }
            }
            StartStages.current.noteAnswer()
        }
        unsafe free(buffer.mem)
        unsafe fuse_session_exit(handle)
        notices.close()
        context.pusher.close()
    }

    private func pushPages(_ device: CInt) {
        context.pusher.serve(device) { node in
            opens?.isReadByKernel(node) ?? false
        } dropPages: { node in
            announce(.pages(node, 0..<Int64.max))
        }
    }

    private func notify() {
        // The kernel may hold this thread back, even a killed one, until a read is answered, which
        // after the process's death a successor has to do. With descriptors of its own it keeps
        // nothing but the device open meanwhile: the keeper sees the death, and locks are let go.
        _ = unsafe modelfs_unshare_descriptors(fuse_session_fd(handle))
        while let notice = notices.receive() {
            if unsafe fuse_session_exited(handle) != 0 { break }
            // The kernel not knowing the node is as good as its having forgotten.
            switch notice {
            case .attributes(let node):
                _ = unsafe fuse_lowlevel_notify_inval_inode(handle, context.number(node), -1, 0)
            case .pages(let node, let range):
                _ = unsafe fuse_lowlevel_notify_inval_inode(
                    handle, context.number(node), off_t(range.lowerBound), off_t(range.count))
            }
        }
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
        // Let go of when the session is destroyed: a message may be on its way until then.
        let reference = unsafe Unmanaged.passRetained(context)
        let handle = unsafe arguments.withUnsafeMutableBufferPointer { buffer in
            var list = unsafe fuse_args(
                argc: CInt(words.count), argv: buffer.baseAddress, allocated: 0)
            defer { unsafe fuse_opt_free_args(&list) }
            return unsafe fuse_session_new(
                &list, &operations, MemoryLayout<fuse_lowlevel_ops>.size, reference.toOpaque())
        }
        if unsafe handle == nil { unsafe reference.release() }
        return unsafe handle
    }
}
