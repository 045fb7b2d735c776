// Numbers of JSON with fractions and exponents, as a tree's conditions and leaves have them.
//
// Up to 19 digits and a power of ten up to 22 are exact in one multiplication; XGBoost writes no
// others. What is longer goes to the standard library.

extension JSONReader {
    /// Reads a number; also `NaN` and `Infinity`, which XGBoost may write.
    mutating func number() throws(WeightError) -> Double {
        skipSpace()
        let start = position
        let isNegative = takeByte(UInt8(ascii: "-"))
        if let byte = peek, byte == UInt8(ascii: "N") || byte == UInt8(ascii: "I") {
            let isNaN = byte == UInt8(ascii: "N")
            try word(isNaN ? "NaN" : "Infinity")
            return isNaN ? .nan : isNegative ? -.infinity : .infinity
        }
        var mantissa: UInt64 = 0
        var digitCount = 0
        var exponent = 0
        let wholeCount = digits(&mantissa, &digitCount)
        if wholeCount == 0 { throw .malformed(reason: "no number where one belongs") }
        if takeByte(UInt8(ascii: ".")) { exponent -= digits(&mantissa, &digitCount) }
        if takeByte(UInt8(ascii: "e")) || takeByte(UInt8(ascii: "E")) {
            let isDown = takeByte(UInt8(ascii: "-"))
            if !isDown { _ = takeByte(UInt8(ascii: "+")) }
            var value: UInt64 = 0
            var count = 0
            if digits(&value, &count) == 0 || value > 10_000 {
                throw .malformed(reason: "no number where one belongs")
            }
            exponent += isDown ? -Int(value) : Int(value)
        }
        if digitCount <= 19, mantissa < 1 << 53, abs(exponent) <= 22 {
            let power = JSONReader.powersOfTen[abs(exponent)]
            let value = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
            return isNegative ? -value : value
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let value = Double(text) else {
            throw .malformed(reason: "no number where one belongs")
        }
        return value
    }

    /// Passes over a word.
    mutating func word(_ expected: StaticString) throws(WeightError) {
        let count = expected.utf8CodeUnitCount
        let text = "\(expected)"
        guard position + count <= bytes.count,
            bytes[position..<position + count].elementsEqual(text.utf8)
        else { throw .malformed(reason: "no value where one belongs") }
        position += count
    }

    /// The first byte of the next value; 0 at the end.
    var next: UInt8 {
        mutating get {
            skipSpace()
            return peek ?? 0
        }
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func takeByte(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    /// Goes over digits; the mantissa is of use only up to 19 of them.
    private mutating func digits(_ mantissa: inout UInt64, _ digitCount: inout Int) -> Int {
        let start = position
        while position < bytes.count {
            let digit = bytes[position] &- 0x30
            if digit > 9 { break }
            mantissa = mantissa &* 10 &+ UInt64(digit)
            position += 1
            // Zeros at the beginning are no digits.
            if mantissa != 0 { digitCount += 1 }
        }
        return position - start
    }

    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ]
}
