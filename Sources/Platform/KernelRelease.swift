// Which Linux this is, for what cannot be asked in another way.

internal import Glibc

/// A release of the kernel.
package struct KernelRelease: Comparable, Sendable {
    /// As in 6.9.
    package let major: Int
    package let minor: Int

    package init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// Reads what `uname -r` prints, such as `6.9.0-2-amd64`; nil for what does not begin so.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 2)
        guard parts.count >= 2, let major = Int(parts[0]),
            let minor = Int(parts[1].prefix { $0.isNumber })
        else { return nil }
        self.init(major: major, minor: minor)
    }

    /// That of the running kernel; 0.0 if it does not say.
    package static let current: KernelRelease = {
        let unknown = KernelRelease(major: 0, minor: 0)
        var names = utsname()
        if unsafe uname(&names) != 0 { return unknown }
        let text = unsafe withUnsafeBytes(of: names.release) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return KernelRelease(text) ?? unknown
    }()

    package static func < (left: KernelRelease, right: KernelRelease) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}
