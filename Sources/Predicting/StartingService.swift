// The service manager that started this process, as systemd is one: the socket that it hands over,
// and what it is told, in the protocols of sd_listen_fds(3) and sd_notify(3).

internal import CShims
internal import Glibc
internal import Platform
internal import Settings

/// A service manager.
struct StartingService: Sendable {
    /// The first descriptor that a service manager hands over.
    ///
    /// Source: `SD_LISTEN_FDS_START`.
    private static let descriptorMin: CInt = 3

    private let address: String?
    private let hasSocket: Bool

    init(_ environment: Environment) {
        address = environment["NOTIFY_SOCKET"]
        let isForUs = environment["LISTEN_PID"].flatMap { Int32($0) } == getpid()
        hasSocket = isForUs && (environment["LISTEN_FDS"].flatMap { Int($0) } ?? 0) > 0
    }

    /// The socket that was handed over, which listens already; nil for none.
    ///
    /// To be asked for once.
    func socket() -> FileDescriptor? {
        guard hasSocket else { return nil }
        let descriptor = FileDescriptor(owning: StartingService.descriptorMin)
        _ = fcntl(descriptor.rawValue, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    /// Tells it something; that it cannot be told is no failure of ours.
    func tell(_ text: String) {
        guard let address else { return }
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes {
            unsafe modelfs_notify_service(address, $0.baseAddress, $0.count, -1)
        }
    }
}
