// Why a text is no JSON, or not the JSON that was expected.

/// What is wrong with a text, and where.
package struct JSONFault: Error, Equatable, Sendable {
    /// In words, without a full stop.
    package let reason: String
    /// Counted from 0, in bytes.
    package let byteOffset: Int

    package init(reason: String, byteOffset: Int) {
        self.reason = reason
        self.byteOffset = byteOffset
    }
}

/// An error of whoever reads JSON, which a fault of the text becomes.
package protocol JSONFailure: Error {
    init(_ fault: JSONFault)
}

extension JSONFault: JSONFailure {
    package init(_ fault: JSONFault) { self = fault }
}
