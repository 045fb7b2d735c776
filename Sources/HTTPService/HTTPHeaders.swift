// The header fields of a request or a response, in order, found without regard to case.

/// Header fields.
///
/// Few enough that looking through all of them is the fastest way.
package struct HTTPHeaders: Sendable {
    /// In the order in which they came or will be sent.
    package private(set) var fields: [(name: String, value: String)] = []

    package init() {}

    /// Adds a field, beside others of its name if there are any.
    ///
    /// A line break in a value would be a way to smuggle in headers, so it becomes a blank.
    package mutating func add(_ name: String, _ value: String) {
        let isBroken = value.utf8.contains { $0 < 0x20 || $0 == 0x7f }
        guard isBroken else {
            fields.append((name, value))
            return
        }
        let bytes = value.utf8.map { $0 < 0x20 || $0 == 0x7f ? UInt8(ascii: " ") : $0 }
        fields.append((name, String(decoding: bytes, as: UTF8.self)))
    }

    /// The first field of that name.
    ///
    /// Setting replaces all of that name; nil removes them.
    package subscript(name: String) -> String? {
        get { fields.first { equalIgnoringCase($0.name, name) }?.value }
        set {
            fields.removeAll { equalIgnoringCase($0.name, name) }
            if let newValue { add(name, newValue) }
        }
    }
}

/// Whether two ASCII texts differ in nothing but the case of letters.
func equalIgnoringCase(_ left: String, _ right: String) -> Bool {
    let (left, right) = (left.utf8, right.utf8)
    guard left.count == right.count else { return false }
    for (one, other) in zip(left, right) where lowered(one) != lowered(other) { return false }
    return true
}

private func lowered(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}
