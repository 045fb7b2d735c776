// Where a server listens, and the socket that does.

internal import Glibc
package import Platform

/// A host and a port.
package struct SocketAddress: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// An address or a name, without the brackets of IPv6.
    package let host: String
    /// 0 asks the system for a free one.
    package let port: UInt16

    /// - Parameters:
    ///   - host: an address or a name, without the brackets of IPv6.
    ///   - port: 0 asks the system for a free one.
    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// As it stands in a URL.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// How many connections may wait to be accepted.
    private static let backlog: CInt = 512

    /// Opens a socket that listens here.
    ///
    /// The corresponding C functions are `bind` and `listen`.
    package func listen() throws(HTTPServiceError) -> FileDescriptor {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, "\(port)", &hints, &found) == 0, let first = unsafe found
        else { throw .unknownHost(host) }
        defer { unsafe freeaddrinfo(first) }
        let number = unsafe socket(
            first.pointee.ai_family, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        if number < 0 { throw .cannotListen(self, .current) }
        let descriptor = FileDescriptor(owning: number)
        var yes: CInt = 1
        let size = socklen_t(MemoryLayout<CInt>.size)
        unsafe setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &yes, size)
        guard unsafe bind(number, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0,
            Glibc.listen(number, SocketAddress.backlog) == 0
        else { throw .cannotListen(self, .current) }
        return descriptor
    }
}

/// The port that a bound socket has; 0 if it cannot be told.
func boundPort(of socket: CInt) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe getsockname(socket, $0, &length)
        }
    }
    guard status == 0 else { return 0 }
    // The port stands at the same place in the addresses of IPv4 and IPv6, big-endian.
    return unsafe withUnsafeBytes(of: storage) { bytes in
        unsafe UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    }
}
