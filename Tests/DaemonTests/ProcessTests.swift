// Whole commands and whole daemons, as processes, with the fixture's filesystem.

import FoundationEssentials
import Glibc
import Platform
import Settings
import Testing

@testable import Daemon

/// What a command printed, and how it ended.
private struct Finished {
    let code: Int32
    let output: String
    let errors: String
}

/// A command that runs.
private struct Started {
    let processID: pid_t
    let name: String
}

/// A cache and mountpoints of one test, and the commands on them.
///
/// Every daemon ends with it.
private final class Site: Sendable {
    let temporary: TemporaryFolder
    let cache: String

    init() throws {
        temporary = try TemporaryFolder()
        cache = "\(temporary.path)/cache"
    }

    deinit {
        killAll()
    }

    /// The test program and the fixture are built into one folder.
    private static let program: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        return (own ?? "").split(separator: "/").dropLast().map { "/\($0)" }.joined()
            + "/daemon-fixture"
    }()

    /// Starts a command; `finish` waits for it.
    func start(_ words: [String], name: String) throws -> Started {
        let output = try FileDescriptor.open(
            "\(temporary.path)/\(name).out", O_WRONLY | O_CREAT | O_TRUNC)
        let errors = try FileDescriptor.open(
            "\(temporary.path)/\(name).err", O_WRONLY | O_CREAT | O_TRUNC)
        let child = try ChildProcess(
            Site.program, words, name: "modelfs",
            environment: [
                "MODELFS_CACHE=\(cache)", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                // With a sanitizer's runtime in it, Swift's own handler of crashes ends a program
                // otherwise than by the signal.
                "SWIFT_BACKTRACE=enable=no",
            ],
            descriptors: [-1, output.rawValue, errors.rawValue])
        return Started(processID: child.processID, name: name)
    }

    func finish(_ started: Started) throws -> Finished {
        var status: CInt = 0
        guard waitpid(started.processID, &status, 0) == started.processID else {
            throw Errno.current
        }
        let signal = status & 0x7f
        return Finished(
            code: signal == 0 ? (status >> 8) & 0xff : -signal,
            output: text(of: "\(temporary.path)/\(started.name).out"),
            errors: text(of: "\(temporary.path)/\(started.name).err"))
    }

    @discardableResult
    func run(_ words: String...) throws -> Finished {
        try finish(try start(words, name: "run"))
    }

    var daemon: Int32? {
        guard let cache = try? CacheDirectory.openIfPresent(cache), cache.isLocked()
        else { return nil }
        return cache.notedHolder()
    }

    /// The process that starts the daemon again when it dies.
    var keeper: Int32? {
        guard let daemon, let file = try? FileDescriptor.open("/proc/\(daemon)/stat", O_RDONLY),
            let bytes = try? file.readBytes(countMax: 1_024)
        else { return nil }
        let rest = String(decoding: bytes, as: UTF8.self).split(separator: ")").last ?? ""
        guard let parent = rest.split(separator: " ").dropFirst().first.flatMap({ Int32($0) }),
            let name = try? FileDescriptor.open("/proc/\(parent)/comm", O_RDONLY),
            (try? name.readBytes(countMax: 64)) == Array("modelfs-keeper\n".utf8)
        else { return nil }
        return parent
    }

    /// Nobody takes the mounts over.
    func killAll() {
        let daemon = daemon
        if let keeper { kill(keeper, SIGKILL) }
        if let daemon { kill(daemon, SIGKILL) }
    }

    /// Whether the daemon has ended, within a bounded time.
    func daemonEnds(withinSeconds seconds: Double = 10) -> Bool {
        wait(seconds) { self.daemon == nil }
    }
}

private func wait(_ seconds: Double, until condition: () -> Bool) -> Bool {
    let deadline = MonotonicInstant.now + seconds
    while MonotonicInstant.now < deadline {
        if condition() { return true }
        sleep(seconds: 0.01)
    }
    return condition()
}

@Suite struct ProcessTests {
    @Test func mountsStatusAndUnmounts() throws {
        let site = try Site()
        let first = try site.temporary.folder("first")
        let second = try site.temporary.folder("second")
        let mounted = try site.run("mount", first)
        #expect(mounted.errors == "")
        #expect(mounted.code == 0)
        #expect(mounted.output == "hf://models is mounted at \(first)\n")
        let daemon = try #require(site.daemon)
        let more = try site.run("mount", "hf://org/pinned/x", second, "--cache-size", "1GB")
        #expect(more.code == 0)
        #expect(more.output.hasPrefix("hf://org/pinned/x at commit aaaaaaaaaaaa is mounted at"))
        #expect(more.errors.contains("not used: --cache-size"))
        #expect(site.daemon == daemon)
        let json = Data(try site.run("status", "--json").output.utf8)
        let status = try JSONDecoder().decode(DaemonStatus.self, from: json)
        #expect(status.processID == daemon)
        #expect(status.mounts.map(\.mountpoint) == [first, second])
        #expect(try site.run("status").output.contains("running for"))
        #expect(try site.run("umount", first).code == 0)
        let again = try site.run("umount", first)
        #expect(again.code == ExitCode.notFound.rawValue)
        #expect(site.daemon == daemon)
        #expect(try site.run("umount", second).code == 0)
        #expect(site.daemonEnds())
        let gone = try site.run("status")
        #expect(gone.code == ExitCode.notRunning.rawValue)
        #expect(gone.output == "")
        #expect(gone.errors.contains("no daemon serves the cache \(site.cache)"))
    }

    @Test func aRaceOfFirstMountsHasOneDaemonAndNoLoser() throws {
        let site = try Site()
        for round in 0..<3 {
            let names = (0..<6).map { "r\(round)-\($0)" }
            let started = try names.map { name in
                let folder = try site.temporary.folder(name)
                return try site.start(["mount", "hf://slow", folder], name: name)
            }
            for command in started {
                let finished = try site.finish(command)
                #expect(finished.code == 0, "\(finished.errors)")
            }
            let json = Data(try site.run("status", "--json").output.utf8)
            let status = try JSONDecoder().decode(DaemonStatus.self, from: json)
            #expect(status.mounts.count == 6)
            #expect(status.processID == site.daemon)
            #expect(try site.run("umount", "--all").code == 0)
            #expect(site.daemon == nil)
        }
    }

    @Test func theSamePlaceTwiceIsNoFailureAndAnotherSourceIs() throws {
        let site = try Site()
        let folder = try site.temporary.folder("m")
        let a = try site.start(["mount", "hf://slow", folder], name: "a")
        let b = try site.start(["mount", "hf://slow", folder], name: "b")
        #expect(try site.finish(a).code == 0)
        #expect(try site.finish(b).code == 0)
        #expect(try site.run("mount", "hf://slow", folder).output.contains("mounted already"))
        let other = try site.run("mount", "hf://datasets", folder)
        #expect(other.code == ExitCode.mountpoint.rawValue)
        #expect(other.errors.contains("is busy: hf://slow"))
        try site.run("umount", "--all")
    }

    @Test func aFailedStartLeavesNothing() throws {
        let site = try Site()
        let first = try site.temporary.folder("first")
        let second = try site.temporary.folder("second")
        let gated = try site.run("mount", "hf://models", first, "hf://gated", second)
        #expect(gated.code == ExitCode.accessDenied.rawValue)
        #expect(gated.output == "")
        #expect(gated.errors.hasPrefix("modelfs mount: org/gated is gated"))
        #expect(site.daemonEnds())
        let crashed = try site.run("mount", "hf://crash", first)
        #expect(crashed.code == ExitCode.daemonSilent.rawValue)
        #expect(crashed.errors.contains("SIG"))
        // The cache of a daemon that crashed can be used at once.
        #expect(try site.run("mount", first).code == 0)
        // A failure in a daemon that serves others takes only what came with it.
        let third = try site.temporary.folder("third")
        let refused = try site.run("mount", "hf://x", second, "hf://gated", third)
        #expect(refused.code == ExitCode.accessDenied.rawValue)
        #expect(try site.run("umount", second).code == ExitCode.notFound.rawValue)
        // What was there before is not its own.
        let repeated = try site.run("mount", first, "hf://gated", third)
        #expect(repeated.code == ExitCode.accessDenied.rawValue)
        #expect(try site.run("umount", first).code == 0)
    }

    @Test func aStarterThatGoesAwayTakesOnlyItsOwnMounts() throws {
        let site = try Site()
        let first = try site.temporary.folder("first")
        let second = try site.temporary.folder("second")
        let starter = try site.start(["mount", "hf://slower", first], name: "starter")
        #expect(wait(10) { site.daemon != nil })
        #expect(try site.run("mount", "hf://x", second).code == 0)
        kill(starter.processID, SIGKILL)
        _ = try site.finish(starter)
        #expect(wait(20) { text(of: "\(site.cache)/daemon.log").contains("has gone away") })
        #expect(wait(10) { (try? site.run("status").output)?.contains(first) == false })
        #expect(try site.run("status").output.contains(second))
        #expect(try site.run("umount", second).code == 0)
        #expect(site.daemonEnds())
    }

    @Test func aKilledDaemonIsSucceeded() throws {
        let site = try Site()
        let folder = try site.temporary.folder("m")
        #expect(try site.run("mount", folder).code == 0)
        let daemon = try #require(site.daemon)
        site.killAll()
        #expect(site.daemonEnds())
        #expect(access("\(site.cache)/control", F_OK) == 0)
        #expect(try site.run("status").code == ExitCode.notRunning.rawValue)
        #expect(try site.run("mount", folder).code == 0)
        #expect(site.daemon != daemon)
        #expect(try site.run("umount", "--all").code == 0)
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func signalsEndTheForegroundWithSuccess(signal: CInt) throws {
        let site = try Site()
        let folder = try site.temporary.folder("m")
        let child = try site.start(["mount", "--foreground", folder], name: "fg")
        let output = "\(site.temporary.path)/fg.out"
        #expect(wait(10) { text(of: output).contains("is mounted at") })
        #expect(site.keeper == child.processID)
        let daemon = try #require(site.daemon)
        let second = try site.run("mount", "--foreground", folder)
        #expect(second.code == ExitCode.inUse.rawValue)
        #expect(second.errors.contains("already served by process \(daemon)"))
        kill(child.processID, signal)
        let finished = try site.finish(child)
        #expect(finished.code == 0)
        #expect(finished.errors.contains("info: stopping"))
        #expect(access("\(site.cache)/control", F_OK) != 0)
    }

    @Test func aSignalInterruptsAStartThatIsStuck() throws {
        let site = try Site()
        let folder = try site.temporary.folder("m")
        let child = try site.start(["mount", "--foreground", "hf://stuck", folder], name: "fg")
        #expect(wait(10) { site.daemon != nil })
        kill(child.processID, SIGTERM)
        let finished = try site.finish(child)
        #expect(finished.code == ExitCode.failure.rawValue)
        #expect(finished.errors.contains("interrupted by SIGTERM"))
    }

    @Test func aStoppedDaemonIsCalledSilent() throws {
        let site = try Site()
        let folder = try site.temporary.folder("m")
        #expect(try site.run("mount", folder).code == 0)
        let daemon = try #require(site.daemon)
        kill(daemon, SIGSTOP)
        defer { kill(daemon, SIGCONT) }
        let cache = try #require(try CacheDirectory.openIfPresent(site.cache))
        #expect(throws: ControlError.timedOut) {
            _ = try ControlClient(cache, greetingSeconds: 0.2)
        }
        let failure = ControlError.timedOut.failure(cache: cache)
        #expect(failure == .daemonSilent(cache: site.cache, processID: daemon))
    }

    @Test(.enabled(if: canMount, "needs root and /dev/fuse"))
    func aPlainUmountIsNoticed() throws {
        let site = try Site()
        let folder = try site.temporary.folder("m")
        #expect(try site.run("mount", "hf://kernel", folder).code == 0)
        let entry = try MountTable.current().topmost(at: folder)
        #expect(entry?.fileSystemType == "fuse.modelfs")
        try Mounting.unmount(folder, isLazy: true)
        #expect(site.daemonEnds())
        #expect(text(of: "\(site.cache)/daemon.log").contains("unmounted by another process"))
    }

    @Test(.enabled(if: canMount, "needs root and /dev/fuse"))
    func mountsThatComeAreNotTakenForGone() throws {
        let site = try Site()
        let names = (0..<30).map { "m\($0)" }
        for group in stride(from: 0, to: names.count, by: 3) {
            let started = try names[group..<group + 3].map { name in
                let folder = try site.temporary.folder(name)
                return try site.start(["mount", "hf://kernel", folder], name: name)
            }
            for command in started { #expect(try site.finish(command).code == 0) }
        }
        let json = Data(try site.run("status", "--json").output.utf8)
        let status = try JSONDecoder().decode(DaemonStatus.self, from: json)
        #expect(status.mounts.count == names.count)
        #expect(!text(of: "\(site.cache)/daemon.log").contains("by another process"))
        #expect(try site.run("umount", "--all").code == 0)
    }

    @Test(.enabled(if: canMount, "needs root and /dev/fuse"))
    func whatADeadDaemonLeftIsCleanedAndSaid() throws {
        let site = try Site()
        let folder = try site.temporary.folder("m")
        #expect(try site.run("mount", "hf://kernel", folder).code == 0)
        site.killAll()
        #expect(site.daemonEnds())
        #expect(try site.run("status").errors.contains("\(folder): left by a dead daemon"))
        let mounted = try site.run("mount", "hf://kernel", folder)
        #expect(mounted.code == 0)
        #expect(mounted.output.contains("A mount that a dead daemon had left"))
        let entries = try MountTable.current().entries.filter { $0.mountpoint == folder }
        #expect(entries.count == 1)
        // umount works without the daemon too.
        site.killAll()
        #expect(site.daemonEnds())
        #expect(try site.run("umount", folder).code == 0)
        #expect(try MountTable.current().topmost(at: folder) == nil)
    }

    @Test(arguments: [
        (["mount"], ["gpt2", "/m"], ExitCode.usage, "'gpt2' is no source"),
        (["mount"], ["hf://models", "hf://datasets"], .usage, "the mountpoint of hf://models"),
        (["mount", "--cache-size", "1kB"], ["/m"], .usage, "--cache-size is at least 64.0 MB"),
        (["mount", "--allow-other", "--no-allow-other"], ["/m"], .usage, "exclude each other"),
        (["mount"], ["/no/such/folder"], .mountpoint, "mkdir -p /no/such/folder"),
        (["umount"], [], .usage, "MOUNTPOINT is missing"),
        (["umount", "--all"], ["/m"], .usage, "--all needs no mountpoint"),
        (["umount"], ["/proc"], .notFound, "no modelfs is mounted at /proc"),
        (["umount", "--all"], [], .notRunning, "no daemon serves the cache"),
        (["daemon"], [], .usage, "for modelfs itself"),
        (
            ["frobnicate"], [], .usage,
            "The commands are mount, umount, status, top, doctor, upgrade, prefetch, pull,\n"
                + "  cache or alias."
        ),
    ])
    func mistakes(words: [String], rest: [String], code: ExitCode, part: String) throws {
        let site = try Site()
        let child = try site.start(words + rest, name: "run")
        let finished = try site.finish(child)
        #expect(finished.code == code.rawValue)
        #expect(finished.errors.contains(part), "\(finished.errors)")
        #expect(finished.output == "")
        #expect(site.daemonEnds())
    }
}
