// The sentences for every failure: what is wrong, what to do next, and the exit code.
//
// Each advice is something to type or to look at. A path is quoted as a shell would need it.

package import Settings

extension MountFailure {
    /// As a command throws it.
    package var commandFailure: CommandFailure {
        CommandFailure(exitCode, message, advice: advice)
    }

    /// What is wrong, in one sentence without a full stop.
    package var message: String {
        switch self {
        case .fuseDeviceMissing(let path):
            "there is no \(path), so nothing can be mounted with FUSE here"
        case .fuseDeviceRefused(let path, let error):
            "\(path) cannot be opened: \(error)"
        case .fusermountMissing:
            "fusermount3 is missing, and without it only root can mount"
        case .userNameless(let user):
            "user \(user) has no name on this machine, and fusermount3 refuses such users"
        case .allowOtherNotEnabled(let configuration):
            "--allow-other needs 'user_allow_other' in \(configuration) when not root"
        case .kernelRefused(let mountpoint, let error):
            "the kernel refuses to mount at \(mountpoint): \(error)"
        case .mountpointMissing, .mountpointNotDirectory, .mountpointNotEmpty, .mountpointTaken,
            .mountpointStale, .mountpointSilent, .mountpointRefused, .mountpointInsideCache,
            .mountpointInUse, .notMounted:
            mountpointMessage
        case .cacheNotWritable, .cacheNotDirectory, .cacheOfOtherUser, .cacheOfOtherVersion,
            .notACache, .cacheServed, .cacheDamaged, .cacheMissing, .notCached, .pathNotShown,
            .destinationFailed, .destinationBusy, .destinationDiffers,
            .nothingSelected, .aliasMalformed, .aliasMissing, .aliasUnchanged:
            cacheMessage
        case .sourceMalformed, .hubUnreachable, .offlineNotCached, .repositoryNotFound,
            .revisionNotFound, .folderNotFound, .gated, .tokenRefused:
            hubMessage
        case .daemonAbsent(let cache): "no daemon serves the cache \(cache)"
        case .daemonSilent(let cache, let process):
            "the daemon of the cache \(cache)\(process.map { " (process \($0))" } ?? "")"
                + " does not answer"
        case .daemonDied(let ending, _): "the daemon ended before it was ready: \(ending)"
        case .daemonOfOtherVersion(let cache, let process):
            "the cache \(cache) is served by another version of modelfs (process \(process))"
        case .daemonBusy(let cache):
            "the daemon of the cache \(cache) is busy with too many requests"
        case .daemonUnkept(let cache):
            "the daemon of the cache \(cache) has no keeper that could start another one"
        case .metricsRefused(let address, let detail):
            "metrics cannot be served at \(address): \(detail)"
        case .upgradeRefused(let program, let detail): "\(program) cannot go on: \(detail)"
        case .optionConflict(let option, let held):
            "a mount that is there has another \(option): \(held)"
        case .environmentMalformed(let detail), .failed(let detail): detail
        }
    }

    private var mountpointMessage: String {
        switch self {
        case .mountpointMissing(let path): "the mountpoint \(path) does not exist"
        case .mountpointNotDirectory(let path): "the mountpoint \(path) is not a folder"
        case .mountpointNotEmpty(let path, let entry):
            "the mountpoint \(path) is not empty: it has '\(entry)' in it"
        case .mountpointTaken(let path, let type, let source):
            "the mountpoint \(path) is busy: \(source) (\(type)) is mounted there"
        case .mountpointStale(let path, let error):
            "the mountpoint \(path) is left over from a dead daemon and not to be cleaned: \(error)"
        case .mountpointSilent(let path):
            "the filesystem at \(path) does not answer"
        case .mountpointRefused(let path, let error):
            "the mountpoint \(path) cannot be used: \(error)"
        case .mountpointInsideCache(let path, let cache):
            "the mountpoint \(path) lies inside the cache \(cache)"
        case .mountpointInUse(let path): "files below \(path) are in use"
        case .notMounted(let path): "no modelfs is mounted at \(path)"
        default: ""
        }
    }

    private var cacheMessage: String {
        switch self {
        case .cacheNotWritable(let path, let error):
            "the cache \(path) cannot be written: \(error)"
        case .cacheNotDirectory(let path): "the cache \(path) is not a folder"
        case .cacheOfOtherUser(let path, let user):
            "the cache \(path) belongs to another user (\(user))"
        case .cacheOfOtherVersion(let path, let found, let known):
            "the cache \(path) has the format '\(found)'; this modelfs knows version \(known)"
        case .notACache(let path, let entry):
            "\(path) is not a cache: it has '\(entry)' in it"
        case .cacheServed(let path, let process):
            "the cache \(path) is already served by process \(process)"
        case .cacheDamaged(let path, let detail): "the cache \(path) is damaged: \(detail)"
        case .cacheMissing(let path): "there is no cache at \(path)"
        case .notCached(let target): "the cache knows no files of \(target)"
        case .destinationFailed(let path, let error): "\(path) cannot be written to: \(error)"
        case .destinationBusy(let path): "another pull is writing to \(path)"
        case .destinationDiffers(let path, let foreign, let changed):
            MountFailure.difference(path, foreign: foreign, changed: changed)
        case .nothingSelected(let target): "no file of \(target) fits --include and --exclude"
        case .aliasMalformed(let name): "\(name) is no name for an alias"
        case .aliasMissing(let name): "there is no alias \(name)"
        case .aliasUnchanged(let name, let detail): "the alias \(name) stays as it is: \(detail)"
        case .pathNotShown(let path, let detail):
            "\(path) is no file or folder of a revision in a mount: \(detail)"
        default: ""
        }
    }

    private static func difference(
        _ path: String, foreign: DifferingFiles?, changed: DifferingFiles?
    ) -> String {
        func words(_ files: DifferingFiles, _ what: String) -> String {
            files.count == 1
                ? "a file \(what) (\(files.first))"
                : "\(files.count) files \(what) (such as \(files.first))"
        }
        let parts = [
            changed.map { words($0, "that was changed since a pull put it there") },
            foreign.map { words($0, "that no pull has put there") },
        ]
        let known = parts.compactMap(\.self)
        // A daemon of an older version does not say which.
        let found = known.isEmpty ? "files" : known.joined(separator: " and ")
        return "\(path) has \(found), to be replaced by what the revision has"
    }

    private var hubMessage: String {
        switch self {
        case .sourceMalformed(let source, let detail): "'\(source)' is no source: \(detail)"
        case .hubUnreachable(let source, let endpoint, let detail):
            "\(source) is not cached yet, and the Hub at \(endpoint) cannot be asked: \(detail)"
        case .offlineNotCached(let source):
            "\(source) is not cached yet, and the Hub must not be asked (offline)"
        case .repositoryNotFound(let repository, let endpoint, let hasToken):
            "there is no \(repository) at \(endpoint), or it is private and "
                + (hasToken ?? true ? "not for this token" : "there is no token that opens it")
        case .revisionNotFound(let repository, let revision):
            "\(repository) has no branch, tag or commit '\(revision)'"
        case .folderNotFound(let repository, let revision, let folder):
            "\(repository)@\(revision) has no folder '\(folder)'"
        case .gated(let repository, _): "\(repository) is gated, and access was not granted"
        case .tokenRefused(let endpoint): "the Hub at \(endpoint) refuses the token"
        default: ""
        }
    }

    /// What the process that met it ends with.
    package var exitCode: ExitCode {
        switch self {
        case .fuseDeviceMissing, .fuseDeviceRefused, .fusermountMissing, .userNameless,
            .allowOtherNotEnabled, .kernelRefused:
            .fuseUnavailable
        case .mountpointMissing, .mountpointNotDirectory, .mountpointNotEmpty, .mountpointTaken,
            .mountpointStale, .mountpointSilent, .mountpointRefused, .mountpointInsideCache:
            .mountpoint
        case .mountpointInUse, .cacheServed: .inUse
        case .cacheNotWritable, .cacheNotDirectory, .cacheOfOtherUser, .cacheOfOtherVersion,
            .notACache, .cacheDamaged, .cacheMissing:
            .cache
        case .sourceMalformed, .environmentMalformed, .aliasMalformed: .usage
        case .hubUnreachable, .offlineNotCached: .hubUnreachable
        case .notMounted, .repositoryNotFound, .revisionNotFound, .folderNotFound, .notCached,
            .pathNotShown, .nothingSelected, .aliasMissing:
            .notFound
        case .gated, .tokenRefused: .accessDenied
        case .daemonAbsent: .notRunning
        case .daemonSilent, .daemonDied, .daemonOfOtherVersion, .daemonBusy: .daemonSilent
        case .upgradeRefused: .cache
        case .destinationFailed, .destinationDiffers: .storage
        case .destinationBusy: .inUse
        case .metricsRefused: .listen
        case .daemonUnkept, .optionConflict, .aliasUnchanged, .failed: .failure
        }
    }
}

/// The text as one word of a shell: in single quotes where it needs them.
package func shellQuoted(_ text: String) -> String {
    let plain = text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "@"), UInt8(ascii: ":"),
            UInt8(ascii: "%"), UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: ","):
            true
        default: byte >= 0x80
        }
    }
    if plain && !text.isEmpty { return text }
    let quoted = text.split(separator: "'", omittingEmptySubsequences: false)
    return "'" + quoted.joined(separator: "'\\''") + "'"
}
