// Lengths of time as people write them: `30ms`, `2m`, `1h30m`, `30d`, `forever`.

/// A length of time, with the resolution of a millisecond; possibly without end.
package struct TimeSpan:
    Equatable, Hashable, Comparable, Sendable, Codable, CustomStringConvertible
{
    /// Never negative; `Int64.max` stands for no end.
    package let milliseconds: Int64

    /// Without end.
    package static let forever = TimeSpan(milliseconds: .max)

    /// - Parameter milliseconds: not negative.
    package init(milliseconds: Int64) {
        precondition(milliseconds >= 0)
        self.milliseconds = milliseconds
    }

    /// - Parameter seconds: not negative.
    package init(seconds: Int64) {
        self.init(milliseconds: seconds * 1000)
    }

    /// Reads one or more numbers, each with a unit, or `forever`.
    package init(parsing text: String) throws(ValueProblem) {
        if text == "forever" {
            self = .forever
            return
        }
        var total: Int64 = 0
        var rest = text[...]
        if rest.isEmpty { throw ValueProblem("a time is written like 30ms, 2m, 30d or forever") }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let number = Double(digits) else {
                throw ValueProblem("a time is written like 30ms, 2m, 30d or forever")
            }
            guard let factor = TimeSpan.factor(of: String(unit)) else {
                let missing = unit.isEmpty ? "the unit is missing" : "'\(unit)' is not a unit"
                throw ValueProblem("\(missing): use ms, s, m, h, d or w, such as \(digits)s")
            }
            let part = try scaled(number, by: factor, unit: "milliseconds")
            let (sum, overflow) = total.addingReportingOverflow(part)
            if overflow { throw ValueProblem("the time is too long; write forever") }
            total = sum
        }
        milliseconds = total
    }

    /// In seconds; infinite without end.
    package var seconds: Double { self == .forever ? .infinity : Double(milliseconds) / 1000 }

    package static func < (left: TimeSpan, right: TimeSpan) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// In the form that is read, with the two largest units that say something: `1h30m`.
    package var description: String {
        if self == .forever { return "forever" }
        if milliseconds < 1000 { return "\(milliseconds)ms" }
        let seconds = milliseconds / 1000
        let rest = milliseconds % 1000
        if seconds < 10 && rest != 0 { return "\(Double(milliseconds) / 1000)s" }
        let units: [(Int64, String)] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")]
        var text = ""
        var left = seconds
        var shown = 0
        for (size, name) in units where shown < 2 {
            let count = left / size
            left %= size
            if count > 0 { text += "\(count)\(name)" }
            // Once the first unit stands, the next one is the last, even when it is nothing.
            if !text.isEmpty { shown += 1 }
        }
        return text
    }

    private static func factor(of unit: String) -> Double? {
        switch unit {
        case "ms": 1
        case "s": 1000
        case "m", "min": 60_000
        case "h": 3_600_000
        case "d": 86_400_000
        case "w": 604_800_000
        default: nil
        }
    }
}
