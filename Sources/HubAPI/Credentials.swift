// The token: where it comes from, and that it is never shown.
//
// Owns the only copies of the token. A token cannot be printed: its type has no other text than
// `<token>`, and the one place that reads its value is the header of a request to the Hub's own
// origin. The token file is looked at again at most once a second, on the hub thread, so that a
// new login is noticed without a restart and no other thread waits for a disk.

internal import Glibc
internal import Hashing
internal import Platform
internal import Transport

/// A secret for the Hub.
package struct AccessToken: Equatable, Sendable, CustomStringConvertible,
    CustomDebugStringConvertible, CustomReflectable
{
    private let secret: String

    /// Without line ends and surrounding blanks, as the official client cleans it; nil when
    /// nothing is left or it cannot stand in a header.
    package init?(_ text: some StringProtocol) {
        // Clean already, as nearly always: one is made for each question of a Xet server.
        let whole = String(text)
        let isClean = whole.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
        let clean = isClean ? whole : String(whole.filter { !$0.isNewline }).trimmingBlanks()
        guard !clean.isEmpty, clean.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        secret = clean
    }

    /// The value of an `Authorization` field.
    var authorization: String { "Bearer \(secret)" }

    /// What shows whether somebody else has the same token, without showing it: a hash of it and of
    /// what was drawn for this one question.
    package func mark(salt: [UInt8]) -> String {
        var hasher = SHA256Hasher()
        hasher.update(salt)
        hasher.update(Array(secret.utf8))
        return hasher.finish().hex
    }

    package var description: String { "<token>" }
    package var debugDescription: String { "<token>" }
    /// No children, so that `dump` shows nothing either.
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where a process has its token from.
package enum TokenSource: Equatable, Sendable {
    /// A variable, so that it stays what it was at the start.
    case environment
    /// A file, which is looked at again and again; there may be none.
    case file(path: String)
    /// None is to be sent.
    case nowhere
}

extension HubConfiguration {
    /// What shows whether somebody else has the token that the first endpoint would get.
    ///
    /// Nil where it would get none. May read the token file.
    package func tokenMark(salt: [UInt8]) -> String? { Credentials(self).mark(salt: salt) }
}

/// The present token of a process.
final class Credentials: Sendable {
    /// What tells one state of the file from another.
    private struct Stamp: Equatable {
        let device: UInt64
        let inode: UInt64
        let size: Int64
        let modifiedSeconds: Int
        let modifiedNanoseconds: Int
    }

    private struct State {
        var token: AccessToken? {
            didSet { if token != oldValue { generation += 1 } }
        }
        /// Grows with every token that differs from the one before.
        var generation: UInt64 = 0
        var stamp: Stamp?
        var checkedAt: MonotonicInstant?
    }

    /// How long the file is taken to be unchanged.
    static let checkSeconds = 1.0
    /// Tokens have some forty characters.
    static let fileByteCountMax = 4096

    private let origin: HTTPOrigin
    /// Nil when the token is fixed, or none is to be sent.
    private let path: String?
    /// Where the file is one of several endpoints' tokens: whose line counts.
    private let line: HubEndpoint?
    /// Where the token comes from.
    let source: TokenSource
    private let state: Lock<State>

    /// The token of one endpoint: what the endpoints' file says of it; for the first one else
    /// the token of the environment or of the token file, for mirrors else none.
    init(_ configuration: HubConfiguration, endpoint index: Int = 0) {
        let endpoint = configuration.endpoints[index]
        origin = endpoint.origin
        let tokens = configuration.endpointTokensPath
        let text = tokens.flatMap { try? EndpointTokens.read($0) } ?? ""
        let isListed = EndpointTokens.token(of: endpoint, in: text) != nil
        let isFirst = index == 0 && !isListed
        let fixed = configuration.sendsToken && isFirst ? configuration.environmentToken : nil
        if !configuration.sendsToken || fixed != nil {
            path = nil
        } else {
            path = isFirst ? configuration.tokenPath : tokens
        }
        source = fixed != nil ? .environment : path.map { .file(path: $0) } ?? .nowhere
        line = isFirst ? nil : endpoint
        state = Lock(State(token: fixed))
        refresh(at: .now, force: true)
    }

    /// The token for a request to `url`: nil for every origin but the Hub's.
    func token(for url: HTTPURL) -> AccessToken? {
        url.origin == origin ? state.withLock { $0.token } : nil
    }

    /// Of the present token; nil where there is none.
    func mark(salt: [UInt8]) -> String? {
        state.withLock { $0.token }?.mark(salt: salt)
    }

    /// Another number with every new token.
    var generation: UInt64 { state.withLock { $0.generation } }

    /// Whether the file was looked at too long ago.
    func isDue(at now: MonotonicInstant) -> Bool {
        path != nil && state.withLock { isDue($0, now) }
    }

    /// Reads the file again if it has changed.
    ///
    /// Only on the hub thread, since it reads a disk.
    ///
    /// - Parameter force: also if it does not seem to have changed or was just looked at.
    func refresh(at now: MonotonicInstant, force: Bool = false) {
        guard let path else { return }
        let known: Stamp?? = state.withLock { state in
            if !force && !isDue(state, now) { return nil }
            state.checkedAt = now
            return .some(state.stamp)
        }
        guard let known else { return }
        let file: FileDescriptor
        do throws(Errno) {
            file = try FileDescriptor.open(path, O_RDONLY | O_NONBLOCK)
        } catch {
            // What is lacking for a moment says nothing of the file.
            if Credentials.meansNoFile(error) { forget() }
            return
        }
        // Nothing that can be read: not logged in.
        guard let stamp = Credentials.stamp(of: file) else { return forget() }
        if stamp == known && !force { return }
        let token =
            if let line {
                (try? EndpointTokens.read(path)).flatMap { EndpointTokens.token(of: line, in: $0) }
            } else {
                Credentials.read(file, size: stamp.size)
            }
        state.withLock { state in
            state.token = token
            state.stamp = stamp
        }
    }

    private func forget() {
        state.withLock { state in
            state.token = nil
            state.stamp = nil
        }
    }

    /// Whether there is no file, or none that we may read.
    private static func meansNoFile(_ error: Errno) -> Bool {
        [ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG, ENXIO, EISDIR].map { Errno($0) }
            .contains(error)
    }

    private func isDue(_ state: State, _ now: MonotonicInstant) -> Bool {
        guard let checkedAt = state.checkedAt else { return true }
        return now.seconds(since: checkedAt) >= Credentials.checkSeconds
    }

    private static func stamp(of file: borrowing FileDescriptor) -> Stamp? {
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG
        else { return nil }
        return Stamp(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino),
            size: Int64(status.st_size), modifiedSeconds: status.st_mtim.tv_sec,
            modifiedNanoseconds: status.st_mtim.tv_nsec)
    }

    private static func read(_ file: borrowing FileDescriptor, size: Int64) -> AccessToken? {
        guard size > 0, size <= Int64(fileByteCountMax) else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        // Tells apart a buffer and its owner: the closure may not capture a borrowed file.
        let number = file.rawValue
        let count = unsafe bytes.withUnsafeMutableBytes {
            unsafe pread(number, $0.baseAddress, $0.count, 0)
        }
        guard count > 0 else { return nil }
        return AccessToken(String(decoding: bytes.prefix(count), as: UTF8.self))
    }
}
