// A reader of JSON for vocabularies and configurations: one pass over the bytes, in order.
//
// A vocabulary has 30,000 to 250,000 entries and is read at every start, so strings can be had as
// bytes, without a `String` for each. Who reads says what is expected; a value of another kind is
// an error. Depth is bounded.

/// What is wrong with a text that should be JSON, and where.
struct JSONFault: Error, Equatable {
    let reason: String
    let byteOffset: Int
}

/// Reads one JSON text from its beginning to its end.
struct JSONScanner {
    /// Deeper than any configuration.
    static let depthMax = 64

    private let bytes: [UInt8]
    private(set) var position = 0
    private var depth = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // A mark of the byte order, as some editors leave it.
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
    }

    // MARK: Values

    /// Reads an object; `member` reads or skips each value, and gets its name.
    mutating func object(
        _ member: (inout JSONScanner, String) throws(JSONFault) -> Void
    ) throws(JSONFault) {
        var name: [UInt8] = []
        try objectOfBytes(name: &name) { (scanner, name) throws(JSONFault) in
            try member(&scanner, String(decoding: name, as: UTF8.self))
        }
    }

    /// Reads an object, with each name as bytes, which `name` is the room for.
    mutating func objectOfBytes(
        name: inout [UInt8],
        _ member: (inout JSONScanner, [UInt8]) throws(JSONFault) -> Void
    ) throws(JSONFault) {
        try open(UInt8(ascii: "{"))
        if !take(UInt8(ascii: "}")) {
            repeat {
                name.removeAll(keepingCapacity: true)
                try appendString(to: &name)
                try expect(UInt8(ascii: ":"))
                try member(&self, name)
            } while take(UInt8(ascii: ","))
            try expect(UInt8(ascii: "}"))
        }
        depth -= 1
    }

    /// Reads an array; `element` reads or skips each value.
    mutating func array(
        _ element: (inout JSONScanner) throws(JSONFault) -> Void
    ) throws(JSONFault) {
        try open(UInt8(ascii: "["))
        if !take(UInt8(ascii: "]")) {
            repeat { try element(&self) } while take(UInt8(ascii: ","))
            try expect(UInt8(ascii: "]"))
        }
        depth -= 1
    }

    /// Reads a whole number of 32 bits that is not negative, as ids are.
    mutating func identifier() throws(JSONFault) -> Int32 {
        skipSpace()
        let start = position
        var value: Int32 = 0
        while position < bytes.count, case let digit = bytes[position], digit &- 0x30 < 10 {
            let (tens, tensOverflow) = value.multipliedReportingOverflow(by: 10)
            let (next, overflow) = tens.addingReportingOverflow(Int32(digit &- 0x30))
            if tensOverflow || overflow { throw fault("a number that is too large") }
            value = next
            position += 1
        }
        if position == start { throw fault("no whole number where one belongs") }
        return value
    }

    /// Reads a string.
    mutating func string() throws(JSONFault) -> String {
        var text: [UInt8] = []
        try appendString(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads a string, and appends its bytes.
    mutating func appendString(to text: inout [UInt8]) throws(JSONFault) {
        try expect(UInt8(ascii: "\""))
        var start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                text.append(contentsOf: bytes[start..<position])
                position += 1
                return
            }
            if byte == UInt8(ascii: "\\") {
                text.append(contentsOf: bytes[start..<position])
                position += 1
                try appendEscaped(to: &text)
                start = position
            } else if byte < 0x20 {
                throw fault("a control character in a string")
            } else {
                position += 1
            }
        }
        throw fault("a string without an end")
    }

    /// Reads a number.
    mutating func number() throws(JSONFault) -> Double {
        skipSpace()
        let start = position
        while position < bytes.count, JSONScanner.isPartOfNumber(bytes[position]) { position += 1 }
        let word = String(decoding: bytes[start..<position], as: UTF8.self)
        // What Python writes, though JSON has no such numbers.
        guard let value = Double(word) else {
            position = start
            throw fault("no number where one belongs")
        }
        return value
    }

    /// The first byte of the next value; nil at the end.
    mutating func peek() -> UInt8? {
        skipSpace()
        return position < bytes.count ? bytes[position] : nil
    }

    /// Takes `true`, `false`, `null` or another word if it comes next.
    mutating func take(word: StaticString) -> Bool {
        skipSpace()
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count else { return false }
        let isNext = unsafe UnsafeBufferPointer(start: word.utf8Start, count: count)
            .elementsEqual(bytes[position..<position + count])
        if isNext { position += count }
        return isNext
    }

    /// Passes over any value.
    mutating func skip() throws(JSONFault) {
        switch peek() {
        case UInt8(ascii: "{"):
            var name: [UInt8] = []
            try objectOfBytes(name: &name) { (scanner, _) throws(JSONFault) in try scanner.skip() }
        case UInt8(ascii: "["): try array { (scanner) throws(JSONFault) in try scanner.skip() }
        case UInt8(ascii: "\""):
            var text: [UInt8] = []
            try appendString(to: &text)
        case .some:
            if !take(word: "true") && !take(word: "false") && !take(word: "null") {
                _ = try number()
            }
        case nil: throw fault("no value where one belongs")
        }
    }

    /// Nothing may follow but space.
    mutating func end() throws(JSONFault) {
        if peek() != nil { throw fault("something after the end") }
    }

    // MARK: Parts

    /// A fault at this place.
    func fault(_ reason: String) -> JSONFault {
        JSONFault(reason: reason, byteOffset: position)
    }

    private static func isPartOfNumber(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    private mutating func skipSpace() {
        while position < bytes.count, case let byte = bytes[position],
            byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09
        {
            position += 1
        }
    }

    private mutating func take(_ mark: UInt8) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == mark else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ mark: UInt8) throws(JSONFault) {
        if !take(mark) { throw fault("no '\(Unicode.Scalar(mark))' where one belongs") }
    }

    private mutating func open(_ mark: UInt8) throws(JSONFault) {
        try expect(mark)
        depth += 1
        if depth > JSONScanner.depthMax { throw fault("values within values without end") }
    }

    private mutating func appendEscaped(to text: inout [UInt8]) throws(JSONFault) {
        guard position < bytes.count else { throw fault("a string without an end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "u"):
            let scalar = try escapedUnit()
            if let encoded = UTF8.encode(scalar) { text.append(contentsOf: encoded) }
        default: throw fault("an unknown escape in a string")
        }
    }

    private mutating func escapedUnit() throws(JSONFault) -> Unicode.Scalar {
        let first = try hexUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // Two halves of a pair stand for one character beyond the first 65,536.
        guard (0xd800..<0xdc00).contains(first), position + 1 < bytes.count,
            bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
        else { throw fault("half a character in a string") }
        position += 2
        let second = try hexUnit()
        guard (0xdc00..<0xe000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw fault("half a character in a string") }
        return scalar
    }

    private mutating func hexUnit() throws(JSONFault) -> UInt32 {
        guard position + 4 <= bytes.count else { throw fault("a string without an end") }
        var value: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            default: throw fault("an unknown escape in a string")
            }
            value = value << 4 | UInt32(digit)
        }
        position += 4
        return value
    }
}
