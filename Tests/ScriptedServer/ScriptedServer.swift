// An HTTP/1.1 server for tests whose every answer is a script: bytes, waits, early ends.
//
// Owns a listening socket on 127.0.0.1, one thread that accepts and one a connection. It keeps the
// requests that came. Nothing here is lenient or clever: what a test writes is what is sent.

import Glibc
import Platform

/// A request as it came.
package struct SeenRequest: Sendable {
    /// Such as `GET`.
    package let method: String
    /// Path and query as sent.
    package let target: String
    package let fields: [(name: String, value: String)]
    package let body: [UInt8]
    /// Which connection it came on, counted from 0.
    package let connection: Int

    /// The value of the first field with that name, in any case.
    package subscript(name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// A step of an answer.
package enum ScriptStep: Sendable {
    case text(String)
    case bytes([UInt8])
    /// That many zero bytes, in large writes.
    case zeros(Int)
    case wait(Double)
    /// Waits until the test opens the gate, or the server stops.
    case gate
    case close
    /// Closes with a TCP reset.
    case reset
}

/// The server.
///
/// `stop` has to be called.
package final class ScriptedServer: Sendable {
    private struct State {
        var seen: [SeenRequest] = []
        var connections: [CInt] = []
        var connectionCount = 0
        var isStopped = false
        var isGateOpen = false
    }

    package let port: UInt16
    private let listener: CInt
    private let state = Lock(State())
    private let greeting: String?
    private let script: @Sendable (SeenRequest) -> [ScriptStep]
    private let acceptor = Lock<Thread?>(nil)

    /// - Parameters:
    ///   - port: any free one if 0.
    ///   - greeting: sent to whoever connects, before the connection is closed; no request is read.
    ///   - script: the answer to a request; called on the connection's thread.
    package init(
        port: UInt16 = 0, greeting: String? = nil,
        script: @escaping @Sendable (SeenRequest) -> [ScriptStep]
    ) throws(Errno) {
        self.script = script
        self.greeting = greeting
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | 0o2000000, 0)
        var one: CInt = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = port.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) == 0 && listen(descriptor, 128) == 0
                    && getsockname(descriptor, generic, &length) == 0
            }
        }
        if !status { throw Errno.current }
        self.port = UInt16(bigEndian: address.sin_port)
        let thread = try Thread(named: "accept") { [self] in accept() }
        keep(thread)
    }

    private func keep(_ thread: consuming sending Thread) {
        var thread: Thread? = consume thread
        acceptor.withLock { $0 = thread.take() }
    }

    /// The origin, without a slash at its end.
    package var url: String { "http://127.0.0.1:\(port)" }

    /// The requests so far, in order.
    package var seen: [SeenRequest] { state.withLock { $0.seen } }

    /// The targets of the requests so far, in order.
    package var targets: [String] { seen.map(\.target) }

    package var connectionCount: Int { state.withLock { $0.connectionCount } }

    /// Lets every `gate` step go on.
    package func openGate() {
        state.withLock { $0.isGateOpen = true }
    }

    /// Closes the socket and all connections.
    package func stop() {
        let connections = state.withLock { state in
            state.isStopped = true
            return state.connections
        }
        shutdown(listener, CInt(SHUT_RDWR))
        for connection in connections { shutdown(connection, CInt(SHUT_RDWR)) }
        if let thread = acceptor.withLock({ $0.take() }) {
            thread.join()
            close(listener)
        }
    }

    private func accept() {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            if descriptor < 0 { return }
            let number = state.withLock { state -> Int? in
                if state.isStopped { return nil }
                state.connections.append(descriptor)
                state.connectionCount += 1
                return state.connectionCount - 1
            }
            guard let number else {
                close(descriptor)
                return
            }
            guard
                let thread = try? Thread(
                    named: "serve", .system, { [self] in serve(descriptor, number) })
            else {
                close(descriptor)
                continue
            }
            thread.detach()
        }
    }

    private func serve(_ descriptor: CInt, _ number: Int) {
        var one: CInt = 1
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        if let greeting {
            _ = write(Array(greeting.utf8), descriptor)
            usleep(50_000)
            shutdown(descriptor, CInt(SHUT_RDWR))
        }
        var buffer: [UInt8] = []
        while let request = readRequest(descriptor, number, &buffer) {
            state.withLock { $0.seen.append(request) }
            guard script(request).allSatisfy({ perform($0, descriptor) }) else { break }
        }
        state.withLock { $0.connections.removeAll { $0 == descriptor } }
        close(descriptor)
    }

    /// False when the connection ends with this step.
    private func perform(_ step: ScriptStep, _ descriptor: CInt) -> Bool {
        switch step {
        case .text(let text): return write(Array(text.utf8), descriptor)
        case .bytes(let bytes): return write(bytes, descriptor)
        case .zeros(let count):
            let block = [UInt8](repeating: 0, count: min(count, 1 << 20))
            var left = count
            while left > 0 {
                guard write(Array(block.prefix(left)), descriptor) else { return false }
                left -= min(left, block.count)
            }
            return true
        case .wait(let seconds):
            usleep(UInt32(seconds * 1e6))
            return true
        case .gate:
            while state.withLock({ !$0.isGateOpen && !$0.isStopped }) { usleep(2000) }
            return true
        case .close: return false
        case .reset:
            var linger = linger(l_onoff: 1, l_linger: 0)
            setsockopt(
                descriptor, SOL_SOCKET, SO_LINGER, &linger,
                socklen_t(MemoryLayout.size(ofValue: linger)))
            return false
        }
    }

    private func write(_ bytes: [UInt8], _ descriptor: CInt) -> Bool {
        var done = 0
        while done < bytes.count {
            let step = bytes.withUnsafeBytes {
                send(
                    descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done,
                    CInt(MSG_NOSIGNAL))
            }
            if step <= 0 { return false }
            done += step
        }
        return true
    }

    private func readRequest(
        _ descriptor: CInt, _ number: Int, _ buffer: inout [UInt8]
    ) -> SeenRequest? {
        let end = Array("\r\n\r\n".utf8)
        var headEnd = position(of: end, in: buffer)
        while headEnd == nil {
            guard fill(descriptor, &buffer) else { return nil }
            headEnd = position(of: end, in: buffer)
        }
        guard let headEnd else { return nil }
        let head = String(decoding: buffer[..<headEnd], as: UTF8.self)
        buffer.removeFirst(headEnd + 4)
        var lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)[...]
        let first = (lines.popFirst() ?? "").split(separator: " ")
        guard first.count == 3 else { return nil }
        let fields = lines.map { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            return (
                name: String(parts[0]),
                value: parts.count > 1 ? String(parts[1].drop(while: { $0 == " " })) : ""
            )
        }
        let length =
            fields.first { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) } ?? 0
        while buffer.count < length {
            guard fill(descriptor, &buffer) else { return nil }
        }
        let body = Array(buffer.prefix(length))
        buffer.removeFirst(length)
        return SeenRequest(
            method: String(first[0]), target: String(first[1]), fields: fields, body: body,
            connection: number)
    }

    private func fill(_ descriptor: CInt, _ buffer: inout [UInt8]) -> Bool {
        var block = [UInt8](repeating: 0, count: 16 << 10)
        let count = recv(descriptor, &block, block.count, 0)
        if count <= 0 { return false }
        buffer += block.prefix(count)
        return true
    }

    private func position(of wanted: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= wanted.count else { return nil }
        for start in 0...(bytes.count - wanted.count)
        where bytes[start] == wanted[0] && bytes[start..<start + wanted.count].elementsEqual(wanted)
        {
            return start
        }
        return nil
    }
}

/// A whole answer with a right `Content-Length`.
package func answer(
    _ status: Int, _ fields: [String] = [], body: String = ""
) -> [ScriptStep] {
    answer(status, fields, bytes: Array(body.utf8))
}

/// The same with bytes that are no text.
package func answer(_ status: Int, _ fields: [String] = [], bytes: [UInt8]) -> [ScriptStep] {
    let head =
        (["HTTP/1.1 \(status) Said", "Content-Length: \(bytes.count)"] + fields)
        .joined(separator: "\r\n")
    return [.text(head + "\r\n\r\n"), .bytes(bytes)]
}
