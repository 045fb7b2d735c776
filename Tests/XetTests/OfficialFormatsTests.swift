// Our formats against files that the official client has made.
//
// Run by Tests/Official/xet_formats_test.py, which fills a folder and names it in
// XET_FORMATS_FOLDER: `files.txt` has a line "<input> <file hash>" for each input, `<input>.bin` is
// the input, `xorbs.txt` has a line "<policy> <input> <path>" for each xorb that the client made
// from it. An input's name ends with its kind, such as `bf16`. For each xorb, one remade here is
// written beside it, as `<path>.remade`, which the script gives back to the client to read.

import Compression
import FoundationEssentials
import Testing

@testable import Xet

private let folder = ProcessInfo.processInfo.environment["XET_FORMATS_FOLDER"]

@Suite(.enabled(if: folder != nil, "run by Tests/Official/xet_formats_test.py"))
struct OfficialFormatsTests {
    let folder: String

    init() throws {
        folder = try #require(folderFromEnvironment())
    }

    func bytes(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    func lines(_ name: String) throws -> [[String]] {
        let text = String(decoding: try bytes("\(folder)/\(name)"), as: UTF8.self)
        return text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    }

    @Test func `file hashes agree`() throws {
        var count = 0
        for line in try lines("files.txt") {
            let nodes = chunkNodes(try bytes("\(folder)/\(line[0]).bin"))
            let hash = XetHash.file(root: MerkleTree.root(of: nodes))
            #expect(hash.text == line[1], "input \(line[0])")
            count += 1
        }
        print("file hashes compared: \(count)")
    }

    @Test func `xorbs are read and made again`() throws {
        var count = 0
        for line in try lines("xorbs.txt") {
            let (policy, input, path) = (line[0], line[1], line[2])
            let file = try bytes(path)
            let tail = Array(file.suffix(XorbFooter.mostBytes + 4))
            let footer = try XorbFooter(tail: tail, fileByteCount: UInt64(file.count))
            #expect(path.hasSuffix(footer.hash.text))
            // The stream must stop at the footer by itself.
            let chunks = try decodedChunks(file, chunkCount: nil, piece: 100_000)
            #expect(chunks.map { XetHash.chunk($0) } == footer.chunkHashes)
            let remade = try makeXorb(chunks, try #require(CompressionPolicy(rawValue: policy)))
            #expect(remade.footer.hash == footer.hash)
            #expect(remade.footer.chunkHashes == footer.chunkHashes)
            #expect(remade.footer.unpackedEnds == footer.unpackedEnds)
            if policy == "none" {
                #expect(remade.content + remade.footer.bytes == file)
            } else {
                // Another compressor of the same format: as short on weights, not on text.
                let weights = ["fp32", "bf16", "fp16"].contains { input.hasSuffix($0) }
                let limit = Double(footer.packedEnds.last ?? 0) * (weights ? 1.02 : 1.15) + 64
                #expect(Double(remade.content.count) < limit, "input \(input)")
            }
            try Data(remade.content + remade.footer.bytes).write(
                to: URL(fileURLWithPath: path + ".remade"))
            try checkChunks(chunks, of: try bytes("\(folder)/\(input).bin"))
            count += 1
        }
        print("xorbs compared: \(count)")
    }

    /// A file's xorbs hold its chunks, each once.
    func checkChunks(_ chunks: [[UInt8]], of input: [UInt8]) throws {
        let names = Set(chunkNodes(input).map(\.hash))
        #expect(chunks.allSatisfy { names.contains(.chunk($0)) })
    }
}

private func folderFromEnvironment() -> String? { folder }
