// Percent-encoding of URL parts, and the `key=value&…` form of queries and posted forms.
//
// Decoding never fails on the way a text is encoded, as servers have it: what is no valid escape
// stands for itself. It fails only where the decoded bytes are no UTF-8.

/// The text with its `%XX` escapes resolved; nil where the result is not UTF-8.
package func percentDecoded(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
    let bytes = Array(text.utf8)
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
        let byte = bytes[index]
        if byte == UInt8(ascii: "%"), index + 2 < bytes.count,
            let high = hexValue(bytes[index + 1]), let low = hexValue(bytes[index + 2])
        {
            decoded.append(high << 4 | low)
            index += 3
            continue
        }
        decoded.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
        index += 1
    }
    return String(validating: decoded, as: UTF8.self)
}

/// The text with every byte escaped that is neither unreserved (RFC 3986, 2.3) nor in `keeping`.
package func percentEncoded(_ text: some StringProtocol, keeping: String = "") -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    let kept = Array(keeping.utf8)
    var encoded: [UInt8] = []
    encoded.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
        if isUnreserved(byte) || kept.contains(byte) {
            encoded.append(byte)
        } else {
            encoded.append(UInt8(ascii: "%"))
            encoded.append(digits[Int(byte >> 4)])
            encoded.append(digits[Int(byte & 15)])
        }
    }
    return String(decoding: encoded, as: UTF8.self)
}

/// The values of a query or of a posted form, in order.
package struct HTTPQuery: Sendable {
    /// Decoded names and values.
    package let items: [(name: String, value: String)]

    /// The most items that are looked at: 10,000 paths of a posted form and some more.
    package static let itemCountMax = 16_384

    /// Reads `name=value&name=value`; items that are not UTF-8 are left out.
    package init(_ text: some StringProtocol) {
        var items: [(name: String, value: String)] = []
        for part in text.split(separator: "&").prefix(HTTPQuery.itemCountMax) {
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = percentDecoded(halves[0], plusIsSpace: true),
                let value = percentDecoded(halves.count > 1 ? halves[1] : "", plusIsSpace: true)
            else { continue }
            items.append((name, value))
        }
        self.items = items
    }

    /// The first value of that name.
    package subscript(name: String) -> String? { items.first { $0.name == name }?.value }

    /// All values of that name, in order.
    package func all(_ name: String) -> [String] {
        items.filter { $0.name == name }.map(\.value)
    }
}

private func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        true
    default: false
    }
}

private func hexValue(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
}
