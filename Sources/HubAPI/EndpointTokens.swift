// The file that gives mirrors their tokens: lines of a URL and a token.
//
// Only its owner may read it, as with a key of ssh; it is read when a client is made and again
// by `Credentials`. A line that begins with `#` is a remark.

internal import Glibc
internal import Platform

/// Tokens by endpoint.
package enum EndpointTokens {
    /// Some hundred lines.
    static let fileByteCountMax = 64 << 10

    /// The token of an endpoint; nil when no line is about it.
    static func token(of endpoint: HubEndpoint, in text: String) -> AccessToken? {
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count == 2, !words[0].hasPrefix("#"),
                HubEndpoint(String(words[0])) == endpoint
            else { continue }
            return AccessToken(words[1])
        }
        return nil
    }

    /// The file's text.
    ///
    /// - Throws: why it cannot be used.
    package static func read(_ path: String) throws(HubConfigurationError) -> String {
        var status = stat()
        let file: FileDescriptor
        do throws(Errno) {
            file = try FileDescriptor.open(path, O_RDONLY | O_NONBLOCK)
        } catch {
            throw .badTokenFile(path: path, reason: "\(error)")
        }
        guard unsafe fstat(file.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .badTokenFile(path: path, reason: "it is no file")
        }
        if status.st_mode & 0o077 != 0 {
            throw .badTokenFile(path: path, reason: "others may read it; 'chmod 600' it")
        }
        guard status.st_size <= fileByteCountMax else {
            throw .badTokenFile(path: path, reason: "it has more than \(fileByteCountMax) bytes")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let number = file.rawValue
        let count = unsafe bytes.withUnsafeMutableBytes {
            unsafe pread(number, $0.baseAddress, $0.count, 0)
        }
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
