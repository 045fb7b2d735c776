// The operands of a pickle's operations: numbers, texts and lines, from bytes that may end.

/// Goes over the bytes of a pickle.
struct PickleReader {
    private let bytes: [UInt8]
    private(set) var position: Int

    /// Longer numbers than this do not fit 64 bits; the longest that is real marks old files.
    private static let longByteCountMax = 64
    private static let lineByteCountMax = 1 << 16

    init(_ bytes: [UInt8], at position: Int) {
        self.bytes = bytes
        self.position = position
    }

    mutating func take(_ count: UInt64) throws(WeightError) -> ArraySlice<UInt8> {
        if count > UInt64(bytes.count - position) { throw .truncated }
        let start = position
        position += Int(count)
        return bytes[start..<position]
    }

    mutating func uint8() throws(WeightError) -> UInt8 {
        if position == bytes.count { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }

    /// A number of so many bytes, the lowest first.
    mutating func number(_ byteCount: Int) throws(WeightError) -> UInt64 {
        var value: UInt64 = 0
        for (index, byte) in try take(UInt64(byteCount)).enumerated() {
            value |= UInt64(byte) << UInt64(8 * index)
        }
        return value
    }

    /// The bytes up to the end of a line, which is passed over.
    mutating func line() throws(WeightError) -> ArraySlice<UInt8> {
        let limit = min(bytes.count, position + PickleReader.lineByteCountMax)
        guard let end = bytes[position..<limit].firstIndex(of: 0x0a) else {
            if limit == bytes.count { throw .truncated }
            throw .malformed(reason: "in a pickle, a line without an end")
        }
        let line = bytes[position..<end]
        position = end + 1
        return line
    }

    mutating func textLine() throws(WeightError) -> String {
        try PickleReader.text(try line())
    }

    /// A line that is the place of something in the memo.
    mutating func decimalLine() throws(WeightError) -> Int {
        guard let number = Int(try textLine()), number >= 0 else {
            throw .malformed(reason: "in a pickle, no number where one belongs")
        }
        return number
    }

    static func text(_ bytes: ArraySlice<UInt8>) throws(WeightError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .malformed(reason: "in a pickle, a text that is no UTF-8")
        }
        return text
    }

    // MARK: Numbers

    mutating func number(for opcode: PickleOpcode) throws(WeightError) -> PickleItem {
        switch opcode {
        case .binint1: return .integer(Int64(try uint8()))
        case .binint2: return .integer(Int64(try number(2)))
        case .binint:
            return .integer(Int64(Int32(bitPattern: UInt32(try number(4)))))
        case .long1: return .integer(try long(UInt64(try uint8())))
        case .long4: return .integer(try long(try number(4)))
        case .int:
            let line = try textLine()
            // The two truth values of protocol 0.
            if line == "01" { return .boolean(true) }
            if line == "00" { return .boolean(false) }
            return .integer(try decimal(line[...]))
        case .long:
            let line = try textLine()
            return .integer(try decimal(line.hasSuffix("L") ? line.dropLast() : line[...]))
        case .float:
            guard let number = Double(try textLine()) else {
                throw .malformed(reason: "in a pickle, no number where one belongs")
            }
            return .number(number)
        default:
            // The highest byte first.
            return .number(Double(bitPattern: try number(8).byteSwapped))
        }
    }

    private func decimal(_ line: Substring) throws(WeightError) -> Int64 {
        guard let number = Int64(line) else {
            throw .malformed(reason: "in a pickle, no number of 64 bits where one belongs")
        }
        return number
    }

    /// A number in two's complement of as many bytes as it needs.
    private mutating func long(_ byteCount: UInt64) throws(WeightError) -> Int64 {
        if byteCount > PickleReader.longByteCountMax { throw .tooManyEntries }
        let digits = try take(byteCount)
        guard let last = digits.last else { return 0 }
        let filler: UInt8 = last >= 0x80 ? 0xff : 0
        // Beyond 64 bits only what the sign fills up with is a number that fits.
        if digits.count > 8 {
            let rest = digits.dropFirst(8)
            let isFilled = rest.allSatisfy { $0 == filler }
            let signFits = (digits[digits.startIndex + 7] >= 0x80) == (filler == 0xff)
            if !isFilled || !signFits {
                throw .unsupported(reason: "a number of more than 64 bits")
            }
        }
        var value: UInt64 = filler == 0 ? 0 : .max
        for (index, byte) in digits.prefix(8).enumerated() {
            let shift = UInt64(8 * index)
            value = value & ~(0xff << shift) | UInt64(byte) << shift
        }
        return Int64(bitPattern: value)
    }

    // MARK: Texts

    mutating func text(for opcode: PickleOpcode) throws(WeightError) -> PickleItem {
        switch opcode {
        case .binunicode: .text(try PickleReader.text(try take(try number(4))))
        case .shortBinunicode: .text(try PickleReader.text(try take(UInt64(try uint8()))))
        case .binunicode8: .text(try PickleReader.text(try take(try number(8))))
        case .binbytes: .bytes(Array(try take(try number(4))))
        case .shortBinbytes: .bytes(Array(try take(UInt64(try uint8()))))
        case .binbytes8, .bytearray8: .bytes(Array(try take(try number(8))))
        case .unicode: .text(try escaped(try line()))
        case .string: try quoted(try line())
        case .binstring: oldText(try take(try number(4)))
        default: oldText(try take(UInt64(try uint8())))
        }
    }

    /// A string of Python 2, which may be a text or bytes.
    private func oldText(_ bytes: ArraySlice<UInt8>) -> PickleItem {
        String(validating: bytes, as: UTF8.self).map(PickleItem.text) ?? .bytes(Array(bytes))
    }

    /// A string of protocol 0, in quotes and with Python's escapes.
    private func quoted(_ line: ArraySlice<UInt8>) throws(WeightError) -> PickleItem {
        guard line.count >= 2, let quote = line.first, quote == line.last,
            quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"")
        else { throw .malformed(reason: "in a pickle, a string without quotes") }
        var decoded: [UInt8] = []
        var rest = line.dropFirst().dropLast()
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                decoded.append(byte)
                continue
            }
            guard let kind = rest.popFirst() else {
                throw .malformed(reason: "in a pickle, an escape without an end")
            }
            switch kind {
            case UInt8(ascii: "n"): decoded.append(0x0a)
            case UInt8(ascii: "t"): decoded.append(0x09)
            case UInt8(ascii: "r"): decoded.append(0x0d)
            case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): decoded.append(kind)
            case UInt8(ascii: "x"):
                decoded.append(UInt8(truncatingIfNeeded: try hexadecimal(&rest, 2)))
            default: throw .malformed(reason: "in a pickle, an unknown escape")
            }
        }
        return oldText(decoded[...])
    }

    /// A text of protocol 0: Latin 1 with `\uXXXX` and `\UXXXXXXXX`.
    private func escaped(_ line: ArraySlice<UInt8>) throws(WeightError) -> String {
        var text = String.UnicodeScalarView()
        var rest = line
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let kind = rest.first,
                kind == UInt8(ascii: "u") || kind == UInt8(ascii: "U")
            else {
                text.append(Unicode.Scalar(byte))
                continue
            }
            rest = rest.dropFirst()
            let digits = kind == UInt8(ascii: "u") ? 4 : 8
            guard let scalar = Unicode.Scalar(try hexadecimal(&rest, digits)) else {
                throw .malformed(reason: "in a pickle, half a character")
            }
            text.append(scalar)
        }
        return String(text)
    }

    private func hexadecimal(
        _ rest: inout ArraySlice<UInt8>, _ count: Int
    ) throws(WeightError) -> UInt32 {
        guard rest.count >= count,
            let text = String(validating: rest.prefix(count), as: UTF8.self),
            text.allSatisfy(\.isHexDigit), let value = UInt32(text, radix: 16)
        else { throw .malformed(reason: "in a pickle, an unknown escape") }
        rest = rest.dropFirst(count)
        return value
    }
}
