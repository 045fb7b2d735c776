// Contents: one attempt to fetch a range of a file's bytes.
//
// Everything about a fetch happens on the transfer thread: callers only leave messages there.
// Retrying, from where an attempt stopped, belongs to the caller, who knows what has been kept.

package import Hashing
package import Platform
internal import Synchronization
package import Transport

/// A range of a file of a commit.
package struct ContentRequest: Sendable {
    package let id: RepositoryID
    /// Never a ref: what was asked for cannot change on the way.
    package let commit: GitObjectID
    /// From the root of the repository, not encoded.
    package let path: String
    /// The whole file's length in bytes, by the tree.
    package let expectedSize: Int64
    /// The bytes wanted; all if nil.
    package let range: Range<Int64>?
    package let priority: TransferPriority
    package let deadline: MonotonicInstant
    /// How many attempts there were before this one: each is given more time.
    package let earlierAttemptCount: Int
    /// Whether a reader is expected at once: through Xet it then does not wait for the plan of its
    /// neighbour, for the price of a chunk that may come twice.
    package let isExpected: Bool

    /// How long the first attempt may take for each block: a host that drips is left for another
    /// connection, long before those who read give up.
    ///
    /// On a line that is slow by itself little is lost, since what has come stays.
    package static let firstSlowSeconds = 15.0
    /// The time doubles so many times at most.
    private static let slowDoublingsMax = 3

    /// How long this attempt may take for each block.
    var slowSeconds: Double {
        let doublings = min(earlierAttemptCount, ContentRequest.slowDoublingsMax)
        return ContentRequest.firstSlowSeconds * Double(1 << doublings)
    }

    /// REQUIRES: `expectedSize` is not negative, and `range` lies within it.
    package init(
        id: RepositoryID, commit: GitObjectID, path: String, expectedSize: Int64,
        range: Range<Int64>?, priority: TransferPriority, deadline: MonotonicInstant,
        earlierAttemptCount: Int = 0, isExpected: Bool = false
    ) {
        precondition(expectedSize >= 0)
        precondition(range.map { $0.lowerBound >= 0 && $0.upperBound <= expectedSize } ?? true)
        self.id = id
        self.commit = commit
        self.path = path
        self.expectedSize = expectedSize
        self.range = range
        self.priority = priority
        self.deadline = deadline
        self.earlierAttemptCount = earlierAttemptCount
        self.isExpected = isExpected
    }

    /// The range as it is: the whole file where none was given.
    package var bytes: Range<Int64> { range ?? 0..<expectedSize }
}

/// Receives one fetch.
///
/// Both are called on the transfer thread and may not wait.
package protocol ContentSink: AnyObject, Sendable {
    /// The next bytes of the range, in order; never more than were asked for. With `.pause` they
    /// count as not taken and come again after `HubClient.resume`; `.cancel` ends the fetch.
    func contentDidReceive(_ bytes: UnsafeRawBufferPointer) -> TransferDirective

    /// The end, exactly once. Success means that every byte of the range was delivered.
    func contentDidFinish(_ result: Result<Void, HubError>)
}

/// Names a fetch; never used twice.
package struct FetchID: Hashable, Sendable {
    let number: UInt64
}

/// The fetches under way and the URLs that were learned.
///
/// Sendable because all but the numbers is touched on the transfer thread only.
final class FetchBoard: @unchecked Sendable {
    var active: [FetchID: ContentFetch] = [:]
    /// The files of which one fetch asks where their data lies, and the fetches that wait for it.
    var asking: [SignedLocations.Key: [ContentFetch]] = [:]
    var locations = SignedLocations()
    var isClosed = false
    private let lastNumber = Atomic<UInt64>(0)

    func nextID() -> FetchID {
        FetchID(number: lastNumber.add(1, ordering: .relaxed).newValue)
    }
}

extension HubClient {
    /// Starts one attempt to bring the bytes; `sink` is told on the transfer thread.
    package func fetch(_ request: ContentRequest, sink: any ContentSink) -> FetchID {
        let id = fetches.nextID()
        let fetch = ContentFetch(id: id, request: request, sink: sink, client: self)
        let isTaken = transport.run { [fetches] in
            if fetches.isClosed { return sink.contentDidFinish(.failure(.cancelled)) }
            fetches.active[id] = fetch
            fetch.begin()
        }
        if !isTaken { sink.contentDidFinish(.failure(.cancelled)) }
        return id
    }

    /// Ends a fetch with `.cancelled`, unless it has ended already.
    package func cancel(_ id: FetchID) {
        transport.run { [fetches] in fetches.active[id]?.cancel() }
        xet.run(id) { fetch, _ in fetch.cancel() }
    }

    /// Changes how urgent a fetch is.
    package func promote(_ id: FetchID, to priority: TransferPriority) {
        transport.run { [fetches] in fetches.active[id]?.promote(to: priority) }
        xet.run(id) { $0.promote(to: priority, $1) }
    }

    /// Lets a fetch go on whose sink answered `.pause`.
    package func resume(_ id: FetchID) {
        transport.run { [fetches] in fetches.active[id]?.resume() }
        xet.run(id) { fetch, _ in fetch.resume() }
    }

    /// REQUIRES: the transfer thread.
    func endAllFetches() {
        fetches.isClosed = true
        for fetch in Array(fetches.active.values) { fetch.cancel() }
    }
}
