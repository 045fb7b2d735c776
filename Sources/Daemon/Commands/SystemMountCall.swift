// What mount(8) calls for `mount -t modelfs`, and so for fstab: its words and options turned into
// those of `modelfs mount`. Runs nothing and asks nobody.
//
// mount(8) runs `/sbin/mount.modelfs SOURCE MOUNTPOINT [-sfnv] [-o OPTIONS]`, and hands on what
// stands in fstab, also what is meant for itself or for systemd. Source: mount(8), "EXTERNAL
// HELPERS".

internal import Glibc
package import Settings

/// A call of the helper, as a call of modelfs.
package struct SystemMountCall: Equatable, Sendable {
    /// The name of the helper's file.
    package static let name = "mount.modelfs"
    /// Where the cache lies when the machine itself mounts, and there is no data disk.
    private static let systemCache = "/var/cache/modelfs"

    /// The words for `modelfs`; nil when nothing is to be done.
    package let words: [String]?
    /// Variables to be set before.
    package let variables: [String: String]

    /// Options that mount(8), systemd and the kernel know, and that mean nothing here; a mount is
    /// read-only whatever is said.
    private static let foreign: Set<String> = [
        "defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "atime",
        "noatime", "relatime", "norelatime", "strictatime", "lazytime", "nolazytime", "diratime",
        "nodiratime", "sync", "async", "auto", "noauto", "user", "nouser", "users", "owner",
        "group", "_netdev", "nofail", "loud", "silent", "nosymfollow", "mand", "nomand",
    ]
    /// Options that are variables of the official client.
    private static let variableNames = [
        "hf_endpoint": "HF_ENDPOINT", "hf_home": "HF_HOME", "token_path": "HF_TOKEN_PATH",
        "https_proxy": "HTTPS_PROXY", "no_proxy": "NO_PROXY",
    ]
    private static let flags: Set<String> = [
        "allow-other", "no-allow-other", "offline", "check-reads",
    ]

    /// Reads the call.
    ///
    /// - Parameters:
    ///   - words: those of mount(8), without the helper's name.
    ///   - environment: tells whether somebody's home is known.
    ///   - hasDataDisk: whether a cache belongs on `/data`.
    package init(
        _ words: [String], _ environment: Environment, hasDataDisk: Bool
    ) throws(CommandFailure) {
        var places: [String] = []
        var options: [String] = []
        var isDryRun = false
        var index = 0
        while index < words.count {
            let word = words[index]
            index += 1
            switch word {
            case "-o", "-t", "-N":
                guard index < words.count else {
                    throw CommandFailure(.usage, "\(word) needs a value", advice: advice)
                }
                if word == "-o" { options += SystemMountCall.split(words[index]) }
                index += 1
            case "-f", "--fake": isDryRun = true
            case "-s", "-n", "-v", "-w", "-r": break
            default: places.append(word)
            }
        }
        guard places.count == 2 else {
            throw CommandFailure(
                .usage, "mount(8) hands over a source and a mountpoint", advice: advice)
        }
        var (found, variables) = try SystemMountCall.translate(options)
        let isHomeless = environment["HOME"] == nil && environment["XDG_CACHE_HOME"] == nil
        if !found.contains("--cache") && environment["MODELFS_CACHE"] == nil && isHomeless
            && !hasDataDisk
        {
            found += ["--cache", SystemMountCall.systemCache]
        }
        if environment["HOME"] == nil { variables["HOME"] = "/root" }
        self.words = isDryRun ? nil : ["mount"] + found + places
        self.variables = variables
    }

    /// A comma within quotes separates nothing, as in fstab.
    private static func split(_ text: String) -> [String] {
        var parts = [""]
        var isQuoted = false
        for character in text {
            if character == "\"" {
                isQuoted.toggle()
            } else if character == "," && !isQuoted {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        return parts.filter { !$0.isEmpty }
    }

    private static func translate(
        _ options: [String]
    ) throws(CommandFailure) -> (words: [String], variables: [String: String]) {
        var words: [String] = []
        var variables: [String: String] = [:]
        for option in options {
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = String(parts[0])
            let isForeign =
                foreign.contains(key) || key.hasPrefix("x-") || key.hasPrefix("X-")
                || key == "comment"
            if isForeign { continue }
            let name = String(key.map { $0 == "_" ? "-" : $0 })
            if parts.count == 1 {
                guard flags.contains(name) else {
                    throw CommandFailure(
                        .usage, "the mount option '\(option)' is not known", advice: advice)
                }
                words.append("--\(name)")
            } else if let variable = variableNames[key] {
                variables[variable] = String(parts[1])
            } else {
                // What it may be, the command itself says.
                words += ["--\(name)", String(parts[1])]
            }
        }
        return (words, variables)
    }
}

extension SystemMountCall {
    /// Whether this program was called by the helper's name.
    package static var isCalled: Bool {
        CommandLine.arguments.first?.split(separator: "/").last.map(String.init) == name
    }

    /// Does what mount(8) asks for.
    ///
    /// - Returns: the exit code: that of modelfs, which mount(8) hands on.
    package static func run(_ program: Program) -> Int32 {
        // The process's environment is looked at once, after what fstab says was added to it.
        let given = Environment(
            ["HOME", "XDG_CACHE_HOME", "MODELFS_CACHE"].reduce(into: [:]) { values, name in
                values[name] = unsafe getenv(name).map { unsafe String(cString: $0) }
            })
        do throws(CommandFailure) {
            let call = try SystemMountCall(
                Array(CommandLine.arguments.dropFirst()), given,
                hasDataDisk: unsafe access("/data", W_OK) == 0)
            guard let words = call.words else { return ExitCode.success.rawValue }
            for (variable, value) in call.variables { unsafe setenv(variable, value, 1) }
            return program.run(words).rawValue
        } catch {
            let style = TextStyle(descriptor: 2, environment: given)
            writeText(error.rendered(for: name, style: style), to: 2)
            return error.code.rawValue
        }
    }
}

private let advice = """
    In fstab: hf://models /models modelfs cache=/var/cache/modelfs,allow_other,_netdev,nofail 0 0
    Options are those of 'modelfs mount --help', with '_' for '-'; hf_endpoint=URL, \
    token_path=FILE, hf_home=DIR stand for the variables of these names.
    """
