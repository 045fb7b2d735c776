// Says what a loading waits for, when nothing of it goes on for a while.
//
// A page of a mount comes when the daemon has it, which may be at a reader's deadline: minutes in
// which the loading thread can say nothing. This thread looks at the progress from outside. It
// changes nothing, and has no word on how the loading ends.

internal import Platform
internal import Telemetry

/// The thread that looks at one loading.
struct LoadWatch: ~Copyable {
    /// Standing still for so long is worth a line: a page from a near Hub takes a tenth of it.
    static let quietSecondsMax = 1.0
    private static let lookSeconds = 0.25

    private let over = Mailbox<Bool>()
    private let thread: ThreadBox?

    /// - Parameters:
    ///   - progress: what is looked at.
    ///   - log: gets a line when it stands still, and as long as it does one every ten seconds,
    ///     which is how often a log says the same.
    init(_ progress: LoadProgress, _ log: Log) {
        let over = over
        // Without a thread the loading goes on, in silence.
        thread = try? ThreadBox(named: "load watch", .system) {
            while !over.isClosed {
                _ = over.receive(until: .now + LoadWatch.lookSeconds)
                if !over.isClosed { LoadWatch.look(progress.now, log) }
            }
        }
    }

    private static func look(_ state: LoadProgress.State, _ log: Log) {
        let seconds = MonotonicInstant.now.seconds(since: state.changedAt)
        guard seconds >= quietSecondsMax, state.stage.isWaiting, let file = state.file
        else { return }
        log.warning(
            "waiting for a file of the model; 'modelfs status' tells whether its Hub answers",
            [
                "file": file, "stage": state.stage?.rawValue ?? "find",
                "bytes": "\(state.byteCountDone) of \(state.byteCount)",
            ])
    }

    /// The loading is over.
    consuming func end() {
        over.close()
        thread?.join()
    }
}

extension LoadStage? {
    /// Whether it waits for a disk or a network; opening and checking a model compute.
    fileprivate var isWaiting: Bool {
        switch self {
        case nil, .recognise, .map, .populate, .prove: true
        case .open, .check: false
        }
    }
}
