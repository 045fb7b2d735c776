// What a command was given and the daemon of its cache does not use, since a daemon keeps what it
// was started with.
//
// Asks the daemon; changes nothing. Tokens are compared by a hash that is drawn for the one
// question, so none is sent or shown.

internal import HubAPI
internal import Settings

/// A command beside the daemon that serves its cache.
struct DaemonComparison {
    /// The daemon, as it is now.
    let status: DaemonStatus
    /// What the command's own environment says of the Hub.
    private let wanted: HubConfiguration
    /// Of the daemon's token and of `salt`; nil without a token.
    private let held: String?
    /// False for a daemon that does not know the question.
    private let knowsToken: Bool
    private let salt: [UInt8]
    private static let saltByteCount = 16

    /// Nil where no daemon answers, or the environment says nothing that could be compared.
    init?(_ cache: CacheDirectory, _ environment: Environment, endpoints: [String] = []) {
        salt = (0..<DaemonComparison.saltByteCount).map { _ in UInt8.random(in: 0...255) }
        // Before the status, since it has the daemon look at its token file.
        if let client = try? ControlClient(cache),
            case .token(let mark)? = try? client.ask(.token(salt: salt))
        {
            held = mark
            knowsToken = true
        } else {
            held = nil
            knowsToken = false
        }
        guard let client = try? ControlClient(cache),
            case .status(let status)? = try? client.ask(.status),
            let wanted = try? HubConfiguration(
                environment: environment.values, endpoints: endpoints)
        else { return nil }
        self.status = status
        self.wanted = wanted
    }

    private var hub: HubStatus { status.fileSystem.hub }

    /// Whether the daemon's token is another one than a command would send, from wherever.
    var hasOtherToken: Bool { hasOther { wanted.tokenMark(salt: $0) } }

    /// The command's own Hub.
    var ownHub: String { wanted.endpoint }

    /// The daemon's Hub, where the command's is another one.
    var otherHub: String? {
        hub.endpoint.isEmpty || hub.endpoint == wanted.endpoint ? nil : hub.endpoint
    }

    /// Whether the daemon asks the Hub where the command would not.
    var asksAllTheSame: Bool { wanted.isOffline && hub.state != .offline }

    /// Whether the daemon's Hub and mirrors are others than the command's.
    var hasOtherEndpoints: Bool {
        hub.allEndpoints != wanted.endpoints.map(\.text)
    }

    /// What becomes of the token in the command's environment, and how the daemon is given one;
    /// nil where there is none, or the daemon has the same.
    var tokenRemark: String? {
        guard let token = wanted.environmentToken, hasOther({ token.mark(salt: $0) })
        else { return nil }
        return "HF_TOKEN is not used: \(DaemonComparison.tokenWords(hub)). "
            + DaemonComparison.tokenAdvice(hub)
    }

    /// Whether the daemon's token is another one than that of which the mark is given.
    ///
    /// A daemon that does not know the question is taken to have the same.
    private func hasOther(_ mark: ([UInt8]) -> String?) -> Bool {
        knowsToken && held != mark(salt)
    }

    /// Whether the daemon has a token, and whence.
    static func tokenWords(_ hub: HubStatus) -> String {
        let path = hub.tokenPath ?? "the token file"
        switch (hub.tokenSource, hub.hasToken) {
        case ("environment", _): return "the daemon has the HF_TOKEN that it was started with"
        case ("file", true): return "the daemon has the token in \(path)"
        case ("nowhere", _):
            return "the daemon sends no token, as HF_HUB_DISABLE_IMPLICIT_TOKEN has it"
        case (_, false): return "the daemon has no token; it would read one from \(path)"
        default: return "the daemon has a token"
        }
    }

    /// How it is given one.
    static func tokenAdvice(_ hub: HubStatus) -> String {
        hub.tokenSource == "file"
            ? "Write yours into that file ('hf auth login' does): it is read within a second."
            : "'modelfs umount --all' ends the daemon; the next mount starts one with yours."
    }
}
