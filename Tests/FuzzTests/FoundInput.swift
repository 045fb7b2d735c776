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

    static let all: [FoundInput] = [
        FoundInput(
            fuzzCase: "segments",
            bytes: [
                0x01, 0x00, 0x00, 0x00, 0x82, 0x93, 0xf4, 0x4e, 0x11, 0xac, 0x35, 0x0e, 0xfe,
            ],
            story: "blocks behind the last one were passed over")
    ]
}
