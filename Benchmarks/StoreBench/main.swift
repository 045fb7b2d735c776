// How fast the chunk store fills, cools and reads, beside what bounds it on this machine.
//
//     store-bench DIRECTORY [MEBIBYTES [KIND ...]]
//
// One JSON object a line, speeds in MB/s of content. "lz4" is LZ4_decompress_safe alone on the same
// chunks in memory, "hash" is BLAKE3 alone, "disk" reads the same bytes from a plain file. Files
// are read with an empty page cache where that can be emptied (root).

import ChunkStore
import Glibc
import Hashing
import Platform
import Telemetry

let arguments = CommandLine.arguments
guard arguments.count >= 2 else {
    print("usage: store-bench DIRECTORY [MEBIBYTES [KIND ...]]")
    exit(2)
}
let bench = Bench(
    directory: arguments[1],
    byteCount: (arguments.count > 2 ? Int(arguments[2]) ?? 256 : 256) << 20,
    kinds: arguments.count > 3
        ? arguments[3...].compactMap { WeightKind(rawValue: $0) } : WeightKind.allCases)
do { try bench.run() } catch {
    print("store-bench: \(error)")
    exit(1)
}
