// How far a long command has come: a bar on a terminal, a line now and then elsewhere.
//
// It is written to standard error, so that standard output has the answer alone.

internal import Glibc
internal import Platform
internal import Settings

/// Shows progress, if there is any to show.
struct ProgressBar {
    /// Between two lines where there is no terminal, in seconds.
    private static let lineSeconds = 5.0
    private static let width = 30

    private let isTerminal: Bool
    private var due: MonotonicInstant
    private var isShown = false
    private var rate = ProgressRate()

    init(_ environment: Environment) {
        isTerminal = isatty(2) == 1 && environment["TERM"] != "dumb"
        // What is done within a moment needs no line.
        due = .now + (isTerminal ? 0 : ProgressBar.lineSeconds)
    }

    mutating func show(_ progress: CacheProgress) {
        rate.note(progress.doneBytes, at: .now)
        if progress.totalBytes <= 0 || MonotonicInstant.now < due { return }
        let text =
            ProgressBar.text(progress, isBar: isTerminal)
            + rate.text(leftBytes: progress.totalBytes - progress.doneBytes)
        if isTerminal {
            writeText("\r\(text)\u{1b}[K", to: 2)
            isShown = true
        } else {
            writeText("\(text)\n", to: 2)
            due = .now + ProgressBar.lineSeconds
        }
    }

    /// Leaves the line to what comes next.
    mutating func end() {
        if isShown { writeText("\r\u{1b}[K", to: 2) }
        isShown = false
    }

    static func text(_ progress: CacheProgress, isBar: Bool) -> String {
        let done = min(max(0, progress.doneBytes), progress.totalBytes)
        let share = Double(done) / Double(max(1, progress.totalBytes))
        let percent = "\(Int(share * 100)) %"
        let sizes = "\(ByteSize(done)) of \(ByteSize(progress.totalBytes))"
        if !isBar { return "\(sizes) (\(percent))" }
        let filled = Int(share * Double(width))
        let bar =
            String(repeating: "#", count: filled)
            + String(repeating: "-", count: width - filled)
        return "[\(bar)] \(percent)  \(sizes)"
    }
}
