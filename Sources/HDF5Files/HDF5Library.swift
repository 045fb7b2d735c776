// The library that reads HDF5 files: started once, silent, and used by one thread at a time.
//
// As Debian builds it the library keeps its state in globals without any lock of its own. So there
// is one lock here, and this is the one place where files are read under a lock: nothing of the
// library can be called without it, and whoever waits for it waits for the same library. What is
// read under it is a file's description and never its values.

internal import CHDF5
internal import Platform

/// The library's one user at a time.
enum HDF5Library {
    private static let lock = Lock(false)

    /// Runs `body`, which may call the library, alone.
    static func use<Result: Sendable, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try lock.withLock { (isStarted) throws(Failure) in
            if !isStarted {
                // Its handlers at the end of the process would run beside other threads.
                H5dont_atexit()
                H5open()
                isStarted = true
            }
            // It would print what it finds wrong.
            H5Eset_auto2(modelfs_h5_error_stack(), nil, nil)
            return try body()
        }
    }
}

/// The owner of something that the library opened: a file, a group, a type.
struct HDF5Handle: ~Copyable {
    let id: hid_t

    /// - Parameter id: what a function of the library returned; negative for failure.
    init?(_ id: hid_t) {
        if id < 0 { return nil }
        self.id = id
    }

    deinit {
        // Closes it, whatever it is.
        _ = H5Idec_ref(id)
    }
}

/// The version of the library, such as `1.10.8`.
package func hdf5LibraryVersion() -> String {
    var (major, minor, release): (CUnsignedInt, CUnsignedInt, CUnsignedInt) = (0, 0, 0)
    _ = unsafe H5get_libversion(&major, &minor, &release)
    return "\(major).\(minor).\(release)"
}
