// Our BLAKE3 against the official implementation on random inputs.
//
// Run by Tests/Official/blake3_test.py, which names a folder in BLAKE3_FOLDER: `input` holds
// random bytes, `cases.txt` has a line "<offset> <length> <key> <hash> <keyed hash>" for each
// part of it.

import FoundationEssentials
import Testing

@testable import Hashing

private let folderFromEnvironment = ProcessInfo.processInfo.environment["BLAKE3_FOLDER"]

@Suite(.enabled(if: folderFromEnvironment != nil, "run by Tests/Official/blake3_test.py"))
struct OfficialBlake3Tests {
    @Test func `hashes of random inputs agree`() throws {
        let folder = try #require(folderFromEnvironment)
        let input = Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/input")))
        let cases = try String(contentsOfFile: "\(folder)/cases.txt", encoding: .utf8)
        var count = 0
        for line in cases.split(separator: "\n") {
            let fields = line.split(separator: " ")
            let offset = try #require(Int(fields[0]))
            let length = try #require(Int(fields[1]))
            let key = try #require(Digest256(hex: fields[2]))
            let part = Array(input[offset..<(offset + length)])
            #expect(Blake3.hash(part).hex == fields[3], "\(offset) \(length)")
            #expect(Blake3.keyedHash(key, part).hex == fields[4], "\(offset) \(length)")
            for lanes in [4, 8, 16] where lanes <= Blake3.widestLanes {
                let digest = part.withUnsafeBytes {
                    Blake3.digest(of: $0, start: Blake3.Start(key: key), lanes: lanes)
                }
                #expect(digest.hex == fields[4], "\(offset) \(length), \(lanes) lanes")
            }
            var hasher = Blake3Hasher(key: key)
            let cut = length / 3
            hasher.update(Array(part[..<cut]))
            hasher.update(Array(part[cut...]))
            #expect(hasher.finish().hex == fields[4], "\(offset) \(length) in pieces")
            count += 1
        }
        print("inputs compared: \(count)")
    }
}
