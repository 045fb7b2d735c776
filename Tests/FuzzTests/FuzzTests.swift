// Every case of `Tests/FuzzCases` with bent samples, and what libFuzzer once found.

import FuzzCases
import Testing

@Suite struct FuzzTests {
    @Test(arguments: FuzzCase.all) func `any input is borne`(fuzzed: FuzzCase) {
        Fuzzer().run(fuzzed)
    }

    @Test func `the samples of Xet are valid`() throws {
        try XetFuzzCases.checkSamples()
    }

    @Test(arguments: FoundInput.all) func `what was found once is borne`(found: FoundInput) throws {
        let fuzzed = try #require(FuzzCase.all.first { $0.name == found.fuzzCase })
        try fuzzed.check(found.bytes)
    }
}
