// Counts and times, as Prometheus reads them.
//
// Names, units and types by its conventions: base units, `_total` for what only grows, HELP and
// TYPE once for each name. The labels are few and fixed, so the number of lines is.

internal import Platform
internal import Telemetry

/// What is counted of a service.
final class PredictorMetrics: Sendable {
    /// How rows ended.
    enum RowOutcome: String, CaseIterable, Sendable { case predicted, failed }
    /// How a revision's attempt to take over ended.
    enum RevisionOutcome: String, CaseIterable, Sendable {
        case promoted, refused
        case rolledBack = "rolled_back"
    }

    /// Upper bounds of the classes of durations, in seconds.
    static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

    private struct Durations {
        var counts = [Int](repeating: 0, count: PredictorMetrics.bounds.count + 1)
        var seconds = 0.0
    }

    private struct RequestKey: Hashable, Comparable {
        let route: String
        let status: Int

        static func < (left: RequestKey, right: RequestKey) -> Bool {
            (left.route, left.status) < (right.route, right.status)
        }
    }

    private struct State {
        var requests: [RequestKey: Int] = [:]
        var durations: [String: Durations] = [:]
        var rows: [RowOutcome: Int] = [:]
        var revisions: [RevisionOutcome: Int] = [:]
    }

    private let state = Lock(State())

    /// Counts a request that is over.
    func count(route: String, status: Int, seconds: Double) {
        let index = PredictorMetrics.bounds.firstIndex { seconds <= $0 }
        state.withLock { state in
            state.requests[RequestKey(route: route, status: status), default: 0] += 1
            let place = index ?? PredictorMetrics.bounds.count
            state.durations[route, default: Durations()].counts[place] += 1
            state.durations[route]?.seconds += seconds
        }
    }

    /// Counts rows.
    func count(_ outcome: RowOutcome, _ rows: Int) {
        state.withLock { $0.rows[outcome, default: 0] += rows }
    }

    /// Counts an attempt of a revision.
    func count(_ outcome: RevisionOutcome) {
        state.withLock { $0.revisions[outcome, default: 0] += 1 }
    }

    /// Writes what is counted.
    func write(to page: inout MetricsPage) {
        let (requests, durations, rows, revisions) = state.withLock { state in
            (state.requests, state.durations, state.rows, state.revisions)
        }
        page.begin("requests_total", .counter, "Requests that are over.")
        for (key, count) in requests.sorted(by: { $0.key < $1.key }) {
            page.sample([("route", key.route), ("status", "\(key.status)")], Double(count))
        }
        page.begin("request_duration_seconds", .histogram, "Time from a request to its last byte.")
        for (route, times) in durations.sorted(by: { $0.key < $1.key }) {
            var sum = 0
            for (index, count) in times.counts.enumerated() {
                sum += count
                let bound =
                    index < PredictorMetrics.bounds.count
                    ? "\(PredictorMetrics.bounds[index])" : "+Inf"
                page.sample([("route", route), ("le", bound)], Double(sum), suffix: "_bucket")
            }
            page.sample([("route", route)], times.seconds, suffix: "_sum")
            page.sample([("route", route)], Double(sum), suffix: "_count")
        }
        page.begin("rows_total", .counter, "Rows of requests and tables, by how they ended.")
        for outcome in RowOutcome.allCases {
            page.sample([("outcome", outcome.rawValue)], Double(rows[outcome] ?? 0))
        }
        page.begin("revisions_total", .counter, "Revisions, by how their turn ended.")
        for outcome in RevisionOutcome.allCases {
            page.sample([("outcome", outcome.rawValue)], Double(revisions[outcome] ?? 0))
        }
    }
}
