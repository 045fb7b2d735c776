// store-bench: what the chunk store costs beside the plainest way of doing the same.
//
// Owns the folder that it works in, and its result: JSON on standard output. Benchmarks/store.py
// runs it, adds what needs the official client, and writes the table.

import FoundationEssentials
import Glibc
import TestSupport

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
