// Mounts whose daemon died: how they are told from living ones, and how they are taken away.
//
// A dead FUSE connection answers every message with ENOTCONN ("Transport endpoint is not
// connected"), an aborted one with ECONNABORTED. Attributes may still come from the kernel's
// cache, so it is statfs that is asked: it is never cached.

internal import Glibc
package import Platform
internal import Settings

/// Whether the filesystem at a mountpoint answers.
package enum Liveness: Equatable, Sendable {
    case alive
    case dead
    case silent

    /// Asks the filesystem; the asking thread is left behind when it does not answer in time.
    package static func of(
        _ mountpoint: String, secondsMax: Double = MountpointCheck.answerSecondsMax
    ) -> Liveness {
        let answers = Mailbox<Liveness>()
        do {
            let thread = try Thread(named: "liveness") {
                var status = statvfs()
                let done = unsafe statvfs(mountpoint, &status) == 0
                let isDead =
                    !done
                    && (Errno.current == .notConnected || Errno.current == Errno(ECONNABORTED))
                answers.send(isDead ? .dead : .alive)
            }
            thread.detach()
        } catch {
            return .silent
        }
        return answers.receive(until: .now + secondsMax) ?? .silent
    }
}

/// Taking mounts away, as root by the system call, as another user through fusermount3.
package enum StaleMount {
    /// Takes a dead mount away; who still has files of it open keeps getting ENOTCONN.
    package static func remove(_ mountpoint: String) throws(MountFailure) {
        do {
            try unmount(mountpoint, isLazy: true)
        } catch {
            throw .mountpointStale(path: mountpoint, error)
        }
    }

    /// Unmounts a mount of any daemon of this user.
    ///
    /// - Throws: `EBUSY` when files are in use, `EPERM` when the mount belongs to another user.
    package static func unmount(_ mountpoint: String, isLazy: Bool) throws(Errno) {
        do {
            try Mounting.unmount(mountpoint, isLazy: isLazy)
            return
        } catch {
            if error != .notPermitted { throw error }
        }
        let child = try ChildProcess(
            "fusermount3", ["-u", "-q"] + (isLazy ? ["-z"] : []) + ["--", mountpoint],
            name: "fusermount3", environment: Environment.process.entries,
            descriptors: [-1, -1, -1])
        guard try child.wait() == .exited(0) else {
            // It tells no number; in use is what it fails for, once the mount is known as ours.
            throw isLazy ? .notPermitted : .busy
        }
    }
}
