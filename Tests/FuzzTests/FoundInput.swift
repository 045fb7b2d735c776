// Inputs that a fuzzer found, and that ended the process or broke a promise before they were
// mended.

import Testing

/// A row of the table.
struct FoundInput: Sendable, CustomTestStringConvertible {
    /// The name of the case.
    let fuzzCase: String
    let bytes: [UInt8]
    /// What it did.
    let story: String

    var testDescription: String { "\(fuzzCase): \(story)" }

    static let all: [FoundInput] = []
}
