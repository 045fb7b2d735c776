// The worker's end of the conversation with its keeper.
//
// All that earlier workers left has come when this is made. Sending never waits long: the keeper
// does nothing but read. When the keeper is gone, the worker is on its own, and told so.

internal import Glibc
package import Platform

/// A worker's keeper.
package final class KeeperLink: Sendable {
    /// The descriptor over which a worker finds its keeper is in this variable.
    package static let variable = "MODELFS_KEEPER"
    /// The path from which workers are started is in this variable.
    package static let programVariable = "MODELFS_PROGRAM"
    /// Which descriptor that is.
    static let descriptor: CInt = 4
    /// Under this name comes when the start began, of the keeper's making: 8 bytes, the lowest
    /// first, in nanoseconds of the monotonic clock, which all processes share.
    static let beginName = "keeper's begin"
    /// How long a keeper may take to say what it keeps, or to read, in seconds.
    private static let answerSecondsMax = 30.0

    private let socket: MessageSocket
    private let kept: Lock<[String: Keepsake]>
    /// How many workers there were before this one.
    package let earlierWorkerCount: Int

    /// When the keeper began to start this worker; nil where it does not say.
    package let begin: MonotonicInstant?

    /// Takes over the conversation that a keeper began with this process, and hears what is kept.
    ///
    /// - Parameter number: what the variable says.
    /// - Throws: when there is no keeper at the other end.
    package init(descriptor number: CInt) throws(Errno) {
        if fcntl(number, F_SETFD, FD_CLOEXEC) != 0 { throw Errno.current }
        socket = MessageSocket(owning: FileDescriptor(owning: number))
        var kept: [String: Keepsake] = [:]
        let deadline = MonotonicInstant.now + KeeperLink.answerSecondsMax
        while true {
            let events = try waitForEvents([AwaitedEvents(number, POLLIN)], until: deadline)
            if events[0] == 0 { throw .timedOut }
            guard var received = try socket.receive() else { throw .notConnected }
            switch KeepingMessage(received.bytes) {
            case .kept(let name, let bytes)?:
                kept[name] = Keepsake(
                    name: name, bytes: bytes, descriptor: received.descriptor.take())
            case .begin(let count)?:
                earlierWorkerCount = Int(count)
                let begin = kept.removeValue(forKey: KeeperLink.beginName)?.bytes ?? []
                self.begin =
                    begin.count != 8
                    ? nil
                    : MonotonicInstant(
                        nanoseconds: begin.reversed().reduce(0) { $0 << 8 | Int64($1) })
                self.kept = Lock(kept)
                return
            default: continue
            }
        }
    }

    /// The names of all that earlier workers left and nobody has taken yet, sorted.
    package var keptNames: [String] { kept.withLock { $0.keys.sorted() } }

    /// What an earlier worker left under that name; once.
    package func take(_ name: String) -> Keepsake? {
        kept.withLock { $0.removeValue(forKey: name) }
    }

    /// Has the keeper keep this for the next worker, in place of what had the name.
    ///
    /// - Parameter descriptor: stays the caller's; the keeper gets one of its own.
    /// - Throws: when the keeper has gone, or the message is too long.
    package func keep(
        _ name: String, _ bytes: [UInt8], descriptor: CInt? = nil
    ) throws(Errno) {
        try send(.keep(name: name, bytes: bytes), descriptor: descriptor)
    }

    /// Has the keeper let go of it.
    package func drop(_ name: String) throws(Errno) { try send(.drop(name: name)) }

    /// Requests are answered: from here on another worker follows when this one dies.
    package func tellReady() throws(Errno) { try send(.ready) }

    /// This worker ends in order; nothing is kept any more, and nobody follows.
    package func tellFinishing() throws(Errno) { try send(.finishing) }

    /// This worker lives.
    package func tellAlive() throws(Errno) { try send(.alive) }

    /// This worker is about to end, and the program that is installed now is to follow.
    package func tellReplace() throws(Errno) { try send(.replace) }

    /// What the keeper and the next workers write goes there.
    package func tellOutput(_ descriptor: CInt) throws(Errno) {
        try send(.output, descriptor: descriptor)
    }

    /// Waits until the keeper is gone, or until `deadline`.
    ///
    /// - Returns: whether it is gone.
    package func waitForLoss(until deadline: MonotonicInstant) -> Bool {
        let awaited = [AwaitedEvents(socket.rawValue, POLLIN)]
        guard let events = try? waitForEvents(awaited, until: deadline) else { return true }
        // A keeper says nothing after the beginning, so all there can be is its end.
        return events[0] != 0
    }

    private func send(_ message: KeepingMessage, descriptor: CInt? = nil) throws(Errno) {
        let bytes = message.encoded
        if bytes.count > MessageSocket.byteCountMax { throw Errno(EMSGSIZE) }
        let deadline = MonotonicInstant.now + KeeperLink.answerSecondsMax
        while true {
            do throws(Errno) {
                try socket.send(bytes, descriptor: descriptor)
                return
            } catch {
                if error != .wouldBlock { throw error }
            }
            let awaited = [AwaitedEvents(socket.rawValue, POLLOUT)]
            let events = try waitForEvents(awaited, until: deadline)
            if events[0] == 0 { throw .timedOut }
        }
    }
}
