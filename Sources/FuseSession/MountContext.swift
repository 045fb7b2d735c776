// What every message of a mount needs, and the way from a message to its answer.

internal import CFuse3
internal import Catalog
internal import FileSystem
internal import Platform
internal import Synchronization

/// A mount's side of the conversation with the kernel.
final class MountContext: Sendable {
    let fileSystem: FileSystem
    let root: NodeID
    let owner: Ownership
    let messages = KernelMessages()
    let known = KnownContents()
    let buffers = BufferPool()
    let handshake = Handshake()
    let pusher: PagePusher
    private let waiting = Atomic<Int>(0)

    /// Requests that wait for something to arrive.
    var waitingCount: Int { waiting.load(ordering: .acquiring) }

    /// The kernel's number for the root of every mount.
    ///
    /// Source: `FUSE_ROOT_ID`.
    private static let kernelRoot: UInt64 = 1

    init(_ fileSystem: FileSystem, _ options: FuseSessionOptions) {
        self.fileSystem = fileSystem
        root = options.root
        owner = options.owner
        let root = options.root
        pusher = PagePusher(fileSystem, buffers) { MountContext.number($0, root: root) }
    }

    /// The context that a request belongs to.
    static func of(_ request: fuse_req_t) -> MountContext? {
        guard let data = unsafe fuse_req_userdata(request) else { return nil }
        return unsafe Unmanaged<MountContext>.fromOpaque(data).takeUnretainedValue()
    }

    func node(_ number: fuse_ino_t) -> NodeID {
        number == MountContext.kernelRoot ? root : NodeID(rawValue: number)
    }

    /// The kernel's number for a node.
    func number(_ node: NodeID) -> fuse_ino_t { MountContext.number(node, root: root) }

    private static func number(_ node: NodeID, root: NodeID) -> fuse_ino_t {
        node == root ? kernelRoot : node.rawValue
    }

    /// Answers a request: at once, or when what it lacks has come.
    ///
    /// - Parameters:
    ///   - attempt: run here first, and again on other threads.
    ///   - reply: given what an attempt found.
    func answer<Value: Sendable>(
        _ request: FuseRequest,
        _ attempt: @escaping @Sendable (AttemptContext) -> Outcome<Value>,
        reply: @escaping @Sendable (Value) -> Void
    ) {
        switch attempt(AttemptContext()) {
        case .done(let value): reply(value)
        case .failed(let error): request.reply(Errno(error))
        case .lacks(let need, let seconds):
            let token = InterruptRegistry.shared.reserve()
            // Whoever makes the next attempts works on this request too.
            let work = RequestWork.current
            waiting.add(1, ordering: .relaxed)
            let operation = Operation(fileSystem) { context in
                work?.during { attempt(context) } ?? attempt(context)
            } answer: { result in
                InterruptRegistry.shared.remove(token)
                switch result {
                case .success(let value): reply(value)
                case .failure(let error): request.reply(Errno(error))
                }
                self.waiting.subtract(1, ordering: .releasing)
            }
            // An answered request must not be touched, so an interrupt that came before or while
            // the request was prepared for it acts only after that, and only then it may wait.
            request.watchInterrupt(token)
            if InterruptRegistry.shared.arm(token, { operation.interrupt() }) {
                operation.interrupt()
                return
            }
            operation.wait(for: need, withinSeconds: seconds)
        }
    }
}
