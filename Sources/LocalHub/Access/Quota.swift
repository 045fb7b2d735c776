// How many requests a client has left in a fixed window of time, as the Hub counts them: API calls
// and resolves apart, each by token, or by address without one. Pure; told the time.

package import Platform
package import Settings

/// What is counted apart.
package enum QuotaClass: String, CaseIterable, Sendable {
    case api, resolvers
}

/// The limits.
///
/// Without any, nothing is counted.
package struct QuotaSettings: Equatable, Sendable {
    package var limits: [QuotaClass: Int] = [:]
    /// The Hub's own window: five minutes.
    package var windowSeconds = 300

    package init() {}

    /// Reads `api=500,resolvers=3000,window=300`; `window` may be left out, or written `5m`.
    package init(parsing text: String) throws(ValueProblem) {
        for part in text.split(separator: ",") {
            let halves = part.split(separator: "=", maxSplits: 1)
            guard halves.count == 2 else {
                throw ValueProblem("a quota is written like api=500,resolvers=3000,window=300")
            }
            if halves[0] == "window" {
                windowSeconds = try QuotaSettings.window(String(halves[1]))
                continue
            }
            guard let kind = QuotaClass(rawValue: String(halves[0])) else {
                throw ValueProblem("'\(halves[0])' is no quota: use api, resolvers or window")
            }
            guard let limit = Int(halves[1]), limit >= 0 else {
                throw ValueProblem("'\(halves[1])' is not a number of requests")
            }
            limits[kind] = limit
        }
        if limits.isEmpty { throw ValueProblem("name api or resolvers, such as api=500") }
    }

    private static func window(_ text: String) throws(ValueProblem) -> Int {
        if let seconds = Int(text), seconds > 0 { return seconds }
        let span = try TimeSpan(parsing: text)
        guard span != .forever, span.milliseconds >= 1000 else {
            throw ValueProblem("a window is at least a second")
        }
        return Int(span.milliseconds / 1000)
    }
}

/// The counts of all clients.
package struct QuotaCounts: Sendable {
    /// What one request was told.
    package struct Verdict: Equatable, Sendable {
        package let isAllowed: Bool
        package let remaining: Int
        package let resetSeconds: Int
        package let limit: Int
        package let windowSeconds: Int
    }

    private struct Key: Hashable {
        let kind: QuotaClass
        let client: String
    }

    /// Clients that are remembered; when there are more, all start anew.
    private static let clientCountMax = 10_000

    private let settings: QuotaSettings
    private var windows: [Key: (start: MonotonicInstant, count: Int)] = [:]

    package init(_ settings: QuotaSettings) {
        self.settings = settings
    }

    /// Counts a request; nil where there is no limit.
    package mutating func count(
        _ kind: QuotaClass, of client: String, at now: MonotonicInstant
    ) -> Verdict? {
        guard let limit = settings.limits[kind] else { return nil }
        let length = Double(settings.windowSeconds)
        let key = Key(kind: kind, client: client)
        if windows[key] == nil && windows.count >= QuotaCounts.clientCountMax { windows = [:] }
        var window = windows[key] ?? (now, 0)
        if now.seconds(since: window.start) >= length { window = (now, 0) }
        let isAllowed = window.count < limit
        if isAllowed { window.count += 1 }
        windows[key] = window
        let left = length - now.seconds(since: window.start)
        return Verdict(
            isAllowed: isAllowed, remaining: limit - window.count,
            resetSeconds: max(1, Int(left.rounded(.up))), limit: limit,
            windowSeconds: settings.windowSeconds)
    }
}
