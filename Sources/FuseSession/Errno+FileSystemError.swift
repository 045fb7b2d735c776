// The edge to the kernel: every error of the filesystem becomes an errno here, and nowhere else.

package import FileSystem
package import Platform

extension Errno {
    /// The number that the kernel hands to the reader.
    package init(_ error: FileSystemError) {
        switch error {
        case .notFound: self = .noEntry
        case .accessDenied: self = .accessDenied
        case .unavailable: self = .inputOutput
        case .notDirectory: self = .notDirectory
        case .isDirectory: self = .isDirectory
        case .notLink: self = .invalidArgument
        case .stale: self = .stale
        case .noAttribute: self = .noData
        case .tooLarge: self = .fileTooLarge
        case .interrupted: self = .interrupted
        }
    }
}
