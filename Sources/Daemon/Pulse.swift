// The daemon's signs of life to its keeper, and its watch on whether there still is one.

internal import Keeping
internal import Platform
internal import Telemetry

/// Tells the keeper every second that this process lives, as long as its parts do.
final class Pulse: Sendable {
    private static let intervalSeconds = 1.0
    /// A part that gives no sign for so long counts as stuck: longer than a slow disk takes.
    private static let silenceSecondsMax = 60.0

    private let link: KeeperLink
    private let log: Log
    private let parts = Lock<(@Sendable () -> [VitalSign])?>(nil)

    /// Starts to tell; ends with the process.
    ///
    /// - Parameter lost: called once, when the keeper has gone.
    init(_ link: KeeperLink, _ log: Log, lost: @escaping @Sendable () -> Void) throws(Errno) {
        self.link = link
        self.log = log
        let thread = try Thread(named: "pulse") { [self] in
            while true {
                do throws(Errno) {
                    if isWell() { try link.tellAlive() }
                } catch {
                    break
                }
                if link.waitForLoss(until: .now + Pulse.intervalSeconds) { break }
            }
            lost()
        }
        thread.detach()
    }

    /// From now on these parts are looked at; before, only the process is.
    func watch(_ parts: @escaping @Sendable () -> [VitalSign]) {
        self.parts.withLock { $0 = parts }
    }

    private func isWell() -> Bool {
        guard let signs = parts.withLock({ $0 }) else { return true }
        let stuck = signs().filter { $0.secondsSilent > Pulse.silenceSecondsMax }
        for sign in stuck {
            log.error(
                "a part of the daemon is stuck",
                ["part": sign.part, "seconds": "\(Int(sign.secondsSilent))"])
        }
        return stuck.isEmpty
    }
}
