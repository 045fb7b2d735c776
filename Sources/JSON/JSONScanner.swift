// The words of a JSON text, one after another: marks, texts, numbers, true, false and null.
//
// It goes over the bytes once, by the rules of RFC 8259 and no others, and makes nothing that is
// not asked for: what is passed over is checked all the same. Depth is counted and bounded here,
// so that no text leads whoever reads it deeper than was agreed. It owns nothing but its place, and
// never knows what a text is about.

/// What a text may have that RFC 8259 does not.
package enum JSONDialect: Sendable {
    /// Nothing.
    case strict
    /// `NaN`, `Infinity`, `-Infinity` and numbers that stand for the latter, as Python and XGBoost
    /// write them; and a mark of the byte order before it, as some editors do.
    case python
}

/// Goes over the words of one text.
struct JSONScanner {
    let bytes: [UInt8]
    let dialect: JSONDialect
    private let depthMax: Int
    var position = 0
    private var depth = 0

    init(_ bytes: [UInt8], _ dialect: JSONDialect, depthMax: Int) {
        self.bytes = bytes
        self.dialect = dialect
        self.depthMax = depthMax
        if dialect == .python && bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
    }

    /// A fault at this place.
    func fault(_ reason: String) -> JSONFault {
        JSONFault(reason: reason, byteOffset: position)
    }

    /// The first byte of what comes next; nil at the end.
    mutating func peek() -> UInt8? {
        if position < bytes.count, bytes[position] > 0x20 { return bytes[position] }
        return passSpace()
    }

    private mutating func passSpace() -> UInt8? {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return byte }
            position += 1
        }
        return nil
    }

    /// Nothing may follow but space.
    mutating func end() throws(JSONFault) {
        if peek() != nil { throw fault("something follows the end") }
    }

    // MARK: Marks

    /// Takes a mark if it comes next.
    mutating func take(_ mark: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: mark) else { return false }
        position += 1
        return true
    }

    /// Takes a mark that has to come next.
    mutating func expect(_ mark: Unicode.Scalar) throws(JSONFault) {
        if !take(mark) { throw fault("'\(mark)' is missing") }
    }

    /// Enters what is within brackets.
    ///
    /// - Returns: whether there is anything in it; if not, it is left again.
    mutating func open(
        _ mark: Unicode.Scalar, until last: Unicode.Scalar
    ) throws(JSONFault) -> Bool {
        try expect(mark)
        depth += 1
        if depth > depthMax {
            throw fault("values within values, more than \(depthMax) deep")
        }
        if !take(last) { return true }
        depth -= 1
        return false
    }

    /// Whether another one follows within brackets; if not, they are left.
    mutating func goesOn(until last: Unicode.Scalar) throws(JSONFault) -> Bool {
        if take(",") { return true }
        if !take(last) { throw fault("',' or '\(last)' is missing") }
        depth -= 1
        return false
    }

    /// The name of a member comes next.
    mutating func expectName() throws(JSONFault) {
        if peek() != UInt8(ascii: "\"") { throw fault("a name in quotes is missing") }
    }

    // MARK: Words

    /// Takes `true`, `false` or `null` if it comes next.
    mutating func take(word: StaticString) -> Bool {
        guard peek() != nil else { return false }
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
            var isMore = try open("{", until: "}")
            while isMore {
                try expectName()
                _ = try passText()
                try expect(":")
                try skip()
                isMore = try goesOn(until: "}")
            }
        case UInt8(ascii: "["):
            var isMore = try open("[", until: "]")
            while isMore {
                try skip()
                isMore = try goesOn(until: "]")
            }
        case UInt8(ascii: "\""): _ = try passText()
        case UInt8(ascii: "t") where take(word: "true"): break
        case UInt8(ascii: "f") where take(word: "false"): break
        case UInt8(ascii: "n") where take(word: "null"): break
        default: if takeSpecial() == nil { _ = try passNumber() }
        }
    }

    /// What is said of a value that is none.
    func noValue() -> JSONFault {
        fault(position < bytes.count ? "this is no value" : "a value is missing")
    }
}
