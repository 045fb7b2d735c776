// Extended attributes of files, as anybody may ask for them.

internal import CShims
internal import Glibc

/// Reads extended attributes.
package enum ExtendedAttribute {
    /// The kernel takes no longer ones.
    private static let byteCountMax = 65_536

    /// The value of an attribute of what a path leads to; `ENODATA` when there is none.
    ///
    /// The corresponding C function is `getxattr`.
    package static func value(_ name: String, of path: String) throws(Errno) -> [UInt8] {
        var value = [UInt8](repeating: 0, count: byteCountMax)
        let count = unsafe value.withUnsafeMutableBytes { room in
            unsafe modelfs_get_attribute(path, name, room.baseAddress, UInt(room.count))
        }
        if count < 0 { throw .current }
        return Array(value[..<count])
    }
}
