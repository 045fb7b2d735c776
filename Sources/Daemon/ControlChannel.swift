// One end of a conversation: messages over a connected socket.
//
// A message is its length in bytes as 4 bytes, the highest first, then so many bytes of JSON: an
// object with `version` and `body`. Lengths are bounded before anything is allocated, and every
// wait has a deadline, so that neither end can hold the other for ever.

internal import FoundationEssentials
internal import Glibc
package import Platform

/// Sends and receives messages; owns the socket.
package struct ControlChannel: ~Copyable, Sendable {
    /// The protocol that this program speaks.
    static let version = 1
    /// A status with every list at its bound has about 200 kB; this is five times as much.
    static let messageSizeMax = 1 << 20

    private let socket: FileDescriptor

    /// Takes over a connected, non-blocking socket.
    package init(socket: consuming FileDescriptor) {
        self.socket = socket
    }

    /// Who is at the other end.
    package borrowing func peer() throws(Errno) -> UnixSocket.Peer {
        try UnixSocket.peer(of: socket)
    }

    /// Sends one message.
    package borrowing func send(
        _ body: some Encodable & Sendable, until deadline: MonotonicInstant
    ) throws(ControlError) {
        guard let json = try? JSONEncoder().encode(Outgoing(body: body)) else {
            throw .malformed
        }
        if json.count > ControlChannel.messageSizeMax { throw .tooLong(byteCount: json.count) }
        let length = UInt32(json.count)
        var bytes = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> UInt32($0)) }
        bytes += json
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { room in
                unsafe Glibc.send(
                    socket.rawValue, room.baseAddress?.advanced(by: done), room.count - done,
                    CInt(MSG_NOSIGNAL))
            }
            if count > 0 {
                done += count
                continue
            }
            switch Errno.current {
            case .wouldBlock: try wait(POLLOUT, until: deadline)
            case .interrupted: continue
            case Errno(EPIPE), Errno(ECONNRESET): throw .closed
            case let error: throw .system(error)
            }
        }
    }

    /// Receives one message.
    package borrowing func receive<Body: Decodable>(
        _ type: Body.Type, until deadline: MonotonicInstant
    ) throws(ControlError) -> Body {
        let header = try receiveBytes(4, until: deadline)
        let length = header.reduce(0) { $0 << 8 | Int($1) }
        if length > ControlChannel.messageSizeMax { throw .tooLong(byteCount: length) }
        let json = Data(try receiveBytes(length, until: deadline))
        // The version is read on its own first: the rest may be unknown to us.
        guard let version = try? JSONDecoder().decode(VersionOnly.self, from: json).version else {
            throw .malformed
        }
        if version != ControlChannel.version { throw .otherVersion(version) }
        guard let message = try? JSONDecoder().decode(Incoming<Body>.self, from: json) else {
            throw .malformed
        }
        return message.body
    }

    private borrowing func receiveBytes(
        _ count: Int, until deadline: MonotonicInstant
    ) throws(ControlError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let step = unsafe bytes.withUnsafeMutableBytes { room in
                unsafe recv(
                    socket.rawValue, room.baseAddress?.advanced(by: done), room.count - done, 0)
            }
            if step > 0 {
                done += step
                continue
            }
            if step == 0 { throw .closed }
            switch Errno.current {
            case .wouldBlock: try wait(POLLIN, until: deadline)
            case .interrupted: continue
            case Errno(ECONNRESET): throw .closed
            case let error: throw .system(error)
            }
        }
        return bytes
    }

    private borrowing func wait(
        _ events: CInt, until deadline: MonotonicInstant
    ) throws(ControlError) {
        let happened: [CShort]
        do {
            happened = try waitForEvents(
                [AwaitedEvents(socket.rawValue, events)], until: deadline)
        } catch {
            throw .system(error)
        }
        if happened[0] == 0 { throw .timedOut }
    }
}

private struct Outgoing<Body: Encodable>: Encodable {
    var version = ControlChannel.version
    let body: Body
}

private struct Incoming<Body: Decodable>: Decodable {
    let body: Body
}

private struct VersionOnly: Decodable {
    let version: Int
}
