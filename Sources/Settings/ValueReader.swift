// From the text of an argument to a typed value, or to a sentence that says how to write one.

/// Why a text is not a value, and how to write one.
package struct ValueProblem: Error, Equatable, Sendable {
    /// A sentence without capital and full stop, which follows "'text' for --option:".
    package let sentence: String

    /// - Parameter sentence: without capital and full stop.
    package init(_ sentence: String) {
        self.sentence = sentence
    }
}

/// Turns the text of an option or argument into a value.
package struct ValueReader<Value: Sendable>: Sendable {
    /// Throws a sentence that says how a value is written.
    package let read: @Sendable (String) throws(ValueProblem) -> Value
    /// The values that there are; empty where there are too many to list.
    package let words: [String]

    /// - Parameters:
    ///   - words: the values that there are, if they can be listed.
    ///   - read: throws a sentence that says how a value is written.
    package init(
        words: [String] = [], _ read: @escaping @Sendable (String) throws(ValueProblem) -> Value
    ) {
        self.words = words
        self.read = read
    }
}

extension ValueReader where Value == String {
    /// Any text, the empty one too.
    package static var text: ValueReader<String> {
        ValueReader { text throws(ValueProblem) in text }
    }

    /// A path: any text that is not empty and has no NUL.
    package static var path: ValueReader<String> {
        ValueReader { text throws(ValueProblem) in
            if text.isEmpty { throw ValueProblem("the path is empty") }
            if text.utf8.contains(0) { throw ValueProblem("a path has no NUL") }
            return text
        }
    }

    /// One of the given words.
    package static func word(_ words: [String]) -> ValueReader<String> {
        ValueReader(words: words) { text throws(ValueProblem) in
            if words.contains(text) { return text }
            let meant = suggestion(for: text, among: words).map { "; did you mean \($0)?" } ?? ""
            throw ValueProblem("use \(alternatives(words))\(meant)")
        }
    }
}

extension ValueReader where Value == Int {
    /// A whole number within the range.
    package static func number(_ range: ClosedRange<Int>) -> ValueReader<Int> {
        ValueReader { text throws(ValueProblem) in
            guard let number = Int(text), range.contains(number) else {
                throw ValueProblem(
                    "use a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }
}

extension ValueReader where Value == UInt32 {
    /// The number of a user or a group, except the highest, which means "none" to the kernel.
    package static var identity: ValueReader<UInt32> {
        ValueReader { text throws(ValueProblem) in
            guard let number = UInt32(text), number != .max else {
                throw ValueProblem("use a number, as `id -u` and `id -g` print them")
            }
            return number
        }
    }
}

extension ValueReader where Value == ByteSize {
    /// Such as `10GB`.
    package static var byteSize: ValueReader<ByteSize> {
        ValueReader { text throws(ValueProblem) in try ByteSize(parsing: text) }
    }
}

extension ValueReader where Value == SpaceLimit {
    /// Such as `10GB` or `80%`.
    package static var spaceLimit: ValueReader<SpaceLimit> {
        ValueReader { text throws(ValueProblem) in try SpaceLimit(parsing: text) }
    }
}

extension ValueReader where Value == ByteRate {
    /// Such as `50MB/s`.
    package static var byteRate: ValueReader<ByteRate> {
        ValueReader { text throws(ValueProblem) in try ByteRate(parsing: text) }
    }
}

extension ValueReader where Value == TimeSpan {
    /// Such as `30ms`, `2m` or `forever`.
    package static var timeSpan: ValueReader<TimeSpan> {
        ValueReader { text throws(ValueProblem) in try TimeSpan(parsing: text) }
    }
}

extension ValueReader where Value == SocketEndpoint {
    /// Such as `127.0.0.1:8080`.
    package static var endpoint: ValueReader<SocketEndpoint> {
        ValueReader { text throws(ValueProblem) in try SocketEndpoint(parsing: text) }
    }
}

/// `a, b or c`.
func alternatives(_ words: [String]) -> String {
    guard words.count > 1, let last = words.last else { return words.first ?? "" }
    return words.dropLast().joined(separator: ", ") + " or \(last)"
}

/// A decimal number and what follows it, blanks between them allowed.
func splitNumber(_ text: String, example: String) throws(ValueProblem) -> (Double, String) {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let number = Double(digits) else {
        throw ValueProblem("write a number and a unit, such as \(example)")
    }
    return (number, String(text.dropFirst(digits.count).drop { $0 == " " }))
}

/// The product as a whole number; refuses what does not fit.
func scaled(_ number: Double, by factor: Double, unit: String) throws(ValueProblem) -> Int64 {
    let product = (number * factor).rounded()
    // 2^63 is the first Double that is too large for Int64.
    guard product >= 0, product < 9_223_372_036_854_775_808 else {
        throw ValueProblem("that is more \(unit) than there can be")
    }
    return Int64(product)
}

/// Three significant digits of a number from 0.9995 to 999.5.
func threeDigits(_ value: Double) -> String {
    let decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
    let power = [1.0, 10, 100][decimals]
    let whole = Int((value * power).rounded())
    if decimals == 0 { return "\(whole)" }
    let divisor = Int(power)
    let fraction = String(whole % divisor)
    let zeros = String(repeating: "0", count: decimals - fraction.count)
    return "\(whole / divisor).\(zeros)\(fraction)"
}
