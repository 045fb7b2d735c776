// store-bench: what the chunk store costs beside the plainest way of doing the same.
//
// Owns its command line, the folder that it works in, and its result: JSON on standard output.
// Benchmarks/store.py runs it, adds what needs the official client, and writes the table.

import ChunkStore
import FoundationEssentials
import Glibc
import TestSupport

/// What was asked for.
struct Options {
    static let help = """
        store-bench [--small] [--mebibytes N] [--dedup-mebibytes N] [--rounds N]
                    [--folder DIR] [--export DIR] [--only reading,filling,hashing,threshold,dedup]

        Measures the chunk store and prints the results as JSON. 512 MiB of weights and 1 GiB of
        revisions unless said otherwise; --small takes 32 and 64. --folder names where the caches
        are made, --export where the weights are left as files.

        """
    var mebibytes = 512
    var dedupMebibytes = 1_024
    var rounds = 5
    var folder = "/tmp"
    var export: String?
    var parts: Set<String> = ["reading", "filling", "hashing", "threshold", "dedup"]

    init(_ words: [String]) throws {
        var rest = words[...]
        func value(_ name: String) throws -> String {
            guard let value = rest.popFirst() else { throw BenchError("\(name) takes a value") }
            return value
        }
        func number(_ name: String, _ range: ClosedRange<Int>) throws -> Int {
            let text = try value(name)
            guard let number = Int(text), range.contains(number) else {
                throw BenchError("\(name) takes a number from \(range), not \(text)")
            }
            return number
        }
        while let word = rest.popFirst() {
            switch word {
            case "--small": (mebibytes, dedupMebibytes) = (32, 64)
            case "--mebibytes": mebibytes = try number(word, 8...65_536)
            case "--dedup-mebibytes": dedupMebibytes = try number(word, 16...16_384)
            case "--rounds": rounds = try number(word, 1...1_000)
            case "--folder": folder = try value(word)
            case "--export": export = try value(word)
            case "--only": parts = Set(try value(word).split(separator: ",").map(String.init))
            case "--help":
                print(Options.help, terminator: "")
                exit(0)
            default: throw BenchError("\(word) is not an option; see store-bench --help")
            }
        }
    }
}

/// All that was measured.
struct Results: Codable {
    var mebibytes: Int
    var rounds: Int
    var dropsPages = canDropPages
    var cases: [CaseResult] = []
    var sizes: [String: StoredSizes] = [:]
    var thresholds: [ThresholdRow] = []
    var dedup: [GrowthRow] = []
}

func measureAll(_ options: Options, in folder: String) throws -> Results {
    var results = Results(mebibytes: options.mebibytes, rounds: options.rounds)
    let each = (options.mebibytes << 20) / Element.allCases.count
    let buffer = Buffer()
    var specimens: [Specimen] = []
    var stores: [() -> Void] = []
    defer { for close in stores { close() } }
    var cases: [Case] = []
    if !options.parts.isDisjoint(with: ["reading", "filling", "hashing"]) {
        for (number, element) in Element.allCases.enumerated() {
            note("making \(element.rawValue)")
            let one = try Specimen(
                element, byteCount: each, seed: UInt64(number + 1), in: folder, buffer: buffer)
            stores.append(one.close)
            specimens.append(one)
            results.sizes[element.rawValue] = one.sizes
            if options.parts.contains("filling") {
                let (filling, store) = try fillingCase(one, in: folder)
                stores.append(store.close)
                cases.append(filling)
            }
            if options.parts.contains("reading") { cases += one.cases(buffer) }
        }
        if options.parts.contains("hashing") {
            cases.append(hashingCase(weights(.bf16, byteCount: min(each, 64 << 20), seed: 9)))
        }
    }
    results.cases = try run(cases, rounds: options.rounds)
    if options.parts.contains("threshold") {
        results.thresholds = try thresholds(Element.allCases, rounds: options.rounds)
    }
    if let export = options.export {
        for one in specimens {
            let target = "\(export)/\(one.element.rawValue).bin"
            if rename(one.native, target) != 0 { throw BenchError("cannot export to \(target)") }
        }
    }
    if options.parts.contains("dedup") {
        results.dedup = try dedup(byteCount: options.dedupMebibytes << 20, in: folder)
    }
    return results
}

do {
    let options = try Options(Array(CommandLine.arguments.dropFirst()))
    let scratch = TemporaryDirectory(in: options.folder)
    let results = try measureAll(options, in: scratch.path)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    print(String(decoding: try encoder.encode(results), as: UTF8.self))
} catch {
    note("\(error)")
    exit(1)
}
