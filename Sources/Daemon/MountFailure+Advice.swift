// What the user can do next about every failure.

internal import HubAPI
internal import Platform

extension MountFailure {
    /// What to do next: sentences and commands, one thought a line.
    ///
    /// Never empty.
    package var advice: String {
        switch self {
        case .fuseDeviceMissing, .fuseDeviceRefused, .fusermountMissing, .userNameless,
            .allowOtherNotEnabled, .kernelRefused:
            fuseAdvice
        case .mountpointMissing, .mountpointNotDirectory, .mountpointNotEmpty, .mountpointTaken,
            .mountpointStale, .mountpointSilent, .mountpointRefused, .mountpointInsideCache,
            .mountpointInUse, .notMounted:
            mountpointAdvice
        case .cacheNotWritable, .cacheNotDirectory, .cacheOfOtherUser, .cacheOfOtherVersion,
            .notACache, .cacheServed, .cacheDamaged, .cacheMissing, .notCached,
            .pathNotShown, .destinationFailed, .destinationBusy, .destinationDiffers,
            .nothingSelected, .aliasMalformed, .aliasMissing, .aliasUnchanged:
            cacheAdvice
        case .sourceMalformed, .hubUnreachable, .offlineNotCached, .repositoryNotFound,
            .revisionNotFound, .folderNotFound, .gated, .tokenRefused:
            hubAdvice
        case .daemonAbsent, .daemonSilent, .daemonDied, .daemonOfOtherVersion, .daemonBusy,
            .daemonUnkept, .metricsRefused, .upgradeRefused, .optionConflict, .environmentMalformed,
            .failed:
            daemonAdvice
        }
    }

    private var fuseAdvice: String {
        switch self {
        case .fuseDeviceMissing:
            """
            On a machine: modprobe fuse
            In a container: start it with --device /dev/fuse --cap-add SYS_ADMIN
            """
        case .fuseDeviceRefused:
            """
            In a container: start it with --device /dev/fuse --cap-add SYS_ADMIN
            On a machine: chmod 666 /dev/fuse, which is its usual mode.
            """
        case .fusermountMissing:
            "Install it: sudo apt-get install fuse3"
        case .userNameless(let user):
            """
            Give it one, as root: echo 'models:x:\(user):\(user)::/:/bin/sh' >> /etc/passwd
            Or run modelfs as a user that has a name.
            """
        case .allowOtherNotEnabled(let configuration):
            """
            Allow it: echo user_allow_other | sudo tee -a \(shellQuoted(configuration))
            Or leave --allow-other out; the mount is then yours alone.
            """
        case .kernelRefused(_, let error) where error == .notPermitted || error == .accessDenied:
            """
            In a container: start it with --device /dev/fuse --cap-add SYS_ADMIN, and with \
            --security-opt apparmor=unconfined where AppArmor is used.
            """
        default:
            "'dmesg | tail' may tell why."
        }
    }

    private var mountpointAdvice: String {
        switch self {
        case .mountpointMissing(let path): "Create it: mkdir -p \(shellQuoted(path))"
        case .mountpointNotDirectory: "Name a folder that is empty."
        case .mountpointNotEmpty:
            "Name an empty folder: a mount would hide what is in this one."
        case .mountpointTaken(let path, let type, _) where type == MountTable.fileSystemType:
            "Unmount it first: modelfs umount \(shellQuoted(path))"
        case .mountpointTaken: "Name another folder."
        case .mountpointStale(let path, _):
            "Clean it: sudo umount --lazy \(shellQuoted(path))"
        case .mountpointSilent(let path):
            """
            Its daemon may be stopped: 'modelfs status' tells its process.
            To give it up: modelfs umount --lazy \(shellQuoted(path))
            """
        case .mountpointRefused(let path, let error) where error == .accessDenied:
            "The folder must be yours: sudo chown \"$(id -u)\" \(shellQuoted(path))"
        case .mountpointRefused: "Name another folder."
        case .mountpointInsideCache: "Name a folder outside of the cache."
        case .mountpointInUse(let path):
            """
            Who uses them: fuser -vm \(shellQuoted(path))
            To unmount all the same: modelfs umount --lazy \(shellQuoted(path))
            """
        default: "'modelfs status' lists what is mounted."
        }
    }

    private var cacheAdvice: String {
        switch self {
        case .cacheNotWritable(_, let error) where error == .noSpace:
            "Make room on that disk, or name another folder with --cache."
        case .cacheNotWritable, .cacheNotDirectory:
            "Name a folder that you can write to with --cache, or in MODELFS_CACHE."
        case .cacheOfOtherUser:
            "Name a folder of your own with --cache, or run modelfs as that user."
        case .cacheOfOtherVersion(let path, _, _):
            """
            Use the modelfs that wrote it, or name another folder with --cache.
            Everything in a cache can be fetched again, so it may be removed:
            rm -r \(shellQuoted(path))
            """
        case .notACache: "Name a folder that is empty, or one that is to be created, with --cache."
        case .cacheServed(_, let process):
            """
            Leave --foreground out: the daemon that serves it takes the mount as well.
            Or stop that daemon first: kill \(process)
            Or name another cache with --cache.
            """
        case .cacheMissing: "Name the folder with --cache, or in MODELFS_CACHE."
        case .notCached:
            """
            'modelfs cache list' shows what is there. A revision is known once it was looked at in \
            a mount; a branch or tag is written NAME@BRANCH, as there.
            """
        case .pathNotShown:
            """
            Name a place below NAME@REVISION of a mount; 'modelfs status' lists the mounts.
            Without a mount, name it by its source: hf://ORG/NAME@REVISION/PATH
            """
        case .destinationFailed(_, let error) where error == .noSpace:
            """
            Make room there, or name a folder on another disk, and run the same command again: it \
            goes on where it was.
            """
        case .destinationBusy: "Wait until it has ended."
        case .destinationFailed: "Name a folder that you may write to."
        case .destinationDiffers(_, _, let changed?):
            """
            Nothing was changed. To keep what you have made of it, move it away, or leave it out \
            with --exclude \(shellQuoted(changed.first))
            To have the revision's own files back: the same command with --force
            """
        case .destinationDiffers:
            "Name an empty folder, or have them replaced with --force. Nothing was changed."
        case .nothingSelected: "'*' fits everything, also '/'; quote patterns for the shell."
        case .aliasMalformed:
            """
            Write letters, digits, '.', '_' and '-', such as prod, or datasets/prod for a dataset.
            """
        case .aliasMissing: "'modelfs alias list' shows those that there are."
        case .aliasUnchanged(let name, _):
            """
            'modelfs alias history \(shellQuoted(name))' shows what it was; 'modelfs alias set \
            \(shellQuoted(name)) REPO@REV' has it stand for another revision.
            """
        case .cacheDamaged(let path, _):
            """
            Everything in a cache can be fetched again: rm -r \(shellQuoted(path))
            """
        default: ""
        }
    }

    private var hubAdvice: String {
        switch self {
        case .sourceMalformed(let source, _):
            """
            \(MountFailure.suggestion(for: source))\
            A source is one of:
            hf://models  hf://datasets  hf://spaces  hf://
            hf://ORG/NAME@REVISION  hf://datasets/ORG/NAME@REVISION/FOLDER
            """
        case .hubUnreachable:
            """
            Check the network and the proxy variables; HF_ENDPOINT names another Hub.
            hf://models can be mounted without the Hub: what is cached is served.
            """
        case .offlineNotCached:
            "Leave --offline out, and unset HF_HUB_OFFLINE, for the first mount."
        case .repositoryNotFound(let repository, _, false):
            """
            Check the name \(repository). For a private repository, log in with 'hf auth login', \
            or put a token into HF_TOKEN.
            """
        case .repositoryNotFound(let repository, _, _):
            """
            Check the name \(repository), and for a private repository the token: it is read \
            from HF_TOKEN, or from the file that 'hf auth login' writes.
            """
        case .revisionNotFound:
            "'ls' of NAME@ in a mount of hf://models lists the branches and tags."
        case .folderNotFound: "Mount the revision without a folder to see what it has."
        case .gated(_, let address):
            """
            Ask for access at \(address)
            Then make the token known: HF_TOKEN, or 'hf auth login'.
            """
        case .tokenRefused:
            """
            It may be expired or revoked. Make a new one in the Hub's settings, and put it \
            into HF_TOKEN or run 'hf auth login'. Without a token, public repositories work.
            """
        default: ""
        }
    }

    /// A line for who has left out where a source begins; empty for others.
    private static func suggestion(for source: String) -> String {
        let whole = HubURI.scheme + source
        if source.isEmpty || (try? HubURI(whole)) == nil { return "" }
        return "Did you mean \(whole)?\n"
    }

    private var daemonAdvice: String {
        switch self {
        case .daemonAbsent:
            """
            Start one by mounting: modelfs mount MOUNTPOINT
            The daemon of another cache is found with --cache DIR.
            """
        case .daemonSilent(_, let process?):
            "See what it does: ps -o pid,stat,wchan,args \(process)\nTo end it: kill -9 \(process)"
        case .daemonSilent(let cache, nil):
            "See which process holds it: fuser -v \(shellQuoted(cache + "/lock"))"
        case .daemonDied(_, let log): "Its last words: tail \(shellQuoted(log))"
        case .daemonOfOtherVersion(_, let process):
            "Stop it, which unmounts, and mount again: kill \(process)"
        case .daemonBusy: "Try again in a moment."
        case .daemonUnkept: "Unmount, and mount again: modelfs umount --all"
        case .metricsRefused: "Name another address with --metrics, such as 127.0.0.1:9464."
        case .upgradeRefused:
            "The daemon and its mounts are as they were. Its log tells more: modelfs status"
        case .optionConflict(let option, _):
            """
            Give the same \(option), or use a cache of its own for this mount: --cache DIR
            Or take the other mount away first: 'modelfs status' lists them.
            """
        case .environmentMalformed: "Correct the variable, or unset it."
        default: "The daemon's log may tell more: daemon.log in the cache folder."
        }
    }
}
