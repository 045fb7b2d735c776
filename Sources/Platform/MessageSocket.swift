// Sockets between two of our own processes: whole messages, each with a descriptor or without.
//
// `SOCK_SEQPACKET`: a message arrives whole or not at all, and the end of the other process is
// seen at once. Nothing here waits; who wants to, waits for the descriptor with a deadline.

internal import CShims
internal import Glibc

/// One message that came.
package struct ReceivedMessage: ~Copyable, Sendable {
    package let bytes: [UInt8]
    /// What came with it.
    package var descriptor: FileDescriptor?

    init(bytes: [UInt8], descriptor: consuming FileDescriptor?) {
        self.bytes = bytes
        self.descriptor = descriptor
    }
}

/// One end of a conversation.
package struct MessageSocket: ~Copyable, Sendable {
    /// Longer messages are not received: what a process keeps for its successor is short.
    package static let byteCountMax = 64 << 10

    private let socket: FileDescriptor

    /// Takes over a socket of this kind.
    package init(owning socket: consuming FileDescriptor) {
        self.socket = socket
    }

    /// For those who wait.
    package var rawValue: CInt { socket.rawValue }

    /// Sends one message.
    ///
    /// The C function is `sendmsg` with `SCM_RIGHTS`.
    ///
    /// - Parameter descriptor: stays the caller's; the other end gets one of its own.
    /// - Throws: `EAGAIN` when the other end has to read first, `EPIPE` when it has gone.
    package borrowing func send(_ bytes: [UInt8], descriptor: CInt? = nil) throws(Errno) {
        let number = socket.rawValue
        _ = try retryingOnInterrupt {
            unsafe bytes.withUnsafeBytes {
                unsafe modelfs_send_message(number, $0.baseAddress, $0.count, descriptor ?? -1)
            }
        }
    }

    /// The next message.
    ///
    /// - Returns: nil when the other end has gone.
    /// - Throws: `EAGAIN` when there is none yet, `EMSGSIZE` for one that is too long, `EBADMSG`
    ///   for one whose descriptor was lost on the way.
    package borrowing func receive() throws(Errno) -> ReceivedMessage? {
        var bytes = [UInt8](repeating: 0, count: MessageSocket.byteCountMax)
        let number = socket.rawValue
        var came: CInt = -1
        let count: Int
        do throws(Errno) {
            count = try retryingOnInterrupt {
                unsafe bytes.withUnsafeMutableBytes { room in
                    unsafe modelfs_receive_message(number, room.baseAddress, room.count, &came)
                }
            }
        } catch {
            if error == Errno(ECONNRESET) { return nil }
            throw error
        }
        if count == 0 { return nil }
        bytes.removeLast(bytes.count - count)
        return ReceivedMessage(
            bytes: bytes, descriptor: came < 0 ? nil : FileDescriptor(owning: came))
    }
}

/// Two such sockets that are connected to each other.
package struct MessageSocketPair: ~Copyable {
    package let first: FileDescriptor
    package let second: FileDescriptor

    /// The corresponding C function is `socketpair`.
    package init() throws(Errno) {
        let kind = CInt(
            SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        var numbers: [CInt] = [-1, -1]
        if unsafe socketpair(AF_UNIX, kind, 0, &numbers) != 0 { throw Errno.current }
        first = FileDescriptor(owning: numbers[0])
        second = FileDescriptor(owning: numbers[1])
    }
}
