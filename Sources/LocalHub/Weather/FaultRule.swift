// Faults on purpose: what goes wrong, for which paths, how often.

package import Settings

/// What goes wrong with an answer.
package enum FaultKind: Equatable, Sendable {
    /// Another status instead of the answer, with a Retry-After if given.
    case status(Int, retryAfterSeconds: Int?)
    /// The answer stops for so long in the middle of its body, or comes so late if it has none.
    case stall(seconds: Double)
    /// The connection is closed in the middle of the body.
    case truncate
    /// One byte of the body is another one.
    case flip
    /// The connection is torn down in the middle of the body.
    case reset
    /// Data URLs are over: those that are asked for, and those that are given out.
    case expire
    /// Half of the body, with a length that says so.
    case length
    /// The body comes no faster than that.
    case drip(bytesPerSecond: Int64)
}

extension FaultKind {
    /// The word that it is written with; a status with its number.
    var name: String {
        switch self {
        case .status(let code, _): "status=\(code)"
        case .stall: "stall"
        case .truncate: "truncate"
        case .flip: "flip"
        case .reset: "reset"
        case .expire: "expire"
        case .length: "length"
        case .drip: "drip"
        }
    }
}

/// A kind of fault, and when it happens.
package struct FaultRule: Equatable, Sendable {
    package var kind: FaultKind
    /// The share of matching requests that it happens to.
    package var rate = 1.0
    /// Only so many matching requests are looked at; all if nil.
    package var countMax: Int?
    /// `*` stands for any characters, `?` for one.
    ///
    /// Compared with the path, without the query.
    package var pathPattern = "*"

    package init(_ kind: FaultKind) {
        self.kind = kind
    }

    /// Reads `KIND[=VALUE][,rate=0..1][,count=N][,path=GLOB]`.
    package init(parsing text: String) throws(ValueProblem) {
        var parts = text.split(separator: ",", omittingEmptySubsequences: false)[...]
        guard let first = parts.popFirst(), !first.isEmpty else {
            throw ValueProblem("a fault is written like status=503,rate=0.1,path=/api/*")
        }
        kind = try FaultRule.kind(first)
        for part in parts {
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = halves.count > 1 ? String(halves[1]) : ""
            switch halves[0] {
            case "rate":
                guard let rate = Double(value), (0...1).contains(rate) else {
                    throw ValueProblem("rate is a number from 0 to 1, such as rate=0.1")
                }
                self.rate = rate
            case "count":
                guard let count = Int(value), count > 0 else {
                    throw ValueProblem("count is a number of requests, such as count=3")
                }
                countMax = count
            case "path":
                if value.isEmpty { throw ValueProblem("path is a pattern, such as path=/api/*") }
                pathPattern = value
            default:
                throw ValueProblem("'\(part)' is not understood: use rate=, count= or path=")
            }
        }
    }

    private static func kind(_ text: Substring) throws(ValueProblem) -> FaultKind {
        let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let value: Substring? = halves.count > 1 ? halves[1] : nil
        switch (halves[0], value) {
        case ("status", let value?):
            let numbers = value.split(separator: ":", omittingEmptySubsequences: false)
            guard numbers.count <= 2, let status = Int(numbers[0]), (400...599).contains(status)
            else { throw ValueProblem("status is 400 to 599, such as status=503 or status=429:5") }
            guard numbers.count == 2 else { return .status(status, retryAfterSeconds: nil) }
            guard let seconds = Int(numbers[1]), seconds >= 0 else {
                throw ValueProblem("'\(numbers[1])' is not a number of seconds for Retry-After")
            }
            return .status(status, retryAfterSeconds: seconds)
        case ("stall", let value?):
            guard let seconds = Double(value) ?? seconds(value), seconds >= 0, seconds.isFinite
            else { throw ValueProblem("stall is a number of seconds, such as stall=5") }
            return .stall(seconds: seconds)
        case ("truncate", nil): return .truncate
        case ("flip", nil): return .flip
        case ("reset", nil): return .reset
        case ("expire", nil): return .expire
        case ("length", nil): return .length
        case ("drip", let value?):
            return .drip(bytesPerSecond: try ByteRate(parsing: String(value)).bytesPerSecond)
        default:
            throw ValueProblem(
                "'\(text)' is no kind of fault: use status=CODE[:RETRY-AFTER], stall=SECONDS, "
                    + "truncate, flip, reset, expire, length or drip=RATE")
        }
    }

    private static func seconds(_ text: Substring) -> Double? {
        (try? TimeSpan(parsing: String(text)))?.seconds
    }
}

/// Whether a text has the form of a pattern with `*` and `?`; in time proportional to both at most.
package func matches(_ text: some StringProtocol, pattern: some StringProtocol) -> Bool {
    let text = Array(text.utf8)
    let pattern = Array(pattern.utf8)
    var (position, wanted) = (0, 0)
    // Where to go on when a guess about the last `*` was wrong.
    var retry: (position: Int, wanted: Int)?
    while position < text.count {
        if wanted < pattern.count, pattern[wanted] == UInt8(ascii: "*") {
            retry = (position, wanted + 1)
            wanted += 1
        } else if wanted < pattern.count,
            pattern[wanted] == UInt8(ascii: "?") || pattern[wanted] == text[position]
        {
            position += 1
            wanted += 1
        } else if let last = retry {
            retry = (last.position + 1, last.wanted)
            position = last.position + 1
            wanted = last.wanted
        } else {
            return false
        }
    }
    return pattern[wanted...].allSatisfy { $0 == UInt8(ascii: "*") }
}
