// libcurl's multi handle, its sockets and its timer.
//
// libcurl says which sockets it waits for and until when, and is told what has happened to which:
// asked for everything at each event (`curl_multi_perform`), it looks at each transfer with a call
// to the kernel, which with 64 of them was most of what the transfer thread did.

internal import CCurl
internal import Platform
internal import Telemetry

/// libcurl's multi handle.
///
/// Sendable because any thread may ring, and everything else is done by the transfer thread alone.
/// It lives as long as anyone can ring.
@safe
final class MultiHandle: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
    private let events: EventPoll
    /// When libcurl wants to be called though nothing has happened.
    private var timer: MonotonicInstant?

    /// - Throws: what the system has no room for.
    init(_ configuration: TransportConfiguration) throws(Errno) {
        events = try EventPoll()
        guard curlIsReady, let pointer = unsafe curl_multi_init() else { throw .outOfMemory }
        unsafe self.pointer = pointer
        set(CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
        set(CURLMOPT_MAX_HOST_CONNECTIONS, configuration.transfersPerHostMax)
        set(CURLMOPT_MAX_TOTAL_CONNECTIONS, configuration.transfersMax)
        set(CURLMOPT_MAXCONNECTS, configuration.transfersMax)
        set(CURLMOPT_MAX_CONCURRENT_STREAMS, configuration.streamsPerConnectionMax)
        listen()
    }

    deinit {
        unsafe curl_multi_cleanup(pointer)
    }

    /// Ends a wait.
    ///
    /// Any thread.
    func ring() { events.ring() }

    /// Lets libcurl do what it wanted to be called for by now.
    func runTimer() {
        guard let timer, timer <= .now else { return }
        self.timer = nil
        act(on: CURL_SOCKET_TIMEOUT, 0)
    }

    /// Waits until a socket is ready, the bell rings, libcurl's timer or the instant has come, and
    /// has libcurl work on the sockets that are ready.
    func wait(until instant: MonotonicInstant) {
        let end = min(instant, timer ?? instant)
        let seconds = min(60, end.seconds(since: .now))
        // Rounded up, so that the instant has come when the wait ends.
        let milliseconds = CInt(max(0, (seconds * 1000).rounded(.up)))
        events.wait(milliseconds: milliseconds) { socket, event in
            act(
                on: socket,
                (event.contains(.reading) ? CURL_CSELECT_IN : 0)
                    | (event.contains(.writing) ? CURL_CSELECT_OUT : 0)
                    | (event.contains(.failure) ? CURL_CSELECT_ERR : 0))
        }
    }

    /// Has libcurl look at every transfer.
    func runAll() {
        var runningCount: CInt = 0
        unsafe modelfs_curl_multi_socket_all(pointer, &runningCount)
    }

    private func act(on socket: CInt, _ mask: CInt) {
        var runningCount: CInt = 0
        unsafe curl_multi_socket_action(pointer, socket, mask, &runningCount)
    }

    private func listen() {
        let me = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe modelfs_curl_multi_set_pointer(pointer, CURLMOPT_SOCKETDATA, me)
        unsafe modelfs_curl_multi_set_pointer(pointer, CURLMOPT_TIMERDATA, me)
        unsafe modelfs_curl_multi_set_socket(pointer) { _, socket, what, context, _ in
            guard let context = unsafe context else { return -1 }
            let handle = unsafe Unmanaged<MultiHandle>.fromOpaque(context).takeUnretainedValue()
            handle.watch(socket, what)
            return 0
        }
        unsafe modelfs_curl_multi_set_timer(pointer) { _, milliseconds, context in
            guard let context = unsafe context else { return -1 }
            let handle = unsafe Unmanaged<MultiHandle>.fromOpaque(context).takeUnretainedValue()
            handle.timer = milliseconds < 0 ? nil : .now + Double(milliseconds) / 1000
            return 0
        }
    }

    /// libcurl waits for something else of a socket now.
    ///
    /// A socket that the kernel has no room to watch is seen to by `runAll`, now and then. libcurl
    /// would end all transfers if it were told.
    private func watch(_ socket: CInt, _ what: CInt) {
        if what == CURL_POLL_REMOVE { return events.forget(socket) }
        var wanted: EventPoll.Event = []
        if what & CURL_POLL_IN != 0 { wanted.insert(.reading) }
        if what & CURL_POLL_OUT != 0 { wanted.insert(.writing) }
        try? events.watch(socket, for: wanted)
    }

    private func set(_ option: CURLMoption, _ value: Int) {
        let status = unsafe modelfs_curl_multi_set_long(pointer, option, value)
        precondition(status == CURLM_OK)
    }
}

/// libcurl's global state, set up once a process, on first use.
private let curlIsReady = curl_global_init(modelfs_curl_global_all()) == CURLE_OK
