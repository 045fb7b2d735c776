// Which revision serves, which served before, and which are not to take over.
//
// Pure: revisions are values with a key. One earlier revision is kept for a rollback. A revision
// that was rolled back, or that failed its check, is not loaded again until the name leads to yet
// another one; one that could not be read may be, after a pause.

internal import Platform

/// The succession of revisions.
struct RevisionBook<Revision> {
    /// A revision that did not take over.
    struct Refusal: Equatable {
        var key: String
        var reason: String
        var time: WallTime
        /// Not before; nil for never again.
        var nextAttempt: MonotonicInstant?
    }

    private(set) var current: Revision?
    private(set) var previous: Revision?
    private(set) var refusal: Refusal?
    /// The revision that was rolled back.
    private(set) var heldBack: String?
    private let key: (Revision) -> String

    init(key: @escaping (Revision) -> String) {
        self.key = key
    }

    /// Whether what a name leads to now should be loaded.
    func wants(_ found: String, at now: MonotonicInstant) -> Bool {
        if let current, key(current) == found { return false }
        if heldBack == found { return false }
        guard let refusal, refusal.key == found else { return true }
        guard let next = refusal.nextAttempt else { return false }
        return now >= next
    }

    /// A revision is ready: it serves from now on.
    mutating func promote(_ revision: Revision) {
        if current != nil { previous = current }
        current = revision
        refusal = nil
        heldBack = nil
    }

    /// A revision is not to serve.
    mutating func refuse(
        _ key: String, reason: String, time: WallTime, nextAttempt: MonotonicInstant?
    ) {
        refusal = Refusal(key: key, reason: reason, time: time, nextAttempt: nextAttempt)
    }

    /// The name leads to what serves: what was held back or refused before may come again.
    mutating func settle(_ found: String) {
        if let heldBack, heldBack != found { self.heldBack = nil }
        if let refusal, refusal.key != found { self.refusal = nil }
    }

    /// Goes back to the revision before; false when there is none.
    mutating func rollBack() -> Bool {
        guard let earlier = previous, let now = current else { return false }
        current = earlier
        previous = now
        heldBack = key(now)
        return true
    }
}
