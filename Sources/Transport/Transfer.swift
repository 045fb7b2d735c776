// One transfer under way: libcurl's easy handle, the head as it comes in, and the sink.
//
// Owned by the transfer loop and touched on its thread only. libcurl calls back into it while
// `curl_multi_perform` runs; nothing here calls the sink's `transferDidFinish`, which is the
// loop's, after the handle has left the multi handle.

internal import CCurl
internal import Platform

/// A running transfer.
///
/// The loop removes it from the multi handle before the last reference goes.
@safe
final class Transfer {
    /// The longest head accepted, in bytes: 100 fields of a few kilobytes, signed URLs among them.
    static let headByteCountMax = 256 << 10
    /// What a body has to bring in `slowTimeoutSeconds`: a block of the store.
    static let slowByteCount: Int64 = 128 << 10

    let id: TransferID
    let request: TransferRequest
    let sink: any TransferSink
    let startedAt: MonotonicInstant
    /// The multi handle's name for it.
    ///
    /// Valid as long as this object.
    let easy: UnsafeMutableRawPointer
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private let errorText: UnsafeMutablePointer<CChar>

    private var status = 0
    private var fields = HTTPHeaders()
    private var headByteCount = 0
    private var hasResponded = false
    private var firstByteAt: MonotonicInstant?
    private(set) var bodyByteCount: Int64 = 0
    /// When something last came from the host.
    private(set) var lastProgressAt: MonotonicInstant
    /// Since when the body is measured, and how long it was then.
    private var measuredSince: (instant: MonotonicInstant, byteCount: Int64)?
    private(set) var isPaused = false
    /// Why we ended the transfer ourselves; goes before libcurl's reason.
    private(set) var ownFailure: TransportError?

    /// Nil when libcurl has no memory for it.
    init?(id: TransferID, request: TransferRequest, sink: any TransferSink, now: MonotonicInstant) {
        guard let easy = unsafe curl_easy_init() else { return nil }
        self.id = id
        self.request = request
        self.sink = sink
        self.startedAt = now
        self.lastProgressAt = now
        unsafe self.easy = easy
        unsafe errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        unsafe curl_easy_cleanup(easy)
        unsafe curl_slist_free_all(headerList)
        unsafe errorText.deallocate()
    }

    /// Gives the easy handle everything that the request and `configuration` say.
    func prepare(_ configuration: TransportConfiguration) {
        setConnectionOptions(configuration)
        setRequestOptions()
        let me = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe set(CURLOPT_PRIVATE, me)
        unsafe set(CURLOPT_WRITEDATA, me)
        unsafe set(CURLOPT_HEADERDATA, me)
        unsafe set(CURLOPT_ERRORBUFFER, errorText)
        let written = unsafe modelfs_curl_set_write(easy, CURLOPT_WRITEFUNCTION) {
            bytes, _, count, context in
            guard let context = unsafe context, let bytes = unsafe bytes else { return 0 }
            let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            return unsafe transfer.didReceive(UnsafeRawBufferPointer(start: bytes, count: count))
        }
        let headed = unsafe modelfs_curl_set_write(easy, CURLOPT_HEADERFUNCTION) {
            bytes, _, count, context in
            guard let context = unsafe context, let bytes = unsafe bytes else { return 0 }
            let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            let line = unsafe [UInt8](UnsafeRawBufferPointer(start: bytes, count: count))
            return transfer.didReceiveHeaderLine(line) ? count : 0
        }
        precondition(written == CURLE_OK && headed == CURLE_OK)
    }

    private func setConnectionOptions(_ configuration: TransportConfiguration) {
        set(CURLOPT_NOSIGNAL, 1)
        // A cancelled transfer must not wait for the name service's thread, which ends alone.
        set(CURLOPT_QUICK_EXIT, 1)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        set(CURLOPT_PIPEWAIT, request.url.origin.isSecure ? 1 : 0)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_TCP_KEEPIDLE, 30)
        set(CURLOPT_TCP_KEEPINTVL, 15)
        set(CURLOPT_BUFFERSIZE, 256 << 10)
        set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Int(request.connectTimeoutSeconds * 1000)))
        if let file = configuration.certificateFile { set(CURLOPT_CAINFO, file) }
        if let proxy = configuration.httpProxy, !request.url.origin.isSecure {
            set(CURLOPT_PROXY, proxy)
        }
    }

    private func setRequestOptions() {
        set(CURLOPT_URL, request.url.text)
        switch request.method {
        case .get: set(CURLOPT_HTTPGET, 1)
        case .head: set(CURLOPT_NOBODY, 1)
        case .post(let body, let contentType):
            set(CURLOPT_POST, 1)
            unsafe modelfs_curl_set_int64(
                easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
            unsafe body.withUnsafeBytes { unsafe set(CURLOPT_COPYPOSTFIELDS, $0.baseAddress) }
            addHeader("Content-Type: \(contentType)")
            // Without this libcurl waits for a `100 Continue` before a large body.
            addHeader("Expect:")
        }
        if request.acceptCompressed {
            set(CURLOPT_ACCEPT_ENCODING, "")
        } else {
            addHeader("Accept-Encoding: identity")
        }
        if let range = request.range {
            addHeader("Range: bytes=\(range.lowerBound)-\(range.upperBound - 1)")
        }
        for (name, value) in request.headers { addHeader("\(name): \(value)") }
        unsafe set(CURLOPT_HTTPHEADER, headerList)
    }

    /// Delivers what was held back since the sink asked for a pause.
    func resume() {
        guard isPaused else { return }
        isPaused = false
        lastProgressAt = .now
        measuredSince = nil
        _ = unsafe curl_easy_pause(easy, CURLPAUSE_CONT)
    }

    /// When something has to be looked at again, and why the transfer ends if it is time already.
    func check(at now: MonotonicInstant) -> (failure: TransportError?, next: MonotonicInstant) {
        if now >= request.deadline { return (.deadline, now) }
        if isPaused { return (nil, request.deadline) }
        guard let connectedAt = connectedAt() else {
            // libcurl's own limit comes first, except where it waits for another connection.
            let limit = startedAt + (request.connectTimeoutSeconds + 1)
            if now >= limit { return (.connectTimeout, now) }
            // Connected now, it could not be stalled earlier than that.
            let next = min(limit, now + request.stallTimeoutSeconds)
            return (nil, min(next, request.deadline))
        }
        let stalledAt = max(lastProgressAt, connectedAt) + request.stallTimeoutSeconds
        if now >= stalledAt { return (.stalled, now) }
        let next = min(stalledAt, request.deadline)
        guard let slowAt = slowAt(now) else { return (nil, next) }
        return now >= slowAt ? (.stalled, now) : (nil, min(next, slowAt))
    }

    /// When too little of the body will have come; nil if there is no such time.
    private func slowAt(_ now: MonotonicInstant) -> MonotonicInstant? {
        if !hasResponded || !request.slowTimeoutSeconds.isFinite { return nil }
        let measured = measuredSince ?? (now, bodyByteCount)
        let isEnough = bodyByteCount - measured.byteCount >= Transfer.slowByteCount
        let since = isEnough ? (instant: now, byteCount: bodyByteCount) : measured
        measuredSince = since
        return since.instant + request.slowTimeoutSeconds
    }

    /// When the request could be sent; nil as long as there is no connection.
    private func connectedAt() -> MonotonicInstant? {
        var microseconds: curl_off_t = 0
        unsafe modelfs_curl_info_int64(easy, CURLINFO_PRETRANSFER_TIME_T, &microseconds)
        return microseconds > 0 ? startedAt + Double(microseconds) / 1e6 : nil
    }

    /// The result that goes with libcurl's.
    func result(_ code: CURLcode, now: MonotonicInstant) -> Result<TransferSummary, TransportError>
    {
        if let ownFailure { return .failure(ownFailure) }
        if code != CURLE_OK { return .failure(transportError(code)) }
        // An answer without a body, such as to HEAD, may end without a further callback.
        guard hasResponded else { return .failure(.closedEarly) }
        return .success(
            TransferSummary(
                status: status, bodyByteCount: bodyByteCount,
                firstByteSeconds: (firstByteAt ?? now).seconds(since: startedAt),
                totalSeconds: now.seconds(since: startedAt)))
    }

    /// How many connections were opened for it, and libcurl's number for the protocol's version.
    func connectionFacts() -> (opened: Int, httpVersion: Int) {
        var opened = 0
        var version = 0
        unsafe modelfs_curl_info_long(easy, CURLINFO_NUM_CONNECTS, &opened)
        unsafe modelfs_curl_info_long(easy, CURLINFO_HTTP_VERSION, &version)
        return (opened, version)
    }
}

// What libcurl calls.
extension Transfer {
    /// One line of a head, line end included; false ends the transfer.
    fileprivate func didReceiveHeaderLine(_ line: [UInt8]) -> Bool {
        lastProgressAt = .now
        headByteCount += line.count
        if headByteCount > Transfer.headByteCountMax { return fail(.tooLarge) }
        // Trailers after the body are of no use to anyone here.
        if hasResponded { return true }
        if line.starts(with: "HTTP/".utf8) {
            if firstByteAt == nil { firstByteAt = lastProgressAt }
            fields = HTTPHeaders()
            status = statusCode(line) ?? 0
            return true
        }
        let content = line.prefix { $0 != 0x0d && $0 != 0x0a }
        if !content.isEmpty {
            guard let colon = content.firstIndex(of: UInt8(ascii: ":")) else { return true }
            fields.add(
                name: trimmed(content[..<colon]), value: trimmed(content[(colon + 1)...]))
            return true
        }
        return didReceiveHead()
    }

    private func didReceiveHead() -> Bool {
        // 1xx: another head follows.
        if (100..<200).contains(status) { return true }
        guard (200..<600).contains(status) else {
            return fail(.protocolError(curlCode: Int(CURLE_WEIRD_SERVER_REPLY.rawValue)))
        }
        hasResponded = true
        if request.method != .head, !request.acceptCompressed,
            let length = fields["Content-Length"].flatMap({ Int64($0) }),
            length > request.bodyLimitBytes
        {
            return fail(.tooLarge)
        }
        if sink.transferDidRespond(HTTPHead(status: status, headers: fields)) == .cancel {
            return fail(.cancelled)
        }
        return true
    }

    /// A part of the body; the count taken, or libcurl's word for a pause or an error.
    fileprivate func didReceive(_ bytes: UnsafeRawBufferPointer) -> Int {
        lastProgressAt = .now
        guard hasResponded else { return 0 }
        if bytes.count == 0 { return 0 }
        if Int64(bytes.count) > request.bodyLimitBytes - bodyByteCount {
            _ = fail(.tooLarge)
            return 0
        }
        switch unsafe sink.transferDidReceive(bytes) {
        case .proceed:
            bodyByteCount += Int64(bytes.count)
            return bytes.count
        case .pause:
            isPaused = true
            return modelfs_curl_write_pause()
        case .cancel:
            _ = fail(.cancelled)
            return 0
        }
    }

    private func fail(_ error: TransportError) -> Bool {
        if ownFailure == nil { ownFailure = error }
        return false
    }

    private func transportError(_ code: CURLcode) -> TransportError {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .nameResolution
        case CURLE_COULDNT_CONNECT: .connectionRefused
        // The only time limit that libcurl was given is the one for connecting.
        case CURLE_OPERATION_TIMEDOUT: hasAddress ? .connectTimeout : .nameResolution
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_ENGINE_INITFAILED:
            .tls(curlText(code))
        case CURLE_RECV_ERROR where proxyStatus >= 400:
            .proxyRefused(status: proxyStatus)
        case CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR,
            CURLE_HTTP2, CURLE_HTTP2_STREAM:
            .closedEarly
        default: .protocolError(curlCode: Int(code.rawValue))
        }
    }

    /// What the proxy answered to `CONNECT`; 0 when nothing was asked or answered.
    private var proxyStatus: Int {
        var status = 0
        unsafe modelfs_curl_info_long(easy, CURLINFO_HTTP_CONNECTCODE, &status)
        return status
    }

    /// Whether the name service has answered.
    private var hasAddress: Bool {
        var microseconds: curl_off_t = 0
        unsafe modelfs_curl_info_int64(easy, CURLINFO_NAMELOOKUP_TIME_T, &microseconds)
        return microseconds > 0
    }

    private func curlText(_ code: CURLcode) -> String {
        let own = unsafe String(cString: errorText)
        if !own.isEmpty { return own }
        return unsafe String(cString: curl_easy_strerror(code))
    }
}

// Options, each by the kind of its value.
extension Transfer {
    private func set(_ option: CURLoption, _ value: Int) {
        let status = unsafe modelfs_curl_set_long(easy, option, value)
        precondition(status == CURLE_OK)
    }

    private func set(_ option: CURLoption, _ value: String) {
        // libcurl copies strings. A proxy or a file that it refuses fails the transfer later.
        _ = unsafe value.withCString { unsafe modelfs_curl_set_pointer(easy, option, $0) }
    }

    private func set(_ option: CURLoption, _ value: UnsafeRawPointer?) {
        let status = unsafe modelfs_curl_set_pointer(easy, option, value)
        precondition(status == CURLE_OK)
    }

    private func addHeader(_ line: String) {
        let grown = unsafe line.withCString { unsafe curl_slist_append(headerList, $0) }
        if unsafe grown != nil { unsafe headerList = grown }
    }
}

/// A name or a value without the blanks around it.
private func trimmed(_ text: ArraySlice<UInt8>) -> String {
    func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    let start = text.drop(while: isBlank)
    let end = start.lastIndex { !isBlank($0) } ?? start.startIndex - 1
    return String(decoding: start[..<(end + 1)], as: UTF8.self)
}

/// The number in `HTTP/1.1 200 OK`.
private func statusCode(_ line: [UInt8]) -> Int? {
    let blank = UInt8(ascii: " ")
    let digits = line.drop { $0 != blank }.drop { $0 == blank }.prefix {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
    }
    return Int(String(decoding: digits, as: UTF8.self))
}
