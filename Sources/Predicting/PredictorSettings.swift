// How a predictor serves: what its command line says, with the limits that hold without it.

internal import HTTPService
internal import Inference

/// The settings of one predictor.
struct PredictorSettings: Sendable {
    /// The folder of the model.
    var path: String
    var listen = SocketAddress(host: "127.0.0.1", port: PredictorSettings.portStandard)
    var task: ModelTask?
    /// Whether the revision is exchanged when its name leads to another commit.
    var isFollowing = false
    var followSeconds = 5.0
    /// What requests have to show; nil for nothing.
    var token: String?
    var history = HistoryPlace.standard
    var historyRowCountMax = 10_000
    /// Requests of one client in a second; nil for any number.
    var requestsPerSecond: Double?
    var bodyByteCountMax = 4 << 20
    var batchByteCountMax = 256 << 20
    var rowCountMax = 1_000
    var batchRowCountMax = 1_000_000
    var threadCount = 1
    /// Whether each request is a line of the log.
    var isVerbose = false
    var proofSeconds = 120.0
    /// How long answers under way have when the predictor is to end.
    var drainSeconds = 30.0

    init(path: String) {
        self.path = path
    }

    /// Where the history is.
    enum HistoryPlace: Equatable, Sendable {
        case off
        /// In the user's folder for such things.
        case standard
        case file(String)
    }

    /// The port that Spaces expect.
    static let portStandard: UInt16 = 7860
    /// How long a prediction waits for a model that is being loaded.
    static let readyWaitSeconds = 30.0
    /// A revision that could not be read is tried again after this.
    static let attemptPauseSeconds = 30.0

    /// What the connections of clients are allowed.
    var limits: HTTPServerLimits {
        var limits = HTTPServerLimits()
        // A thread each, which takes some 40 KiB while it waits: 80 MiB for all of them.
        limits.connectionCountMax = 2_000
        limits.idleSeconds = 30
        limits.headerSeconds = 20
        limits.bodyByteCountMax = bodyByteCountMax
        limits.drainSeconds = drainSeconds
        limits.lingerSeconds = 0.1
        return limits
    }
}
