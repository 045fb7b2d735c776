// A JSON text, read in its order by whoever knows what belongs in it.
//
// The one reader of JSON for weights, models and requests. Who uses it says what is expected next;
// a value of another kind is a fault, and `skip` passes over any. Whatever is wrong with the text
// becomes an error of the user's own, so that what the user finds wrong in it is thrown alike.

/// Reads one JSON text from its beginning to its end.
package struct JSONReader<Failure: JSONFailure> {
    private var scanner: JSONScanner

    /// - Parameters:
    ///   - bytes: the text.
    ///   - dialect: what it may have that RFC 8259 does not.
    ///   - depthMax: how deep values may lie within values; whoever reads by recursion needs a
    ///     bound.
    package init(_ bytes: [UInt8], _ dialect: JSONDialect = .strict, depthMax: Int = 64) {
        scanner = JSONScanner(bytes, dialect, depthMax: depthMax)
    }

    /// An error at this place.
    package func fault(_ reason: String) -> Failure { Failure(scanner.fault(reason)) }

    mutating func scan<Value>(
        _ body: (inout JSONScanner) throws(JSONFault) -> Value
    ) throws(Failure) -> Value {
        do throws(JSONFault) { return try body(&scanner) } catch { throw Failure(error) }
    }

    // MARK: Values

    /// Reads an object; `member` reads or skips each value, and gets its name.
    package mutating func object(
        _ member: (inout JSONReader, String) throws(Failure) -> Void
    ) throws(Failure) {
        var isMore = try open("{", until: "}")
        while isMore {
            let name = try scan { (scanner) throws(JSONFault) in
                try scanner.expectName()
                let name = try scanner.string()
                try scanner.expect(":")
                return name
            }
            try member(&self, name)
            isMore = try goesOn(until: "}")
        }
    }

    /// Reads an object, with each name as bytes, which `name` is the room for.
    package mutating func objectOfBytes(
        name: inout [UInt8], _ member: (inout JSONReader, [UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        var isMore = try open("{", until: "}")
        while isMore {
            name.removeAll(keepingCapacity: true)
            try scan { (scanner) throws(JSONFault) in
                try scanner.expectName()
                try scanner.appendString(to: &name)
                try scanner.expect(":")
            }
            try member(&self, name)
            isMore = try goesOn(until: "}")
        }
    }

    /// Reads an array; `element` reads or skips each value.
    package mutating func array(
        _ element: (inout JSONReader) throws(Failure) -> Void
    ) throws(Failure) {
        var isMore = try open("[", until: "]")
        while isMore {
            try element(&self)
            isMore = try goesOn(until: "]")
        }
    }

    /// Reads a text.
    package mutating func string() throws(Failure) -> String {
        try scan { (scanner) throws(JSONFault) in try scanner.string() }
    }

    /// Reads a text, and appends its bytes.
    package mutating func appendString(to text: inout [UInt8]) throws(Failure) {
        try scan { (scanner) throws(JSONFault) in try scanner.appendString(to: &text) }
    }

    /// Reads a number.
    package mutating func number() throws(Failure) -> Double {
        try scan { (scanner) throws(JSONFault) in try scanner.number() }
    }

    /// Reads a whole number that is written as one.
    package mutating func integer() throws(Failure) -> Int64 {
        try scan { (scanner) throws(JSONFault) in try scanner.integer() }
    }

    /// Reads a whole number that is not negative.
    package mutating func count() throws(Failure) -> Int64 {
        try scan { (scanner) throws(JSONFault) in try scanner.count() }
    }

    /// The first byte of the next value; nil at the end.
    package mutating func peek() -> UInt8? { scanner.peek() }

    /// Takes `true`, `false` or `null` if it comes next.
    package mutating func take(word: StaticString) -> Bool { scanner.take(word: word) }

    /// Passes over any value.
    package mutating func skip() throws(Failure) {
        try scan { (scanner) throws(JSONFault) in try scanner.skip() }
    }

    /// Nothing may follow but space.
    package mutating func end() throws(Failure) {
        try scan { (scanner) throws(JSONFault) in try scanner.end() }
    }

    // MARK: Parts

    mutating func open(
        _ mark: Unicode.Scalar, until last: Unicode.Scalar
    ) throws(Failure) -> Bool {
        try scan { (scanner) throws(JSONFault) in try scanner.open(mark, until: last) }
    }

    mutating func goesOn(until last: Unicode.Scalar) throws(Failure) -> Bool {
        try scan { (scanner) throws(JSONFault) in try scanner.goesOn(until: last) }
    }
}
