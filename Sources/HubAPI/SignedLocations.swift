// Where contents were last found: the signed URLs that `resolve` led to.
//
// A following range of the same file goes there at once, which saves a request of the scarce kind.
// Pure: told the time. A URL is forgotten when it expires, when it is refused, or when there are
// too many.

internal import Hashing
internal import Platform
internal import Transport

/// Signed URLs by file.
struct SignedLocations {
    struct File: Hashable, Sendable {
        let id: RepositoryID
        let commit: GitObjectID
        /// Its bytes: equal strings may be spelled with different ones.
        let path: [UInt8]

        init(id: RepositoryID, commit: GitObjectID, path: String) {
            self.id = id
            self.commit = commit
            self.path = Array(path.utf8)
        }

        init(_ request: ContentRequest) {
            self.init(id: request.id, commit: request.commit, path: request.path)
        }
    }

    struct Key: Hashable {
        let file: File
        /// Who has said where its data is.
        var endpoint = 0
    }

    private struct Entry {
        let url: HTTPURL
        let until: WallTime
    }

    /// URLs kept: of some kilobytes each, so a few megabytes.
    static let countMax = 2048
    /// How long a URL is kept that does not say when it expires.
    ///
    /// The Hub's are valid for an hour.
    static let secondsMax: Int64 = 1800
    /// How long before its end a URL is no longer used, in seconds.
    static let marginSeconds: Int64 = 10

    private var entries: [Key: Entry] = [:]
    /// The keys by age; may name keys that are gone.
    private(set) var order: [Key] = []

    /// Where to go for a file; nil when that has to be asked first.
    mutating func location(of key: Key, at now: WallTime) -> HTTPURL? {
        guard let entry = entries[key] else { return nil }
        if now < entry.until { return entry.url }
        entries[key] = nil
        return nil
    }

    mutating func remember(_ url: HTTPURL, for key: Key, at now: WallTime) {
        let ownEnd = now.secondsSince1970 + SignedLocations.secondsMax
        let until = min(
            ownEnd, expiry(of: url).map { $0 - SignedLocations.marginSeconds } ?? ownEnd)
        if until <= now.secondsSince1970 { return forget(key) }
        if entries.updateValue(
            Entry(url: url, until: WallTime(secondsSince1970: until)), forKey: key) == nil
        {
            order.append(key)
            // What was forgotten and came again is named twice.
            if order.count > 2 * SignedLocations.countMax { orderAnew() }
        }
        if entries.count > SignedLocations.countMax { dropOldest() }
    }

    mutating func forget(_ key: Key) {
        entries[key] = nil
    }

    var count: Int { entries.count }

    /// Leaves each key that is there where it was named last.
    private mutating func orderAnew() {
        var seen: Set<Key> = []
        let last = order.reversed().filter { entries[$0] != nil && seen.insert($0).inserted }
        order = last.reversed()
    }

    /// Drops a quarter at a time, so that it is rarely done.
    private mutating func dropOldest() {
        orderAnew()
        let dropped = order.prefix(SignedLocations.countMax / 4)
        for key in dropped { entries[key] = nil }
        order.removeFirst(dropped.count)
    }

    /// When a URL says that it expires, in seconds since 1970: CloudFront's `Expires`.
    private func expiry(of url: HTTPURL) -> Int64? {
        for parameter in (url.query ?? "").split(separator: "&")
        where parameter.hasPrefix("Expires=") {
            // A date before 1970 is none; without this a great negative number would overflow.
            return Int64(parameter.dropFirst("Expires=".count)).flatMap { $0 < 0 ? nil : $0 }
        }
        return nil
    }
}
