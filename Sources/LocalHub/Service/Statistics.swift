// What was asked of the server, counted: tests and benchmarks read it, over HTTP or directly.

internal import HTTPService
internal import Platform
internal import Xet

/// A kind of request, as it is counted.
package enum RequestKind: String, CaseIterable, Sendable {
    case repoInfo = "repo-info"
    case revision, tree, refs
    case pathsInfo = "paths-info"
    case listing
    case authCheck = "auth-check"
    case resolveHead = "resolve-head"
    case resolveGet = "resolve-get"
    case resolveCache = "resolve-cache"
    case data
    case xetToken = "xet-token"
    case reconstruction
    case xorbData = "xorb-data"
    case whoami, other
}

/// Counts since the start or the last reset.
///
/// Shared by all threads.
package final class Statistics: Sendable {
    /// The numbers at one time.
    package struct Snapshot: Equatable, Sendable {
        package var requests: [RequestKind: Int] = [:]
        /// Body bytes of data URLs that were sent.
        package var dataByteCount: Int64 = 0
        /// Body bytes of small files that were sent.
        package var smallByteCount: Int64 = 0
        /// Body bytes of xorbs that were sent.
        package var xorbByteCount: Int64 = 0
        /// Body bytes of reconstructions that were sent.
        package var reconstructionByteCount: Int64 = 0
        /// Requests for data that carried a token, which none should.
        package var dataWithAuthorization = 0
        /// Answers by status; 0 counts connections that were cut.
        package var statuses: [Int: Int] = [:]
        /// Faults that were made on purpose.
        package var faultCount = 0
        /// The same by kind, such as `stall`.
        package var faults: [String: Int] = [:]
    }

    private let state = Lock(Snapshot())

    package init() {}

    /// The numbers now.
    package var snapshot: Snapshot { state.withLock { $0 } }

    /// Starts anew.
    package func reset() {
        state.withLock { $0 = Snapshot() }
    }

    func count(_ kind: RequestKind, hasAuthorization: Bool) {
        state.withLock { state in
            state.requests[kind, default: 0] += 1
            if [.data, .xorbData].contains(kind) && hasAuthorization {
                state.dataWithAuthorization += 1
            }
        }
    }

    func count(_ fault: FaultKind) {
        state.withLock { state in
            state.faultCount += 1
            state.faults[fault.name, default: 0] += 1
        }
    }

    func count(_ record: HTTPRecord) {
        state.withLock { state in
            state.statuses[record.status, default: 0] += 1
            guard record.status / 100 == 2, let counter = Self.counter(of: record.target) else {
                return
            }
            state[keyPath: counter] += record.bodyByteCount
        }
    }

    /// Where the bytes of an answer count; nil if they do not.
    private static func counter(of target: String) -> WritableKeyPath<Snapshot, Int64>? {
        if target.hasPrefix(Route.dataPrefix) { return \.dataByteCount }
        if target.hasPrefix(Route.xorbDataPrefix) { return \.xorbByteCount }
        if target.hasPrefix("/api/resolve-cache/") { return \.smallByteCount }
        let isReconstruction = ReconstructionVersion.allCases.contains {
            target.hasPrefix($0.path)
        }
        return isReconstruction ? \.reconstructionByteCount : nil
    }

    /// As `/_modelfs/stats` shows it.
    var json: JSON {
        let snapshot = snapshot
        let requests = RequestKind.allCases.map { kind in
            (kind.rawValue, JSON.count(snapshot.requests[kind] ?? 0))
        }
        let statuses = snapshot.statuses.sorted { $0.key < $1.key }.map {
            (String($0.key), JSON.count($0.value))
        }
        let kinds = snapshot.faults.sorted { $0.key < $1.key }.map {
            ($0.key, JSON.count($0.value))
        }
        return .object([
            ("requests", .object(requests)),
            ("requestCount", .count(snapshot.requests.values.reduce(0, +))),
            ("dataBytes", .int(snapshot.dataByteCount)),
            ("smallBytes", .int(snapshot.smallByteCount)),
            ("xorbBytes", .int(snapshot.xorbByteCount)),
            ("reconstructionBytes", .int(snapshot.reconstructionByteCount)),
            ("dataWithAuthorization", .count(snapshot.dataWithAuthorization)),
            ("statuses", .object(statuses)),
            ("faults", .count(snapshot.faultCount)),
            ("faultsByKind", .object(kinds)),
        ])
    }
}
