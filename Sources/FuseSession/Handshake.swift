// The beginning of a connection: INIT, and what is added to libfuse's answer to it.
//
// libfuse reads and writes through the two functions here. While INIT is being answered, the
// answer is kept, and passthrough accepted in it where the kernel offers that and it is wanted;
// afterwards both functions are plain system calls. A connection that is taken over has had its
// INIT: libfuse gets the saved message, and its answer goes nowhere.

internal import CFuse3
internal import Glibc
internal import Platform
internal import Synchronization

/// The INIT exchange of one connection, on the thread that makes the session.
final class Handshake: Sendable {
    private struct State {
        var stackDepth: UInt32?
        var isSwallowed = false
        var request: [UInt8] = []
        var answer: [UInt8] = []
    }

    private let isUnderWay = Atomic<Bool>(false)
    private let state = Lock(State())

    /// The message that began the connection.
    var request: [UInt8] { state.withLock { $0.request } }

    /// What was agreed on.
    var settings: ConnectionSettings? { InitExchange.settings(state.withLock { $0.answer }) }

    /// The next answer is that to INIT.
    ///
    /// - Parameters:
    ///   - stackDepth: how deep backing files may be stacked; nil to leave passthrough alone.
    ///   - isSwallowed: whether the kernel has had its answer before.
    func begin(_ request: [UInt8], stackDepth: UInt32?, isSwallowed: Bool) {
        state.withLock { state in
            state.request = request
            state.stackDepth = stackDepth
            state.isSwallowed = isSwallowed
        }
        isUnderWay.store(true, ordering: .relaxed)
    }

    /// What libfuse reads and writes with; its user data is the mount's context.
    static var functions: fuse_custom_io {
        var functions = fuse_custom_io()
        unsafe functions.read = { device, buffer, count, _ in unsafe read(device, buffer, count) }
        unsafe functions.writev = { device, vectors, count, data in
            guard let vectors = unsafe vectors else { return 0 }
            if let data = unsafe data {
                let context = unsafe Unmanaged<MountContext>.fromOpaque(data).takeUnretainedValue()
                let handshake = context.handshake
                if handshake.isUnderWay.load(ordering: .relaxed) {
                    return unsafe handshake.answer(device, vectors, Int(count))
                }
            }
            return unsafe writev(device, vectors, count)
        }
        return functions
    }

    private func answer(_ device: CInt, _ vectors: UnsafeMutablePointer<iovec>, _ count: Int) -> Int
    {
        isUnderWay.store(false, ordering: .relaxed)
        var bytes: [UInt8] = []
        for index in 0..<count {
            unsafe bytes.append(
                contentsOf: UnsafeRawBufferPointer(
                    start: vectors[index].iov_base, count: vectors[index].iov_len))
        }
        let (depth, isSwallowed) = state.withLock { ($0.stackDepth, $0.isSwallowed) }
        if let depth, let patched = InitExchange.acceptingPassthrough(bytes, stackDepth: depth) {
            bytes = patched
        }
        state.withLock { $0.answer = bytes }
        if isSwallowed { return bytes.count }
        return unsafe bytes.withUnsafeBytes { unsafe write(device, $0.baseAddress, $0.count) }
    }
}
