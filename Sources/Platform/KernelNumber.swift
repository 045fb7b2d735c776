// Numbers that the kernel tells in files of their own, below /proc and /sys.

internal import Glibc

/// The number that such a file begins with; nil where there is none.
package func kernelNumber(at path: String) -> Int64? {
    guard let file = try? FileDescriptor.open(path, O_RDONLY),
        let bytes = try? file.readBytes(countMax: 32)
    else { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    return text.split(whereSeparator: \.isWhitespace).first.flatMap { Int64($0) }
}
