// HTTP as bytes: for what a proper client would never send or never show.

import Glibc

/// A TCP connection to 127.0.0.1 that says exactly what it is told to.
package final class RawHTTPClient {
    private let socket: CInt

    /// Connects; reads give up after ten seconds.
    package init(port: UInt16) {
        socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = inet_addr("127.0.0.1")
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let connected = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(connected == 0)
    }

    deinit { close(socket) }

    /// Sends the bytes of a text.
    package func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.send(socket, bytes, bytes.count, CInt(MSG_NOSIGNAL))
    }

    /// All until the connection ends; nil if it ended in an error such as a reset.
    package func readToEnd() -> String? {
        var all: [UInt8] = []
        var step = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(socket, &step, step.count, 0)
            if count < 0 { return nil }
            if count == 0 { return String(decoding: all, as: UTF8.self) }
            all += step[..<count]
        }
    }

    /// One answer with a Content-Length.
    package func readAnswer() -> String {
        var all: [UInt8] = []
        var byte: UInt8 = 0
        func text() -> String { String(decoding: all, as: UTF8.self) }
        while !text().hasSuffix("\r\n\r\n"), recv(socket, &byte, 1, 0) == 1 { all.append(byte) }
        let head = text()
        let field = head.firstRange(of: "Content-Length: ")
        let length = field.flatMap { Int(head[$0.upperBound...].prefix { $0.isNumber }) } ?? 0
        for _ in 0..<length where recv(socket, &byte, 1, 0) == 1 { all.append(byte) }
        return text()
    }
}
