// What a daemon gives up before it talks to anybody: what root may do besides mounting, privileges
// by exec, TCP ports, signals to others.
//
// It parses what the network sends, so it should have little to give to who takes it over. It is
// done by the only thread there is, once: threads that run already would be left out. Files are
// not part of it: Landlock denies mounting to whoever it confines in files, and this process
// mounts; and a pull writes wherever it was asked to. Nothing here is a reason not to mount.

internal import CShims
internal import Glibc
internal import Platform
internal import Settings
internal import Telemetry

/// How far a daemon confines itself.
package enum ConfinementMode: String, CaseIterable, Sendable, Codable {
    /// As far as mounting goes on and the kernel can.
    case auto
    /// Not at all.
    case none
}

/// What a daemon has given up, as `status` shows it.
package struct ConfinementStatus: Equatable, Sendable, Codable {
    /// Whether it has given up all that it can.
    package var isConfined: Bool
    /// The capabilities that it still has, without `CAP_`, in the kernel's order; nil if that is
    /// not known.
    package var capabilities: [String]?
    /// Whether a program that it starts can have privileges that it has not.
    package var gainsPrivileges: Bool
    /// The TCP ports that it may bind, 0 being whichever is free; nil for all.
    package var bindablePorts: [UInt16]?
    /// Whether it can signal processes that it did not start.
    package var signalsOthers: Bool
    /// Why it has not given up more; nil if there is nothing more to give up.
    package var reason: String?
}

/// Gives up what a daemon does not need.
struct Confinement {
    private static let isRoot = geteuid() == 0
    /// Of Landlock, the first with rules for ports, and the first with scopes.
    private static let portVersion: CInt = 4
    private static let scopeVersion: CInt = 6
    private static let privilegedPortEnd = 1024

    /// Where metrics are served; nil for nowhere.
    private let metricsPort: UInt16?
    private var shortcomings: [String] = []

    private init(metricsPort: UInt16?) { self.metricsPort = metricsPort }

    /// Confines this process, which must have this thread alone.
    static func apply(_ configuration: DaemonConfiguration, _ log: Log) -> ConfinementStatus {
        let address = configuration.metricsAddress.flatMap { try? SocketEndpoint(parsing: $0) }
        var confinement = Confinement(metricsPort: address?.port)
        if configuration.confinement == ConfinementMode.none {
            return confinement.status(reason: "--confine none")
        }
        // Theirs is done by fusermount3, which has its privileges by exec; and without giving
        // those up nobody but root may confine themselves.
        if !isRoot {
            return confinement.status(
                reason: "without root, fusermount3 mounts, and needs privileges for that")
        }
        let status = confinement.confine()
        if let reason = status.reason {
            log.info("the daemon is confined in part", ["reason": reason])
        }
        return status
    }

    private mutating func confine() -> ConfinementStatus {
        check(modelfs_set_no_new_privileges(), "privileges by exec")
        var ports: [UInt16]?
        var signalsOthers = true
        let version = modelfs_landlock_version()
        if version < Confinement.portVersion {
            shortcomings.append(
                "ports and signals: Landlock is \(version == 0 ? "off" : "of before Linux 6.7")")
        } else {
            let port = metricsPort.map { CInt($0) } ?? -1
            if check(modelfs_landlock_restrict(version, port), "ports and signals") {
                ports = metricsPort.map { [$0] } ?? []
                signalsOthers = version < Confinement.scopeVersion
                if signalsOthers {
                    shortcomings.append("signals: Landlock is of before Linux 6.12")
                }
            }
        }
        // Last: the others may take what goes here.
        check(modelfs_keep_capabilities(keptCapabilities), "capabilities")
        var status = status(reason: nil)
        status.isConfined = shortcomings.isEmpty
        status.bindablePorts = ports
        status.signalsOthers = signalsOthers
        if !shortcomings.isEmpty { status.reason = shortcomings.joined(separator: "; ") }
        return status
    }

    /// Whether it was done; if not, why is noted.
    @discardableResult
    private mutating func check(_ code: CInt, _ what: String) -> Bool {
        if code == 0 { return true }
        shortcomings.append("\(what): \(Errno.current)")
        return false
    }

    /// SYS_ADMIN mounts, and has the kernel read files by itself; DAC_OVERRIDE finds mountpoints
    /// in the folders of other users, and lets a pull write there.
    private var keptCapabilities: UInt64 {
        var kept = Confinement.bit("SYS_ADMIN") | Confinement.bit("DAC_OVERRIDE")
        if let metricsPort, metricsPort > 0, metricsPort < Confinement.privilegedPortEnd {
            kept |= Confinement.bit("NET_BIND_SERVICE")
        }
        return kept
    }

    private func status(reason: String?) -> ConfinementStatus {
        ConfinementStatus(
            isConfined: false, capabilities: Confinement.capabilities(),
            gainsPrivileges: modelfs_has_no_new_privileges() != 1, bindablePorts: nil,
            signalsOthers: true, reason: reason)
    }

    private static func capabilities() -> [String]? {
        var permitted: UInt64 = 0
        guard unsafe modelfs_capabilities(&permitted) == 0 else { return nil }
        return (0..<UInt64.bitWidth).filter { permitted >> $0 & 1 == 1 }.map {
            $0 < names.count ? names[$0] : "\($0)"
        }
    }

    private static func bit(_ name: String) -> UInt64 {
        names.firstIndex(of: name).map { 1 << UInt64($0) } ?? 0
    }

    // Source: capabilities(7), in the order of include/uapi/linux/capability.h.
    private static let names = [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
        "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
        "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE",
        "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME",
        "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
        "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
        "PERFMON", "BPF", "CHECKPOINT_RESTORE",
    ]
}
