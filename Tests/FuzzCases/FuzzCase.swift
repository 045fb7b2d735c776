// What is fuzzed: a parser, inputs that it should take, and what has to hold of its answers.
//
// The same cases run under two fuzzers: `Tests/FuzzTests` bends samples in every run of the tests,
// and `fuzz-target` lets libFuzzer look for inputs that reach new code.

/// Something that takes bytes of which nothing is known.
package struct FuzzCase: Sendable {
    package let name: String
    /// Inputs that are as they should be.
    package let samples: [[UInt8]]
    /// Fails, by throwing or by a wrong answer, on an input that it should have borne.
    package let check: @Sendable ([UInt8]) throws -> Void

    package init(
        _ name: String, _ samples: [String], _ check: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.init(name, bytes: samples.map { Array($0.utf8) }, check)
    }

    package init(
        _ name: String, bytes samples: [[UInt8]],
        _ check: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.name = name
        self.samples = samples
        self.check = check
    }
}

/// What a check found.
package struct FuzzFailure: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) {
        self.description = description
    }

    /// Throws when the condition does not hold.
    package static func unless(_ condition: Bool, _ text: @autoclosure () -> String) throws {
        if !condition { throw FuzzFailure(description: text()) }
    }
}

extension FuzzCase {
    /// Every case.
    package static let all =
        TextFuzzCases.cases + HubFuzzCases.cases + WeightFuzzCases.cases + XetFuzzCases.cases
        + StoreFuzzCases.cases + MessageFuzzCases.cases
}
