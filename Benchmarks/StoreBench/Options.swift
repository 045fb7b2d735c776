// The command line of store-bench.

import Glibc

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
