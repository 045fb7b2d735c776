// Starting other programs: with exactly the descriptors they are given, and no blocked signals.
//
// Only `posix_spawn`: a fork of a process with threads could run nothing of ours safely.

internal import CShims
package import Glibc

/// A process that this one started and will wait for.
package struct ChildProcess: ~Copyable, Sendable {
    /// How a process ended.
    package enum Ending: Equatable, Sendable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    /// Its number; it stays the process's own until it was waited for.
    package let processID: pid_t

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - executable: a path; or a name without `/`, which is looked for in `PATH`.
    ///   - arguments: the words after the program's name.
    ///   - name: the program's own name, as `ps` shows it.
    ///   - environment: `NAME=value` entries.
    ///   - descriptors: what the child has as 0, 1, 2 and so on; a negative number gives it
    ///     `/dev/null`. It has no others, except those that are not closed on exec.
    ///   - isSessionLeader: whether it leaves the terminal and the process group of this one.
    /// - Throws: `ENOENT` when there is no such program.
    package init(
        _ executable: String, _ arguments: [String], name: String, environment: [String],
        descriptors: [CInt], isSessionLeader: Bool = false
    ) throws(Errno) {
        // Descriptors are first moved above the range they go to, so that none overwrites another.
        let first = CInt(descriptors.count)
        var moved: [CInt] = []
        defer { for number in moved where number >= 0 { _ = close(number) } }
        for number in descriptors {
            if number < 0 {
                moved.append(-1)
                continue
            }
            moved.append(try retryingOnInterrupt { fcntl(number, F_DUPFD_CLOEXEC, first) })
        }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for (target, number) in moved.enumerated() {
            let target = CInt(target)
            if number >= 0 {
                unsafe posix_spawn_file_actions_adddup2(&actions, number, target)
            } else {
                unsafe posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_RDWR, 0)
            }
        }
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        ChildProcess.resetSignals(of: &attributes, isSessionLeader: isSessionLeader)
        var processID: pid_t = 0
        let status = unsafe withCStrings([name] + arguments) { words in
            unsafe withCStrings(environment) { entries in
                unsafe posix_spawnp(&processID, executable, &actions, &attributes, words, entries)
            }
        }
        if status != 0 { throw Errno(status) }
        self.processID = processID
    }

    /// Waits for its end.
    ///
    /// The corresponding C function is `waitpid`.
    package consuming func wait() throws(Errno) -> Ending {
        var status: CInt = 0
        let number = processID
        _ = try retryingOnInterrupt { unsafe waitpid(number, &status, 0) }
        return ChildProcess.ending(status)
    }

    /// How it ended, or nil while it runs; then it is still to be waited for.
    package borrowing func poll() throws(Errno) -> Ending? {
        try ChildProcess.poll(processID)
    }

    /// How a child of that number ended, or nil while it runs; then it is still to be waited for.
    ///
    /// - Throws: `ECHILD` when there is no such child, or it was waited for before.
    package static func poll(_ number: pid_t) throws(Errno) -> Ending? {
        var status: CInt = 0
        let done = try retryingOnInterrupt { unsafe waitpid(number, &status, WNOHANG) }
        return done == 0 ? nil : ChildProcess.ending(status)
    }

    /// Sends it a signal.
    ///
    /// The corresponding C function is `kill`.
    package borrowing func signal(_ number: CInt) throws(Errno) {
        if kill(processID, number) != 0 { throw Errno.current }
    }

    private static func ending(_ status: CInt) -> Ending {
        let signal = status & 0x7f
        return signal == 0 ? .exited((status >> 8) & 0xff) : .killed(signal: signal)
    }

    /// The child starts with nothing blocked and nothing ignored, whatever this process does.
    private static func resetSignals(
        of attributes: inout posix_spawnattr_t, isSessionLeader: Bool
    ) {
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        var flags = CInt(POSIX_SPAWN_SETSIGMASK) | CInt(POSIX_SPAWN_SETSIGDEF)
        if isSessionLeader { flags |= modelfs_spawn_set_new_session_flag() }
        unsafe posix_spawnattr_setflags(&attributes, CShort(flags))
    }
}

/// Lends a null-terminated array of C strings.
func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    var pointers = unsafe strings.map { unsafe strdup($0) }
    defer { for index in strings.indices { unsafe free(pointers[index]) } }
    unsafe pointers.append(nil)
    return unsafe body(pointers)
}
