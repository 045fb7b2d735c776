// Unix stream sockets: listening, connecting, pairs, and who is at the other end.
//
// Every socket made here is non-blocking and closed on exec: waiting is done with a deadline by
// `waitForEvents`, so that no peer can hold a thread for ever.

internal import CShims
package import Glibc

/// The functions on Unix stream sockets.
package enum UnixSocket {
    /// Who is at the other end of a connection, as of the moment it was made.
    package struct Peer: Equatable, Sendable {
        package let userID: uid_t
        package let processID: pid_t
    }

    /// Binds a new socket to a path that must not exist yet, with mode 0600.
    ///
    /// Not yet listening, so that nobody connects before the mode is set.
    ///
    /// - Throws: `ENAMETOOLONG` for a path over 107 bytes; a directory that is open can be reached
    ///   by a short path below `/proc/self/fd`.
    package static func bind(to path: String) throws(Errno) -> FileDescriptor {
        let socket = try make()
        let number = socket.rawValue
        try unsafe withAddress(of: path) { (address, length) throws(Errno) in
            if unsafe Glibc.bind(number, address, length) != 0 { throw Errno.current }
        }
        if unsafe chmod(path, 0o600) != 0 { throw Errno.current }
        return socket
    }

    /// Lets others connect to a bound socket.
    ///
    /// The corresponding C function is `listen`.
    package static func listen(
        on socket: borrowing FileDescriptor, backlog: CInt
    ) throws(Errno) {
        if Glibc.listen(socket.rawValue, backlog) != 0 { throw Errno.current }
    }

    /// Connects to the socket at a path.
    ///
    /// - Throws: `ENOENT` or `ECONNREFUSED` when nobody listens, `EAGAIN` when the backlog is full.
    package static func connect(to path: String) throws(Errno) -> FileDescriptor {
        let socket = try make()
        let number = socket.rawValue
        try unsafe withAddress(of: path) { (address, length) throws(Errno) in
            if unsafe Glibc.connect(number, address, length) != 0 { throw Errno.current }
        }
        return socket
    }

    /// The next connection.
    ///
    /// The corresponding C function is `accept4`.
    ///
    /// - Throws: `EAGAIN` when there is none.
    package static func accept(
        from listener: borrowing FileDescriptor
    ) throws(Errno) -> FileDescriptor {
        let number = listener.rawValue
        return FileDescriptor(
            owning: try retryingOnInterrupt { modelfs_accept_nonblocking(number) })
    }

    /// Who connected, or was connected to.
    ///
    /// The corresponding option is `SO_PEERCRED`.
    package static func peer(of socket: borrowing FileDescriptor) throws(Errno) -> Peer {
        var user: CUnsignedInt = 0
        var process: CInt = 0
        guard unsafe modelfs_peer_user(socket.rawValue, &user, &process) == 0
        else { throw Errno.current }
        return Peer(userID: user, processID: process)
    }

    private static func make() throws(Errno) -> FileDescriptor {
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let number = socket(AF_UNIX, kind, 0)
        if number < 0 { throw Errno.current }
        return FileDescriptor(owning: number)
    }

    private static func withAddress(
        of path: String,
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Errno) -> Void
    ) throws(Errno) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let fits = unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
            // The path is followed by at least one of the zeros that are already there.
            guard bytes.count < room.count else { return false }
            unsafe room.copyBytes(from: bytes)
            return true
        }
        guard fits else { throw Errno(ENAMETOOLONG) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result: Result<Void, Errno> = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                do throws(Errno) {
                    return .success(try unsafe body(generic, length))
                } catch {
                    return .failure(error)
                }
            }
        }
        try result.get()
    }
}

/// Two sockets that are connected to each other.
package struct SocketPair: ~Copyable {
    package let first: FileDescriptor
    package let second: FileDescriptor

    /// The corresponding C function is `socketpair`.
    package init() throws(Errno) {
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        var numbers: [CInt] = [-1, -1]
        if unsafe socketpair(AF_UNIX, kind, 0, &numbers) != 0 { throw Errno.current }
        first = FileDescriptor(owning: numbers[0])
        second = FileDescriptor(owning: numbers[1])
    }
}
