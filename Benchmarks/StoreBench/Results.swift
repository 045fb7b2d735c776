// All that one run measures, part by part: as much as was asked for.

import ChunkStore
import Glibc

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
            if options.parts.contains("reading") { cases += try one.cases(buffer) }
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
