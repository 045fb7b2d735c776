// Why a server could not be started. Once it runs, nothing of it fails to the outside: a request
// that goes wrong costs its own connection.

package import Platform

/// Why there is no server.
package enum HTTPServiceError: Error, Equatable, Sendable {
    /// The host is neither an address nor a name that the system knows.
    case unknownHost(String)
    /// The address cannot be listened on: taken, not ours, or not allowed.
    case cannotListen(SocketAddress, Errno)
    /// libmicrohttpd refused to start, for want of memory or threads.
    case noService
}
