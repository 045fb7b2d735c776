// A command's end of the conversation with a daemon.

internal import Platform

/// A connection to the daemon of a cache, good for one request.
package struct ControlClient: ~Copyable {
    /// How long a daemon that listens may take to greet, in seconds.
    ///
    /// One that is stopped or stuck accepts in the kernel but never greets.
    static let greetingSecondsMax = 10.0
    /// How long a request may take, in seconds: more than the Hub's retries of a mount need.
    static let answerSecondsMax = 300.0

    private let channel: ControlChannel
    /// What the daemon said first.
    package let greeting: ControlGreeting

    /// Connects, and waits for the greeting.
    ///
    /// - Throws: `.absent` when nobody listens.
    package init(
        _ cache: CacheDirectory, greetingSeconds: Double = greetingSecondsMax
    ) throws(ControlError) {
        let deadline = MonotonicInstant.now + greetingSeconds
        let connected = try ControlClient.connect(cache, until: deadline)
        greeting = try connected.receive(ControlGreeting.self, until: deadline)
        channel = connected
    }

    /// Asks, and waits for the last word.
    ///
    /// - Parameter progress: called for every line that comes before it.
    package borrowing func ask(
        _ request: ControlRequest, seconds: Double = answerSecondsMax,
        progress: (String) -> Void = { _ in }
    ) throws(ControlError) -> ControlReply {
        let deadline = MonotonicInstant.now + seconds
        do throws(ControlError) {
            try channel.send(request, until: deadline)
        } catch {
            // A daemon that turns a request away without reading it has said so before it closed.
            if error != .closed { throw error }
        }
        while true {
            let reply = try channel.receive(ControlReply.self, until: deadline)
            guard case .progress(let line) = reply else { return reply }
            progress(line)
        }
    }

    private static func connect(
        _ cache: CacheDirectory, until deadline: MonotonicInstant
    ) throws(ControlError) -> ControlChannel {
        while true {
            do {
                return ControlChannel(
                    socket: try UnixSocket.connect(to: cache.shortPath("control")))
            } catch {
                switch error {
                case .noEntry, .connectionRefused: throw .absent
                case .wouldBlock where MonotonicInstant.now < deadline: sleep(seconds: 0.02)
                case .wouldBlock: throw .timedOut
                default: throw .system(error)
                }
            }
        }
    }
}
