// The library that reads HDF5 files, started once.

internal import CHDF5

/// The version of the library, such as `1.10.8`.
package func hdf5LibraryVersion() -> String {
    var (major, minor, release): (CUnsignedInt, CUnsignedInt, CUnsignedInt) = (0, 0, 0)
    _ = unsafe H5get_libversion(&major, &minor, &release)
    return "\(major).\(minor).\(release)"
}
