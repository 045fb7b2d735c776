// Sizes and rates as people write them: `10GB`, `512MiB`, `80%`, `50MB/s`, `100Mbit/s`.
//
// kB, MB, GB, TB are powers of 1000, KiB, MiB, GiB, TiB powers of 1024, as the standards have it.
// A lone `K`, `M` or `G` is refused, because people mean both by it.

/// A number of bytes.
package struct ByteSize:
    Equatable, Hashable, Comparable, Sendable, Codable, CustomStringConvertible
{
    /// The number itself, never negative.
    package let byteCount: Int64

    /// - Parameter byteCount: not negative.
    package init(_ byteCount: Int64) {
        precondition(byteCount >= 0)
        self.byteCount = byteCount
    }

    /// Reads a number with a unit; a bare whole number is bytes.
    package init(parsing text: String) throws(ValueProblem) {
        let (number, unit) = try splitNumber(text, example: "10GB or 512MiB")
        guard let factor = ByteSize.factor(of: unit) else {
            throw ValueProblem(ByteSize.unitAdvice(unit))
        }
        byteCount = try scaled(number, by: factor, unit: "bytes")
    }

    package static func < (left: ByteSize, right: ByteSize) -> Bool {
        left.byteCount < right.byteCount
    }

    /// With three digits and a unit of 1000s, such as `1.23 GB`; bytes below 1000 exactly.
    package var description: String {
        if byteCount < 1000 { return "\(byteCount) B" }
        var value = Double(byteCount)
        var unit = "B"
        // 999.5 and more would round to four digits, so they move on to the next unit.
        for next in ["kB", "MB", "GB", "TB", "PB", "EB"] where value >= 999.5 || unit == "B" {
            value /= 1000
            unit = next
        }
        return "\(threeDigits(value)) \(unit)"
    }

    static func factor(of unit: String) -> Double? {
        switch unit.lowercased() {
        case "", "b": 1
        case "kb": 1e3
        case "mb": 1e6
        case "gb": 1e9
        case "tb": 1e12
        case "kib": 1024
        case "mib": 1_048_576
        case "gib": 1_073_741_824
        case "tib": 1_099_511_627_776
        default: nil
        }
    }

    static func unitAdvice(_ unit: String) -> String {
        if ["k", "m", "g", "t"].contains(unit.lowercased()) {
            let letter = unit.uppercased()
            return "'\(unit)' could be \(letter)B (1000s) or \(letter)iB (1024s): write which"
        }
        return "'\(unit)' is not a unit of size: use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB"
    }
}

/// A bound on space: so many bytes, or so much of the whole.
package enum SpaceLimit: Equatable, Sendable, Codable, CustomStringConvertible {
    case bytes(ByteSize)
    /// Over 0, at most 100.
    case percent(Double)

    /// Reads `10GB` or `80%`.
    package init(parsing text: String) throws(ValueProblem) {
        guard text.hasSuffix("%") else {
            self = .bytes(try ByteSize(parsing: text))
            return
        }
        guard let value = Double(text.dropLast()), value > 0, value <= 100 else {
            throw ValueProblem("a share is more than 0% and at most 100%")
        }
        self = .percent(value)
    }

    /// The limit in bytes, where the whole has that size.
    package func bytes(of whole: ByteSize) -> ByteSize {
        switch self {
        case .bytes(let size): size
        case .percent(let share): ByteSize(Int64(Double(whole.byteCount) * share / 100))
        }
    }

    /// In the form that is read.
    package var description: String {
        switch self {
        case .bytes(let size): "\(size.byteCount)B"
        case .percent(let share): "\(share)%"
        }
    }
}

/// A number of bytes in a second.
package struct ByteRate: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// Never negative.
    package let bytesPerSecond: Int64

    /// - Parameter bytesPerSecond: not negative.
    package init(bytesPerSecond: Int64) {
        precondition(bytesPerSecond >= 0)
        self.bytesPerSecond = bytesPerSecond
    }

    /// Reads `50MB/s`, `10MiB/s` or `100Mbit/s`; the `/s` may be left out.
    package init(parsing text: String) throws(ValueProblem) {
        let bare = text.hasSuffix("/s") ? String(text.dropLast(2)) : text
        let (number, unit) = try splitNumber(bare, example: "50MB/s or 100Mbit/s")
        let bits: [String: Double] = ["bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9]
        if let factor = bits[unit.lowercased()] {
            bytesPerSecond = try scaled(number, by: factor / 8, unit: "bytes a second")
            return
        }
        guard let factor = ByteSize.factor(of: unit) else {
            throw ValueProblem(ByteSize.unitAdvice(unit))
        }
        bytesPerSecond = try scaled(number, by: factor, unit: "bytes a second")
    }

    /// Such as `50.0 MB/s`.
    package var description: String { "\(ByteSize(bytesPerSecond))/s" }
}
