// Signals are waited for by one thread of their own; no handler of ours ever decides anything.
//
// `blockTerminationSignals` must be called before any other thread starts, since threads inherit
// the mask, and a thread with another mask would be killed by the first SIGTERM.

internal import CShims
internal import Glibc

/// The signals that ask a program to end.
package enum Signals {
    /// Blocks SIGINT, SIGTERM and SIGHUP in the calling thread and all that it starts, and has
    /// writes to a closed peer return EPIPE instead of ending the process.
    package static func blockTermination() {
        var set = terminationSet()
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        ignoreBrokenPipes()
    }

    /// Has writes to a closed peer return EPIPE instead of ending the process.
    package static func ignoreBrokenPipes() {
        _ = signal(SIGPIPE, SIG_IGN)
    }

    /// Has termination signals come to the calling thread, which is about to wait for them, also
    /// where a library has started threads before the program could block them.
    ///
    /// A handler of the C shims sends them on, and does nothing else.
    package static func forwardTermination() {
        let numbers = [SIGINT, SIGTERM, SIGHUP]
        unsafe modelfs_forward_signals(numbers, CInt(numbers.count))
    }

    /// Waits for one of the signals that `blockTermination` blocks.
    ///
    /// The C function is `sigwait`.
    ///
    /// - Returns: its number.
    package static func waitForTermination() -> CInt {
        var set = terminationSet()
        var number: CInt = 0
        while unsafe sigwait(&set, &number) != 0 {}
        return number
    }

    /// Such as `SIGTERM`.
    package static func name(of number: CInt) -> String {
        switch number {
        case SIGINT: "SIGINT"
        case SIGTERM: "SIGTERM"
        case SIGHUP: "SIGHUP"
        case SIGKILL: "SIGKILL"
        case SIGSEGV: "SIGSEGV"
        case SIGILL: "SIGILL"
        case SIGTRAP: "SIGTRAP"
        case SIGABRT: "SIGABRT"
        case SIGBUS: "SIGBUS"
        default: "signal \(number)"
        }
    }

    private static func terminationSet() -> sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&set, number) }
        return set
    }
}
