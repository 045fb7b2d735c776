// The daemon's signs of life to its keeper, and its watch on whether there still is one.

internal import Keeping
internal import Platform

/// The functions that tell the keeper every second that this process lives.
enum Pulse {
    private static let intervalSeconds = 1.0

    /// Starts to tell; ends with the process.
    ///
    /// - Parameter lost: called once, when the keeper has gone.
    static func begin(
        _ link: KeeperLink, lost: @escaping @Sendable () -> Void
    ) throws(Errno) {
        let thread = try Thread(named: "pulse") {
            while true {
                do throws(Errno) {
                    try link.tellAlive()
                } catch {
                    break
                }
                if link.waitForLoss(until: .now + Pulse.intervalSeconds) { break }
            }
            lost()
        }
        thread.detach()
    }
}
