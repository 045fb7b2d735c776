// A NumPy array in a file of its own: a header in the notation of Python, then the values.
//
//     "\x93NUMPY" | u8 major, u8 minor | header length: u16, from version 2 on u32 | header
//     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
//
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

/// Reads the header of an `.npy` file, or of a member of an `.npz` file.
package struct NumPyArray: Equatable, Sendable {
    /// Version 1 has 65,535 bytes of header; only types of many fields need more.
    package static let headerByteCountMax: Int64 = 65_535

    package let type: TensorType
    /// Whether the first dimension is the innermost.
    package let isColumnMajor: Bool
    /// Where the values lie in the file.
    package let values: Range<Int64>

    static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    /// Reads the header of an array that begins at `start`, as far as the bytes are there.
    ///
    /// - Parameters:
    ///   - start: where the array begins; not 0 in an archive.
    ///   - end: where it has to end at the latest; the end of the file if nil.
    package static func parse(
        _ source: some ByteSource, at start: Int64 = 0, end: Int64? = nil
    ) throws(WeightError) -> Parse<NumPyArray> {
        try Parse { () throws(Halt) in
            try NumPyArray(source, at: start, end: end ?? source.sizeBytes)
        }
    }

    init(_ source: some ByteSource, at start: Int64, end: Int64) throws(Halt) {
        if end - start < 12 { throw .wrong(.truncated) }
        let head = try source.need(start..<start + 12)
        guard head.starts(with: NumPyArray.magic) else { throw .malformed("no array of NumPy") }
        let isLong = head[6] >= 2
        guard (1...3).contains(head[6]) else {
            throw .wrong(.unsupported(reason: "version \(head[6]) of NumPy's format"))
        }
        var reader = LittleEndianReader(head, at: 8)
        guard let length = try? reader.number(isLong ? 4 : 2) else { throw .wrong(.truncated) }
        if length > UInt64(NumPyArray.headerByteCountMax) {
            throw .wrong(.directoryTooLong(byteCount: Int64(length)))
        }
        let headerStart = start + (isLong ? 12 : 10)
        let first = headerStart + Int64(length)
        if first > end { throw .wrong(.truncated) }
        let text = try source.need(headerStart..<first)
        var header = HeaderReader(text)
        do throws(WeightError) { try header.read() } catch { throw .wrong(error) }
        guard let letters = header.letters, let shape = header.shape,
            let isColumnMajor = header.isColumnMajor
        else { throw .malformed("an array without its type, order or shape") }
        guard let element = ElementType(numpy: letters) else {
            throw .wrong(.unknownElementType(letters))
        }
        type = TensorType(element: element, shape: shape)
        self.isColumnMajor = isColumnMajor
        guard let byteCount = type.byteCount, byteCount <= end - first else {
            throw .wrong(.outOfRange("the array"))
        }
        values = first..<first + byteCount
    }
}

/// Reads the one form of Python's notation that headers have.
private struct HeaderReader {
    private static let dimensionCountMax = 64

    private let bytes: [UInt8]
    private var position = 0
    private(set) var letters: String?
    private(set) var isColumnMajor: Bool?
    private(set) var shape: [Int64]?

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func read() throws(WeightError) {
        try expect("{")
        while !take("}") {
            let key = try string()
            try expect(":")
            switch key {
            case "descr" where letters == nil: letters = try string()
            case "fortran_order" where isColumnMajor == nil: isColumnMajor = try truth()
            case "shape" where shape == nil: shape = try tuple()
            default: throw .malformed(reason: "an unknown field in an array's header")
            }
            if !take(",") {
                try expect("}")
                break
            }
        }
        skipSpace()
        if position != bytes.count { throw .malformed(reason: "something after the header") }
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) {
            position += 1
        }
    }

    private mutating func take(_ mark: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: mark) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ mark: Unicode.Scalar) throws(WeightError) {
        if !take(mark) { throw .malformed(reason: "no '\(mark)' in an array's header") }
    }

    /// A string without escapes; a type of several fields is none.
    private mutating func string() throws(WeightError) -> String {
        let quote: Unicode.Scalar = take("\"") ? "\"" : "'"
        if quote == "'" && !take("'") {
            throw .unsupported(reason: "a type of several fields, or no header of an array")
        }
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: quote) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if position == bytes.count { throw .malformed(reason: "a string without an end") }
        position += 1
        return text
    }

    private mutating func truth() throws(WeightError) -> Bool {
        skipSpace()
        for (word, value) in [("True", true), ("False", false)]
        where bytes[position...].starts(with: word.utf8) {
            position += word.utf8.count
            return value
        }
        throw .malformed(reason: "neither True nor False in an array's header")
    }

    private mutating func tuple() throws(WeightError) -> [Int64] {
        try expect("(")
        var numbers: [Int64] = []
        while !take(")") {
            if numbers.count == HeaderReader.dimensionCountMax { throw .tooManyEntries }
            numbers.append(try number())
            if !take(",") {
                try expect(")")
                break
            }
        }
        return numbers
    }

    private mutating func number() throws(WeightError) -> Int64 {
        skipSpace()
        let start = position
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let value = Int64(text) else {
            throw .malformed(reason: "no number in an array's shape")
        }
        return value
    }
}
