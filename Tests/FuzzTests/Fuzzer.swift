// Random inputs from a seed: samples that are bent, cut, doubled and joined.
//
// Without further variables each case runs a fixed number of inputs from a fixed seed, so the run
// is the same everywhere. MODELFS_FUZZ_SECONDS gives every case that long instead,
// MODELFS_FUZZ_SEED another seed, and MODELFS_FUZZ_FOLDER a folder in which the input under way is
// kept, so that one which ends the process can be looked at. `make fuzz` sets all three.

import FuzzCases
import Glibc
import Platform
import TestSupport
import Testing

struct Fuzzer {
    /// Enough to be worth it, few enough for every run of the tests.
    private static let inputCount = 1_500
    private static let byteCountMax = 16_384

    private let seed: UInt64
    private let seconds: Double?
    private let folder: String?

    init() {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }
        }
        seed = variable("MODELFS_FUZZ_SEED").flatMap { UInt64($0) } ?? 1
        seconds = variable("MODELFS_FUZZ_SECONDS").flatMap(Double.init)
        folder = variable("MODELFS_FUZZ_FOLDER")
    }

    /// Gives the case its samples and inputs made of them, and reports what it throws.
    func run(_ fuzzed: FuzzCase) {
        var generator = SeededGenerator(seed: seed)
        var inputs = 0
        let end = seconds.map { MonotonicInstant.now + $0 }
        while end.map({ MonotonicInstant.now < $0 }) ?? (inputs < Fuzzer.inputCount) {
            let input: [UInt8]
            if inputs < fuzzed.samples.count {
                input = fuzzed.samples[inputs]
            } else {
                input = Fuzzer.bend(fuzzed.samples, &generator)
            }
            keep(input, fuzzed.name)
            do {
                try fuzzed.check(input)
            } catch {
                let text = String(decoding: input, as: UTF8.self)
                Issue.record("seed \(seed), input \(inputs): \(error)\n\(text)\n\(input)")
                return
            }
            inputs += 1
        }
        if seconds != nil { print("fuzz: \(fuzzed.name): \(inputs) inputs from seed \(seed)") }
    }

    private func keep(_ input: [UInt8], _ name: String) {
        guard let folder, let file = fopen("\(folder)/\(name).input", "w") else { return }
        fwrite(input, 1, input.count, file)
        fclose(file)
    }

    // What parsers stumble over.
    private static let tokens: [[UInt8]] =
        [
            "", "..", "/", "//", "\0", "\"", "\\", "\\ud800", "\\u0000", "-1",
            "9223372036854775807",
            "9223372036854775808", "1e999", "null", "[[[[[[[[", "{\"a\":", "%2F", "%", "%zz", "@",
            ":",
            "://", "[::1]", "é", "\u{feff}", "\r\n", "<>; rel=\"next\"", "--", "=", "\u{7f}", "~",
            " ",
        ].map { Array($0.utf8) } + [
            [0xff], [0xc3], [0xed, 0xa0, 0x80], [0, 0, 0, 0], [0xff, 0xff, 0xff, 0x7f],
        ]

    private static func bend(
        _ samples: [[UInt8]], _ generator: inout SeededGenerator
    ) -> [UInt8] {
        var bytes = samples.randomElement(using: &generator) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            let cut = place(bytes, &generator)
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: bytes.removeSubrange(cut)
            case 1: bytes.insert(contentsOf: bytes[cut], at: cut.lowerBound)
            case 2: bytes.replaceSubrange(cut, with: tokens.randomElement(using: &generator) ?? [])
            case 3:
                let token = tokens.randomElement(using: &generator) ?? []
                bytes.insert(contentsOf: token, at: cut.lowerBound)
            case 4:
                let other = samples.randomElement(using: &generator) ?? []
                bytes.replaceSubrange(cut.lowerBound..., with: other[place(other, &generator)])
            case 5: bytes.insert(contentsOf: generator.bytes(4), at: cut.lowerBound)
            default:
                if bytes.isEmpty { continue }
                let index = min(cut.lowerBound, bytes.count - 1)
                bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            }
        }
        return Array(bytes.prefix(byteCountMax))
    }

    /// A range of the bytes: mostly short, now and then any.
    private static func place(
        _ bytes: [UInt8], _ generator: inout SeededGenerator
    ) -> Range<Int> {
        let start = Int.random(in: 0...bytes.count, using: &generator)
        let isLong = Int.random(in: 0..<8, using: &generator) == 0
        let lengthMax = isLong ? bytes.count - start : min(8, bytes.count - start)
        return start..<start + Int.random(in: 0...lengthMax, using: &generator)
    }
}

extension FuzzCase: CustomTestStringConvertible {
    /// Its name.
    package var testDescription: String { name }
}
