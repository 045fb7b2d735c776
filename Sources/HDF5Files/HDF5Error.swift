// What goes wrong with an HDF5 file: as values, without the library's own words, which are made for
// those who program it.

/// Why something of an HDF5 file cannot be had.
package enum HDF5Error: Error, Equatable, Sendable {
    /// The file is none of HDF5, or is damaged.
    case notHDF5
    /// There is nothing of that name.
    case missing(name: String)
    /// It is there, but not as it is needed: compressed, chunked, of another type.
    case unsupported(name: String, reason: String)
}
