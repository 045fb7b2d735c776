// Texts of JSON as they are written: the one place that knows what has to be escaped in them.

/// Appends a text in quotes, with what may not stand there escaped (RFC 8259, section 7).
package func appendJSONText(_ text: String, to out: inout [UInt8]) {
    let digits: StaticString = "0123456789abcdef"
    out.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            out.append(UInt8(ascii: "\\"))
            out.append(byte)
        case 0..<0x20:
            out += "\\u00".utf8
            out.append(unsafe digits.utf8Start[Int(byte >> 4)])
            out.append(unsafe digits.utf8Start[Int(byte & 15)])
        default:
            out.append(byte)
        }
    }
    out.append(UInt8(ascii: "\""))
}
