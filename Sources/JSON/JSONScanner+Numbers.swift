// Numbers: the grammar of RFC 8259, and their values.
//
// Up to 53 bits of digits and a power of ten up to 22 are exact in one operation, and next to all
// numbers of models and rows are so. What is longer goes to the standard library.

extension JSONScanner {
    /// A number that was passed over.
    struct NumberParts {
        var isNegative = false
        /// Its digits without the point; of use for at most 19 of them.
        var digits: UInt64 = 0
        /// How many digits there are, without zeros at the beginning.
        var digitCount = 0
        /// Which power of ten the digits are multiplied with.
        var exponent = 0
    }

    /// Beyond it no number is meant: the largest there is has an exponent of 308.
    private static let exponentMax: UInt64 = 10_000
    private static let exactDigitsMax: UInt64 = 1 << 53

    /// Reads a number.
    mutating func number() throws(JSONFault) -> Double {
        _ = peek()
        let start = position
        if let special = takeSpecial() { return special }
        let parts = try passNumber()
        if parts.digitCount <= 19, parts.digits < JSONScanner.exactDigitsMax,
            abs(parts.exponent) < JSONScanner.powersOfTen.count
        {
            let power = JSONScanner.powersOfTen[abs(parts.exponent)]
            let digits = Double(parts.digits)
            let value = parts.exponent < 0 ? digits / power : digits * power
            return parts.isNegative ? -value : value
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let value = Double(text) else { throw fault("this is no number") }
        guard value.isFinite || dialect == .python else { throw tooLarge() }
        return value
    }

    /// Reads a whole number that is written as one.
    mutating func integer() throws(JSONFault) -> Int64 {
        let parts = try passNumber(isWhole: true)
        guard parts.digitCount <= 19,
            let value = parts.isNegative
                ? Int64(exactly: parts.digits).map({ -$0 }) : Int64(exactly: parts.digits)
        else { throw tooLarge() }
        return value
    }

    /// Reads a whole number that is not negative.
    mutating func count() throws(JSONFault) -> Int64 {
        if peek() == UInt8(ascii: "-") { throw fault("no whole number where one belongs") }
        return try integer()
    }

    /// Passes over a number.
    ///
    /// - Parameter isWhole: it may have neither a point nor an exponent.
    @inline(__always)
    mutating func passNumber(isWhole: Bool = false) throws(JSONFault) -> NumberParts {
        guard let first = peek() else { throw noValue() }
        var parts = NumberParts()
        guard first == UInt8(ascii: "-") || first &- 0x30 < 10 else { throw noValue() }
        parts.isNegative = takeByte(UInt8(ascii: "-"))
        let isZero = position < bytes.count && bytes[position] == 0x30
        let wholeCount = passDigits(&parts)
        if wholeCount == 0 || (isZero && wholeCount > 1) { throw fault("this is no number") }
        let hasFraction = takeByte(UInt8(ascii: "."))
        if hasFraction {
            let count = passDigits(&parts)
            if count == 0 { throw fault("this is no number") }
            parts.exponent = -count
        }
        let hasExponent = takeByte(UInt8(ascii: "e")) || takeByte(UInt8(ascii: "E"))
        if isWhole && (hasFraction || hasExponent) {
            throw fault("no whole number where one belongs")
        }
        if hasExponent { parts.exponent += try exponent() }
        return parts
    }

    private mutating func exponent() throws(JSONFault) -> Int {
        let isDown = takeByte(UInt8(ascii: "-"))
        if !isDown { _ = takeByte(UInt8(ascii: "+")) }
        var parts = NumberParts()
        if passDigits(&parts) == 0 { throw fault("this is no number") }
        if parts.digitCount > 19 || parts.digits > JSONScanner.exponentMax { throw tooLarge() }
        return isDown ? -Int(parts.digits) : Int(parts.digits)
    }

    /// Takes a word that stands for a number, where the dialect has them.
    mutating func takeSpecial() -> Double? {
        if dialect == .strict { return nil }
        switch peek() {
        case UInt8(ascii: "N"): return take(word: "NaN") ? .nan : nil
        case UInt8(ascii: "I"): return take(word: "Infinity") ? .infinity : nil
        case UInt8(ascii: "-") where bytes[position...].starts(with: "-I".utf8):
            return take(word: "-Infinity") ? -.infinity : nil
        default: return nil
        }
    }

    private func tooLarge() -> JSONFault { fault("the number is too large") }

    private mutating func takeByte(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    @inline(__always)
    private mutating func passDigits(_ parts: inout NumberParts) -> Int {
        let start = position
        var index = start
        // Zeros at the beginning are no digits.
        if parts.digitCount == 0 {
            while index < bytes.count, bytes[index] == 0x30 { index += 1 }
        }
        let first = index
        var digits = parts.digits
        while index < bytes.count, case let digit = bytes[index] &- 0x30, digit <= 9 {
            digits = digits &* 10 &+ UInt64(digit)
            index += 1
        }
        parts.digits = digits
        parts.digitCount += index - first
        position = index
        return index - start
    }

    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ]
}
