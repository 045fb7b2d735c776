// Signals as something to wait for among descriptors, for programs with one thread.

internal import CShims
internal import Glibc

/// Signals that are blocked, and read from here.
package struct SignalDescriptor: ~Copyable {
    private let descriptor: FileDescriptor

    /// Blocks the signals in the calling thread.
    ///
    /// The C function is `signalfd`.
    package init(_ signals: [CInt]) throws(Errno) {
        let number = unsafe modelfs_signal_descriptor(signals, CInt(signals.count))
        if number < 0 { throw Errno.current }
        descriptor = FileDescriptor(owning: number)
    }

    /// For those who wait.
    package var rawValue: CInt { descriptor.rawValue }

    /// The next that came; nil when there is none.
    package borrowing func next() -> CInt? {
        let number = modelfs_next_signal(descriptor.rawValue)
        return number > 0 ? number : nil
    }
}
