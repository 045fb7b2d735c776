// What a mount asks of the kernel for speed, and what of it the kernel granted, with the reason.
//
// The readahead is the mount's own (`bdi` of its device), holds for files that are opened later,
// and is raised here: FUSE mounts begin with 128 KiB, and what a filesystem asks for at INIT can
// only lower it. One that is opened before all of it is here gets less
// (`Readahead`). The other settings were asked for at INIT (FuseSession), and are looked up here.

internal import FuseSession
internal import Glibc
internal import Platform

enum KernelTuning {
    /// Raises what may be raised of a mount, and tells what it has now.
    ///
    /// - Parameter deviceID: such as `0:45`; nil if the mount table does not know the mount.
    static func tune(deviceID: String?, _ asked: ConnectionSettings?) -> [KernelSetting] {
        var settings = [readahead(deviceID)]
        guard let asked else { return settings }
        // Root gets what it asks for; others within limits that belong to the machine.
        func userLimit(_ name: String) -> Int64? {
            geteuid() == 0 ? nil : kernelNumber(at: "/sys/module/fuse/parameters/\(name)")
        }
        let userMost = userLimit("max_user_bgreq")
        let userMostCongested = userLimit("max_user_congthresh")
        settings.append(
            limited(
                "max_background", Int64(asked.backgroundCount), userMost,
                "the fuse module's max_user_bgreq"))
        settings.append(
            limited(
                "congestion_threshold", Int64(asked.congestionCount), userMostCongested,
                "the fuse module's max_user_congthresh"))
        let pages = kernelNumber(at: "/proc/sys/fs/fuse/max_pages_limit")
        settings.append(
            limited(
                "request_bytes", Int64(asked.requestByteCount),
                pages.map { $0 * Int64(getpagesize()) }, "fs.fuse.max_pages_limit"))
        return settings
    }

    private static func readahead(_ deviceID: String?) -> KernelSetting {
        var setting = KernelSetting(name: "readahead_bytes", wanted: Readahead.usualKiB * 1024)
        guard let deviceID else {
            setting.reason = "the mount's device is not known"
            return setting
        }
        let path = BlockDevice.readaheadPath(id: deviceID)
        do throws(Errno) {
            try Readahead(deviceID: deviceID).set(kibibytes: Readahead.usualKiB)
        } catch {
            setting.reason = "\(path): \(error)"
        }
        setting.granted = kernelNumber(at: path).map { $0 * 1024 }
        return setting
    }

    /// A setting that is as asked, unless a limit of the machine is lower.
    static func limited(
        _ name: String, _ wanted: Int64, _ limit: Int64?, _ what: String
    ) -> KernelSetting {
        var setting = KernelSetting(name: name, wanted: wanted)
        setting.granted = min(wanted, limit ?? wanted)
        if let limit, limit < wanted { setting.reason = "\(what) is \(limit)" }
        return setting
    }
}
