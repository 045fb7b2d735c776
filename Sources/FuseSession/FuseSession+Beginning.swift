// How a session begins: INIT before there are threads, then the way in which files are opened.

internal import CFuse3
internal import CShims
internal import Catalog
internal import Glibc
package import Platform

/// A connection to the kernel that outlived the process which mounted it.
package struct KeptConnection: ~Copyable {
    /// The descriptor of /dev/fuse.
    private let device: FileDescriptor
    /// The message with which the kernel began the connection.
    package let initMessage: [UInt8]
    package let mountpoint: String

    /// - Parameters:
    ///   - device: the descriptor of /dev/fuse that was mounted.
    ///   - initMessage: the bytes of the first FUSE_INIT.
    package init(device: consuming FileDescriptor, initMessage: [UInt8], mountpoint: String) {
        self.device = device
        self.initMessage = initMessage
        self.mountpoint = mountpoint
    }

    consuming func giveDevice() -> CInt { device.release() }
}

extension FuseSessionOptions {
    /// The first kernel that knows FUSE_NOTIFY_RESEND.
    private static let resendRelease = KernelRelease(major: 6, minor: 9)

    /// Whether this one does.
    static var kernelResends: Bool { KernelRelease.current >= resendRelease }
}

extension FuseSession {
    /// The connection, for a process that is to go on with it when this one has ended.
    ///
    /// - Throws: when there is no room for another descriptor.
    package func keep() throws(Errno) -> KeptConnection {
        let number = unsafe fuse_session_fd(handle)
        let device = try retryingOnInterrupt { fcntl(number, F_DUPFD_CLOEXEC, 0) }
        return KeptConnection(
            device: FileDescriptor(owning: device), initMessage: context.handshake.request,
            mountpoint: mountpoint)
    }

    /// Has libfuse answer INIT: the kernel's, which is there as soon as it has mounted, or the one
    /// that was kept.
    static func shakeHands(
        _ handle: OpaquePointer, _ context: MountContext, _ kept: [UInt8]?,
        _ wish: PassthroughWish
    ) throws(Errno) {
        var buffer = unsafe fuse_buf()
        // Made by libfuse, or here, and in both cases by malloc.
        defer { unsafe free(buffer.mem) }
        if let kept {
            unsafe buffer.mem = malloc(kept.count)
            unsafe buffer.size = kept.count
            unsafe buffer.mem?.copyMemory(from: kept, byteCount: kept.count)
        } else {
            var size: CInt = -EINTR
            while size == -EINTR { size = unsafe fuse_session_receive_buf(handle, &buffer) }
            if size <= 0 { throw size < 0 ? Errno(-size) : .notConnected }
        }
        let message = unsafe UnsafeRawBufferPointer(start: buffer.mem, count: buffer.size)
        guard let head = unsafe MessageHead(message), head.opcode == Opcode.initialize
        else { throw .invalidArgument }
        context.messages.count(head.opcode)
        let request = unsafe [UInt8](message)
        var stackDepth: UInt32?
        if case .wanted(let options) = wish, InitExchange.offersPassthrough(request) {
            stackDepth = options.stackDepth
        }
        context.handshake.begin(request, stackDepth: stackDepth, isSwallowed: kept != nil)
        unsafe fuse_session_process_buf(handle, &buffer)
    }

    /// Finds out whether opens are answered.
    static func prepareOpens(
        _ context: MountContext, _ device: CInt, _ wish: PassthroughWish, resuming: Bool,
        dropPages: @escaping @Sendable (NodeID) -> Void
    ) -> (FileOpens?, PassthroughObstacle?) {
        switch wish {
        case .unwanted(let obstacle): return (nil, obstacle)
        case .wanted(let options):
            if !InitExchange.offersPassthrough(context.handshake.request) {
                return (nil, .notOffered)
            }
            do throws(PassthroughRefusal) {
                let opens = try FileOpens(
                    context.fileSystem, device: device, options, resuming: resuming,
                    dropPages: dropPages)
                return (opens, nil)
            } catch {
                return (nil, error.obstacle)
            }
        }
    }

    /// Has the kernel send once more what an earlier process took and did not answer.
    static func askAgain(_ device: CInt) throws(Errno) {
        let message = KernelAnswer.resend
        let count = unsafe message.withUnsafeBytes {
            unsafe write(device, $0.baseAddress, $0.count)
        }
        if count != message.count { throw .current }
    }

    /// Another descriptor of the connection to read from; nil where there can be none.
    ///
    /// Who dies with it leaves no request unanswered: the kernel ends those that were read from it.
    static func clone(_ device: CInt) -> CInt? {
        let number = modelfs_fuse_clone(device)
        return number >= 0 ? number : nil
    }

    /// Gives up a session that could not begin, before it has threads, and the connection with it.
    static func abandon(_ handle: OpaquePointer, _ context: MountContext) {
        unsafe fuse_session_exit(handle)
        unsafe fuse_session_unmount(handle)
        unsafe destroy(handle, context)
    }

    /// Frees libfuse's session, which no thread uses any more, and lets go of its context.
    static func destroy(_ handle: OpaquePointer, _ context: MountContext) {
        unsafe fuse_session_destroy(handle)
        unsafe Unmanaged.passUnretained(context).release()
    }
}
