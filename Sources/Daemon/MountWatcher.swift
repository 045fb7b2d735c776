// Notices every change of the mount table, so that a plain umount(8) of ours is seen.
//
// A thread of its own polls /proc/self/mountinfo, on which the kernel raises POLLPRI at a change;
// nothing is read until it does.

internal import Glibc
package import Platform

/// Calls back after every change of the mount table, until it is stopped.
package final class MountWatcher: Sendable {
    private let wake: FileDescriptor
    private let finished = Mailbox<Void>()

    /// Starts to watch.
    ///
    /// - Parameter changed: called on the watcher's thread, after one or several changes.
    /// - Throws: when /proc is missing, or there is no room for a thread.
    package init(_ changed: @escaping @Sendable () -> Void) throws(Errno) {
        let file = try FileDescriptor.open("/proc/self/mountinfo", O_RDONLY)
        let pair = try SocketPair()
        wake = try pair.first.duplicate()
        let watched = WatchedTable(file: file, wake: try pair.second.duplicate())
        let finished = finished
        let thread = try Thread(named: "mount-watcher") {
            watched.run(changed)
            finished.close()
        }
        thread.detach()
    }

    /// Ends the watching; no call comes after it returns.
    ///
    /// Not to be called from the callback.
    package func stop() {
        _ = shutdown(wake.rawValue, CInt(SHUT_RDWR))
        finished.receive()
    }
}

private final class WatchedTable: Sendable {
    private let file: FileDescriptor
    private let wake: FileDescriptor

    init(file: consuming FileDescriptor, wake: consuming FileDescriptor) {
        self.file = file
        self.wake = wake
    }

    func run(_ changed: () -> Void) {
        while true {
            let awaited = [
                AwaitedEvents(file.rawValue, POLLPRI), AwaitedEvents(wake.rawValue, POLLIN),
            ]
            guard let events = try? waitForEvents(awaited, until: .distantFuture),
                events[1] == 0
            else { return }
            if events[0] != 0 { changed() }
        }
    }
}
