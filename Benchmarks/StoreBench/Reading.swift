// Reading: packed chunks beside plain LZ4, stored and flat ones beside a native file.
//
// One thread reads in pieces of 1 MiB. The yardstick for coded chunks is `LZ4_decompress_safe` on
// the very chunks that lie in the packs, coded with nothing but LZ4 of grouped bytes (as Xet does),
// from memory into a buffer of 1 MiB, with no checksum, no index and no system call. Grouped chunks
// have to be ungrouped too, so that is shown apart. From the disk stands beside it what cannot be
// left out: reading the packs piece by piece, and decoding them as they are coded.

import ChunkStore
import Hashing

/// One type of weights in a store of its own.
final class Specimen {
    let element: Element
    let hash: ContentHash
    let size: Int64
    /// The bytes as a plain file.
    let native: String
    let sizes: StoredSizes
    let packed: ChunkStore
    let flat: ChunkStore
    fileprivate let packs: [Pack]

    /// Writes a file, a flat and a packed cache below a folder.
    init(
        _ element: Element, byteCount: Int, seed: UInt64, in folder: String, buffer: Buffer
    ) throws {
        self.element = element
        let content = Content(weights(element, byteCount: byteCount, seed: seed))
        (hash, size) = (content.hash, content.size)
        let native = "\(folder)/\(element.rawValue).bin"
        self.native = native
        try content.bytes.withUnsafeBytes { try writeAndSync(native, $0, piece: pieceByteCount) }
        flat = try openStore("\(folder)/\(element.rawValue)-flat")
        try flat.write(content)
        let path = "\(folder)/\(element.rawValue)-packed"
        let filling = try openStore(path)
        try filling.write(content)
        try filling.coolNow(content)
        filling.close()
        // It must not be warmed while it is measured.
        packed = try openStore(path, isCooling: true)
        try packed.check(content, buffer.bytes)
        try flat.check(content, buffer.bytes)
        packs = try packsOf(cache: path)
        sizes = StoredSizes(packs)
    }

    func close() {
        packed.close()
        flat.close()
    }

    /// Whether most of it is kept coded.
    var isCoded: Bool { sizes.payloadBytes < sizes.rawBytes * 31 / 32 }
}

/// Memory that one piece is read into.
final class Buffer {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceByteCount, alignment: 4_096)

    deinit {
        bytes.deallocate()
    }
}

extension Specimen {
    /// Its cases: from memory, and from the disk where the page cache can be emptied.
    func cases(_ buffer: Buffer) throws -> [Case] {
        var cases: [Case] = []
        for isCold in canDropPages ? [false, true] : [false] {
            let place = isCold ? "from disk" : "hot"
            let name = element.rawValue
            cases.append(
                Case(
                    name: "read packed \(name), \(place)", byteCount: Int(size),
                    ways: isCoded
                        ? try codedWays(buffer, isCold: isCold) : storedWays(buffer, isCold: isCold)
                ))
            if element == .bf16 {
                cases.append(
                    Case(
                        name: "read flat \(name), \(place)", byteCount: Int(size),
                        ways: [
                            nativeWay(buffer, isCold: isCold),
                            way("store", buffer, isCold: isCold) { [self] in
                                try flat.readThrough(hash, size, buffer.bytes)
                            },
                        ]))
            }
        }
        return cases
    }

    /// The page cache is emptied, or filled by doing the work once.
    private func way(
        _ name: String, _ buffer: Buffer, isCold: Bool, _ work: @escaping () throws -> Void
    ) -> Way {
        Way(name: name, prepare: isCold ? dropPages : work, work: work)
    }

    private func nativeWay(_ buffer: Buffer, isCold: Bool) -> Way {
        way("pread of a native file", buffer, isCold: isCold) { [self] in
            try readThrough(native, buffer.bytes)
        }
    }

    private func storeWay(_ buffer: Buffer, isCold: Bool) -> Way {
        way("store", buffer, isCold: isCold) { [self] in
            try packed.readThrough(hash, size, buffer.bytes)
        }
    }

    private func storedWays(_ buffer: Buffer, isCold: Bool) -> [Way] {
        [nativeWay(buffer, isCold: isCold), storeWay(buffer, isCold: isCold)]
    }

    private func codedWays(_ buffer: Buffer, isCold: Bool) throws -> [Way] {
        let decoder = PlainDecoder(into: buffer.bytes)
        let chunks = try PlainChunks(packs, as: element.groupedCodec)
        let fromMemory = [false, true].map { isUngrouping in
            way(
                isUngrouping ? "LZ4_decompress_safe, ungrouping" : "LZ4_decompress_safe",
                buffer, isCold: false
            ) {
                try decoder.decode(chunks, isUngrouping: isUngrouping)
            }
        }
        if !isCold { return fromMemory + [storeWay(buffer, isCold: false)] }
        let piece = Buffer()
        let plain = [false, true].map { isDecoding in
            way(
                isDecoding ? "pread of the packs, decoding" : "pread of the packs",
                buffer, isCold: true
            ) { [self] in
                for pack in packs {
                    let runs = pack.runs
                    try readPieces(pack.path, runs.map(\.range), piece.bytes) { number, bytes in
                        if !isDecoding { return }
                        try decoder.decode(bytes, runs[number].records, isUngrouping: true)
                    }
                }
            }
        }
        return [fromMemory[0]] + plain + [storeWay(buffer, isCold: true)]
    }
}

extension Pack {
    /// Neighbouring records that fit one piece, with their payloads' places in that piece.
    fileprivate var runs: [(range: Range<Int>, records: [PackRecord])] {
        var runs: [(range: Range<Int>, records: [PackRecord])] = []
        for record in records {
            let start = record.payloadOffset - PackRecord.headerByteCount
            let end = start + record.byteCount
            if let last = runs.last, end - last.range.lowerBound <= pieceByteCount {
                runs[runs.count - 1].range = last.range.lowerBound..<end
            } else {
                runs.append((start..<end, []))
            }
            let first = runs[runs.count - 1].range.lowerBound
            runs[runs.count - 1].records.append(record.moved(by: -first))
        }
        return runs
    }
}

extension PackRecord {
    fileprivate func moved(by distance: Int) -> PackRecord {
        PackRecord(
            kind: kind, codec: codec, storedByteCount: storedByteCount,
            rawByteCount: rawByteCount, payloadOffset: payloadOffset + distance)
    }
}
