// One request and its answer, and the functions that libmicrohttpd calls for it.
//
// The library calls `beginRequest` with the raw target, `handleRequest` once with the header, once
// for each piece of the body and once when all is there, and `endRequest` when all is over. Each
// connection has one thread, so an exchange needs no lock.

internal import CMicroHTTPD
internal import Glibc
internal import Platform

/// The state between the library's calls.
@safe
final class Exchange {
    let server: HTTPServer
    let target: String
    let start = MonotonicInstant.now
    var method = ""
    var peer = ""
    var headers = HTTPHeaders()
    var body: [UInt8] = []
    var hasHeader = false
    /// What takes the body piece by piece; nil where it is read whole.
    var sink: (any HTTPBodySink)?
    var bodyByteCountMax: Int
    /// Whether nothing more is wanted of the body.
    var isBodyOver = false
    /// Whether more came than is allowed.
    var isTooLong = false
    private var receivedByteCount = 0
    var status = 0
    /// What the answer promised, for files; generated bodies count what they made.
    var plannedByteCount: Int64 = 0
    /// The socket's acknowledged bytes before a file was sent, to tell how far an aborted one got.
    var acknowledgedBefore: Int64?

    init(server: HTTPServer, target: String) {
        self.server = server
        self.target = target
        bodyByteCountMax = server.limits.bodyByteCountMax
    }

    /// Takes method, peer and header fields; called once.
    func takeHeader(_ connection: OpaquePointer?, method: String) {
        hasHeader = true
        self.method = method
        peer = unsafe hostText(of: modelfs_mhd_peer(connection))
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        _ = unsafe MHD_get_connection_values(
            connection, .HEADER_KIND,
            { context, _, name, value in
                guard let context = unsafe context, let name = unsafe name else { return .YES }
                let exchange = unsafe Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
                exchange.headers.add(
                    unsafe String(cString: name),
                    unsafe value.map { unsafe String(cString: $0) } ?? "")
                return .YES
            }, context)
    }

    /// Whether the header announces a body that is too long to read.
    var announcesTooMuch: Bool {
        guard let text = headers["Content-Length"], let length = Int64(text) else { return false }
        return length > Int64(bodyByteCountMax)
    }

    /// Whether so much is announced that not even dropping it is worth while.
    private var announcesFarTooMuch: Bool {
        let length = headers["Content-Length"].flatMap { Int64($0) } ?? 0
        return length / Exchange.droppedPerAllowed > Int64(bodyByteCountMax)
    }

    /// How much more than is allowed is read, to be dropped.
    private static let droppedPerAllowed: Int64 = 4

    /// Takes what the header decides; a response is sent at once, and ends the connection.
    func decide() -> HTTPResponse? {
        switch server.intake?(request()) {
        case .refused(let response): return response
        case .streamed(let sink, let byteCountMax):
            self.sink = sink
            bodyByteCountMax = byteCountMax
        case .whole, nil: break
        }
        guard announcesTooMuch else { return nil }
        if server.intake != nil, !announcesFarTooMuch {
            // Most clients hear of an answer only if their body is read.
            isTooLong = true
            isBodyOver = true
            return nil
        }
        return .text(413, "The request is too large.\n")
    }

    /// Takes a piece of the body; false when the connection is to be closed.
    ///
    /// What is refused in the middle of a body is told at its end, since clients read no answer
    /// before; so the rest is dropped, as far as there is not more of it than of what is allowed.
    func take(_ piece: UnsafeRawBufferPointer) -> Bool {
        receivedByteCount += piece.count
        if receivedByteCount > bodyByteCountMax {
            isTooLong = true
            isBodyOver = true
            body = []
            return Int64(receivedByteCount) / Exchange.droppedPerAllowed <= Int64(bodyByteCountMax)
        }
        if isBodyOver { return true }
        if let sink {
            isBodyOver = !sink.take(unsafe [UInt8](piece))
        } else {
            unsafe body.append(contentsOf: piece)
        }
        return true
    }

    /// The answer, now that all of the request is there.
    func respond() -> HTTPResponse {
        if isTooLong { return .text(413, "The request is too large.\n") }
        return sink?.finish() ?? server.handler(request())
    }

    /// The request, now that all of it is there.
    func request() -> HTTPRequest {
        let path = target.utf8.prefix { $0 != UInt8(ascii: "?") }
        let query = Substring(target.utf8[path.endIndex...].dropFirst())
        return HTTPRequest(
            method: method, target: target, path: String(Substring(path)),
            query: HTTPQuery(query), headers: headers,
            body: body, peer: peer, pause: server.pause)
    }

    /// Hands the answer to the library.
    func send(
        _ response: HTTPResponse, on connection: OpaquePointer?
    ) -> MHD_Result {
        status = response.status
        let fields = response.headers.fields
        let made: OpaquePointer?
        switch response.body {
        case .hangUp(let isReset):
            status = 0
            if isReset { unsafe resetConnection(modelfs_mhd_socket(connection)) }
            return .NO
        case .bytes(let bytes):
            plannedByteCount = Int64(bytes.count)
            unsafe made = bytesResponse(bytes)
        case .file(let file, let offset, let length):
            guard let descriptor = file.take() else { return .NO }
            plannedByteCount = length
            acknowledgedBefore = unsafe acknowledgedByteCount(modelfs_mhd_socket(connection))
            unsafe made =
                length == 0
                ? bytesResponse([])
                : MHD_create_response_from_fd_at_offset64(
                    UInt64(length), descriptor.release(), UInt64(offset))
        case .generated(let length, let generator):
            unsafe made = GeneratedBody(self, connection, generator).response(length: length)
        }
        guard let made = unsafe made else { return .NO }
        defer { unsafe MHD_destroy_response(made) }
        for field in fields { _ = unsafe MHD_add_response_header(made, field.name, field.value) }
        return unsafe MHD_queue_response(connection, UInt32(status), made)
    }

    /// What is told of it when it is over.
    func record(isComplete: Bool, connection: OpaquePointer?) -> HTTPRecord {
        var sent = method == "HEAD" ? 0 : plannedByteCount
        if !isComplete, let before = acknowledgedBefore,
            let after = unsafe acknowledgedByteCount(modelfs_mhd_socket(connection))
        {
            sent = min(sent, max(0, after - before))
        }
        return HTTPRecord(
            method: method, target: target, peer: peer, status: status, bodyByteCount: sent,
            seconds: MonotonicInstant.now.seconds(since: start), isComplete: isComplete)
    }
}

/// A body that a handler makes piece by piece; owned by the library's response.
@safe
private final class GeneratedBody {
    private let exchange: Exchange
    private let connection: OpaquePointer?
    private let generator: HTTPBodyGenerator

    /// The library's buffer for one step.
    ///
    /// Large enough that a step costs little beside its bytes, small enough that 256 connections
    /// take 64 MiB at most.
    private static let bufferByteCount = 256 << 10

    init(
        _ exchange: Exchange, _ connection: OpaquePointer?,
        _ generator: @escaping HTTPBodyGenerator
    ) {
        self.exchange = exchange
        unsafe self.connection = connection
        unsafe self.generator = generator
    }

    /// The library's response, which lets this object go when it goes.
    func response(length: Int64?) -> OpaquePointer? {
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let made = unsafe MHD_create_response_from_callback(
            length.map { UInt64($0) } ?? modelfs_mhd_size_unknown(),
            GeneratedBody.bufferByteCount,
            { context, position, buffer, capacity in
                guard let context = unsafe context else { return -2 }
                let body = unsafe Unmanaged<GeneratedBody>.fromOpaque(context)
                    .takeUnretainedValue()
                return unsafe body.fill(
                    UnsafeMutableRawBufferPointer(start: buffer, count: capacity),
                    at: Int64(position))
            }, context,
            { context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<GeneratedBody>.fromOpaque(context).release()
            })
        if unsafe made == nil { unsafe Unmanaged<GeneratedBody>.fromOpaque(context).release() }
        return unsafe made
    }

    private func fill(_ buffer: UnsafeMutableRawBufferPointer, at position: Int64) -> Int {
        // Waiting for the generator is no silence of the client's.
        unsafe modelfs_mhd_set_idle_seconds(connection, 0)
        defer {
            unsafe modelfs_mhd_set_idle_seconds(
                connection, UInt32(exchange.server.limits.idleSeconds))
        }
        switch unsafe generator(buffer, position) {
        case .wrote(let count):
            precondition(count > 0 && count <= buffer.count)
            exchange.plannedByteCount += Int64(count)
            return count
        case .finished:
            return -1
        case .cut:
            return -2
        case .reset:
            unsafe resetConnection(modelfs_mhd_socket(connection))
            return -2
        }
    }
}

/// The library's first call for a request: with its target, before the header is read.
let beginRequest:
    @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?)
        -> UnsafeMutableRawPointer? = { context, target, _ in
            guard let context = unsafe context, let target = unsafe target else { return nil }
            let server = unsafe Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue()
            server.enter()
            let exchange = Exchange(server: server, target: unsafe String(cString: target))
            return unsafe Unmanaged.passRetained(exchange).toOpaque()
        }

/// The library's calls with the header, with pieces of the body, and when all is there.
let handleRequest: MHD_AccessHandlerCallback = {
    _, connection, _, method, _, upload, uploadByteCount, state in
    guard let state = unsafe state?.pointee, let method = unsafe method,
        let byteCount = unsafe uploadByteCount
    else { return .NO }
    let exchange = unsafe Unmanaged<Exchange>.fromOpaque(state).takeUnretainedValue()
    if !exchange.hasHeader {
        unsafe exchange.takeHeader(connection, method: String(cString: method))
        unsafe exchange.server.watch?.hasHeader(modelfs_mhd_socket(connection))
        guard let refusal = exchange.decide() else { return .YES }
        unsafe exchange.server.watch?.hasRequest(modelfs_mhd_socket(connection))
        return unsafe exchange.send(refusal, on: connection)
    }
    // What a sink or a handler does takes its time, which is no silence of the client's.
    unsafe modelfs_mhd_set_idle_seconds(connection, 0)
    defer {
        unsafe modelfs_mhd_set_idle_seconds(
            connection, UInt32(exchange.server.limits.idleSeconds))
    }
    if unsafe byteCount.pointee > 0 {
        let piece = unsafe UnsafeRawBufferPointer(start: upload, count: byteCount.pointee)
        let began = MonotonicInstant.now
        guard unsafe exchange.take(piece) else { return .NO }
        unsafe exchange.server.watch?.hasPiece(
            modelfs_mhd_socket(connection), byteCount: piece.count,
            seconds: MonotonicInstant.now.seconds(since: began))
        unsafe byteCount.pointee = 0
        return .YES
    }
    unsafe exchange.server.watch?.hasRequest(modelfs_mhd_socket(connection))
    let response = exchange.respond()
    return unsafe exchange.send(response, on: connection)
}

/// The library's last call for a request, however it ended.
let endRequest: MHD_RequestCompletedCallback = { _, connection, state, reason in
    guard let held = unsafe state?.pointee else { return }
    let exchange = unsafe Unmanaged<Exchange>.fromOpaque(held).takeRetainedValue()
    unsafe state?.pointee = nil
    // 0 is MHD_REQUEST_TERMINATED_COMPLETED_OK.
    let isComplete = reason.rawValue == 0
    if let report = exchange.server.onRecord {
        report(unsafe exchange.record(isComplete: isComplete, connection: connection))
    }
    unsafe exchange.server.watch?.hasAnswer(modelfs_mhd_socket(connection))
    exchange.server.leave()
}

/// The library's calls when a connection begins and before its socket is closed.
let watchConnection: MHD_NotifyConnectionCallback = { context, connection, _, code in
    guard let context = unsafe context else { return }
    let server = unsafe Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue()
    let socket = unsafe modelfs_mhd_socket(connection)
    // 0 is MHD_CONNECTION_NOTIFY_STARTED.
    if code.rawValue == 0 { server.watch?.begins(socket) } else { server.watch?.ends(socket) }
}

private func bytesResponse(_ bytes: [UInt8]) -> OpaquePointer? {
    // The library copies the bytes before it returns, so a pointer that it may write to is safe.
    unsafe bytes.withUnsafeBytes { buffer in
        unsafe MHD_create_response_from_buffer(
            buffer.count, UnsafeMutableRawPointer(mutating: buffer.baseAddress),
            .RESPMEM_MUST_COPY)
    }
}

/// Tears the connection down so that the peer sees a reset: on Linux, that is what dissolving the
/// association of a connected TCP socket does (connect(2), AF_UNSPEC).
private func resetConnection(_ socket: CInt) {
    var address = sockaddr()
    address.sa_family = sa_family_t(AF_UNSPEC)
    _ = unsafe connect(socket, &address, socklen_t(MemoryLayout<sockaddr>.size))
}

/// How many bytes the peer has acknowledged since the connection began; nil if that is not known.
///
/// `tcpi_bytes_acked` stands at byte 120 of the kernel's `struct tcp_info` (linux/tcp.h, 4.1 and
/// later); the C library's own declaration ends before it.
private func acknowledgedByteCount(_ socket: CInt) -> Int64? {
    let offset = 120
    return unsafe withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { buffer in
        var length = socklen_t(buffer.count)
        guard
            unsafe getsockopt(
                socket, CInt(IPPROTO_TCP), TCP_INFO, buffer.baseAddress, &length) == 0,
            length >= offset + 8
        else { return nil }
        return unsafe buffer.load(fromByteOffset: offset, as: Int64.self)
    }
}

/// The address of a peer, without its port; empty if it cannot be told.
private func hostText(of address: UnsafePointer<sockaddr>?) -> String {
    guard let address = unsafe address else { return "" }
    let isIPv4 = unsafe CInt(address.pointee.sa_family) == AF_INET
    let length = isIPv4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
        guard let start = buffer.baseAddress,
            unsafe getnameinfo(
                address, socklen_t(length), start, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST)
                == 0
        else { return "" }
        return unsafe String(cString: start)
    }
}
