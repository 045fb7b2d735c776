// libFuzzer's way into a case: `MODELFS_FUZZ_CASE` names it.
//
// Built with `--sanitize=fuzzer`, which brings `main`. `scripts/fuzz.sh` builds it, writes the
// samples into a corpus and runs every case.

import FuzzCases
import Glibc

/// The case of this process; found at the first input, since libFuzzer's `main` runs no code here.
private enum Chosen {
    static let fuzzCase = find()
}

private func find() -> FuzzCase {
    let name = getenv("MODELFS_FUZZ_CASE").map { String(cString: $0) } ?? ""
    guard let found = FuzzCase.all.first(where: { $0.name == name }) else {
        let names = FuzzCase.all.map(\.name).joined(separator: " ")
        fatalError("MODELFS_FUZZ_CASE is to be one of: \(names)")
    }
    writeSamples(found)
    return found
}

/// The samples go into the folder that `MODELFS_FUZZ_SAMPLES` names.
private func writeSamples(_ fuzzed: FuzzCase) {
    guard let folder = getenv("MODELFS_FUZZ_SAMPLES").map({ String(cString: $0) }) else { return }
    for (number, sample) in fuzzed.samples.enumerated() {
        guard let file = fopen("\(folder)/sample-\(number)", "w") else { continue }
        fwrite(sample, 1, sample.count, file)
        fclose(file)
    }
}

/// Takes one input.
@c(LLVMFuzzerTestOneInput)
func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    do {
        try Chosen.fuzzCase.check(bytes)
    } catch {
        fatalError("\(Chosen.fuzzCase.name): \(error)")
    }
    return 0
}
