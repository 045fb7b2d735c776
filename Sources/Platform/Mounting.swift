// Binding and unmounting: the mount system calls that are not FUSE's.
//
// All of it needs CAP_SYS_ADMIN; who has not gets EPERM, and asks fusermount3 instead.

internal import Glibc

/// The functions on the mount table of the calling process's namespace.
package enum Mounting {
    /// Makes `folder` visible at `mountpoint` too.
    ///
    /// The C function is `mount` with `MS_BIND`.
    ///
    /// - Parameter isReadOnly: also refuses writes, set-user-id and devices there; on failure of
    ///   this second step the bind is undone.
    package static func bind(
        _ folder: String, at mountpoint: String, isReadOnly: Bool
    ) throws(Errno) {
        if unsafe mount(folder, mountpoint, nil, UInt(MS_BIND), nil) != 0 {
            throw Errno.current
        }
        if !isReadOnly { return }
        // A bind takes over its source's flags; only a remount can change them.
        let flags =
            MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID
            | MS_NODEV
        if unsafe mount(nil, mountpoint, nil, UInt(flags), nil) != 0 {
            let error = Errno.current
            _ = unsafe umount2(mountpoint, CInt(MNT_DETACH))
            throw error
        }
    }

    /// Takes the topmost mount away from `mountpoint`.
    ///
    /// The C function is `umount2`.
    ///
    /// - Parameter isLazy: hides it at once, and lets go of it when its last user has gone.
    /// - Throws: `EBUSY` for a mount in use, `EINVAL` where nothing is mounted.
    package static func unmount(_ mountpoint: String, isLazy: Bool) throws(Errno) {
        var flags = UMOUNT_NOFOLLOW
        if isLazy { flags |= MNT_DETACH }
        if unsafe umount2(mountpoint, CInt(flags)) != 0 { throw Errno.current }
    }
}
