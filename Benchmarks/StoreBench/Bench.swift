// The measurements of the store.

import ChunkStore
import Compression
import Glibc
import Hashing
import Platform
import Telemetry
import Xet

/// Measures one kind of content after another.
struct Bench {
    let directory: String
    let byteCount: Int
    let kinds: [WeightKind]

    func run() throws {
        for kind in kinds { try measure(kind) }
        try measureSharing()
    }

    private func report(_ kind: WeightKind, _ what: String, _ bytes: Int, _ seconds: Double) {
        let speed = Double(bytes) / 1e6 / seconds
        print(
            "{\"kind\":\"\(kind.rawValue)\",\"what\":\"\(what)\",\"mb_per_s\":\(Int(speed)),"
                + "\"seconds\":\(Double(Int(seconds * 1000)) / 1000)}")
    }

    private func time(_ body: () throws -> Void) rethrows -> Double {
        let start = MonotonicInstant.now
        try body()
        return MonotonicInstant.now.seconds(since: start)
    }

    private func cpuSeconds() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private func dropPageCache() {
        sync()
        if let file = fopen("/proc/sys/vm/drop_caches", "w") {
            fputs("1", file)
            fclose(file)
        }
    }

    private func measure(_ kind: WeightKind) throws {
        let bytes = kind.bytes(byteCount)
        let hash = ContentHash.sha256(SHA256Hasher.digest(of: bytes))
        let size = Int64(byteCount)
        let chunks = cut(bytes)
        report(kind, "sha256 alone", byteCount, time { _ = SHA256Hasher.digest(of: bytes) })
        report(
            kind, "cut alone", byteCount, time { precondition(cut(bytes).count == chunks.count) })
        report(kind, "blake3 alone", byteCount, time { hashAll(bytes, chunks) })
        var store = try open(hotLimitBytes: 1 << 40)
        defer {
            store.drop(hash, size: size)
            store.close()
        }
        report(kind, "write flat", byteCount, try time { try fill(store, hash, bytes) })
        report(kind, "flush", byteCount, time { store.flush() })
        report(kind, "prove", byteCount, try time { _ = try store.prove(hash, size: size) })
        for _ in 0..<3 {
            dropPageCache()
            report(kind, "read flat, cold", byteCount, try time { try readAll(store, hash) })
        }
        report(kind, "read flat, hot", byteCount, try time { try readAll(store, hash) })
        let before = cpuSeconds()
        let cooling = try time { _ = try store.cool(hash, size: size) }
        report(kind, "cool", byteCount, cooling)
        report(kind, "cool, by processor time", byteCount, cpuSeconds() - before)
        let stored = store.packedByteCount
        print(
            "{\"kind\":\"\(kind.rawValue)\",\"what\":\"stored share\",\"share\":"
                + "\(Double(stored * 10_000 / size) / 10_000)}")
        // Without room in the flat tier what is read stays packed.
        store.close()
        store = try open(hotLimitBytes: 1)
        for _ in 0..<3 {
            dropPageCache()
            report(kind, "read packed, cold", byteCount, try time { try readAll(store, hash) })
        }
        for _ in 0..<2 {
            report(kind, "read packed, hot", byteCount, try time { try readAll(store, hash) })
            measureDecoding(kind, bytes, chunks)
        }
    }

    private func open(hotLimitBytes: Int64) throws -> ChunkStore {
        try ChunkStore(
            directory: "\(directory)/store-bench-\(getpid())", sizeLimitBytes: 1 << 40,
            hotLimitBytes: hotLimitBytes, log: Log(minimum: .error))
    }

    /// What revisions of a file add to the cache, and what they may add.
    func measureSharing() throws {
        let first = WeightKind.bf16.bytes(byteCount)
        let noise = WeightKind.fp16.bytes(byteCount / 50 + 137)
        var changed = first
        let run = byteCount / 50 / 8
        for number in 0..<8 {
            let place = number * byteCount / 8 + 12_345
            changed.replaceSubrange(
                place..<place + run, with: noise[(number * run)..<((number + 1) * run)])
        }
        let middle = byteCount / 3
        let (start, end) = (byteCount / 5, byteCount * 4 / 5)
        // Two tensors change places.
        let swapped =
            first[..<start] + first[middle..<end] + first[start..<middle] + first[end...]
        let revisions: [(String, [UInt8], Int)] = [
            ("A, the first", first, byteCount), ("B, 2 % in 8 runs", changed, run * 8 + 8 << 18),
            ("C, 137 bytes in front", noise[..<137] + first, 137 + 1 << 18),
            ("D, two tensors swapped", Array(swapped), 3 << 18),
        ]
        let store = try open(hotLimitBytes: 1 << 40)
        defer { store.close() }
        var hashes: [ContentHash] = []
        for (name, bytes, allowed) in revisions {
            let hash = ContentHash.sha256(SHA256Hasher.digest(of: bytes))
            let before = store.usedByteCount
            try fill(store, hash, bytes)
            _ = try store.cool(hash, size: Int64(bytes.count))
            let recipe = bytes.count / 65_536 * 16
            print(
                "{\"what\":\"growth by \(name)\",\"bytes\":\(store.usedByteCount - before),"
                    + "\"allowed\":\(allowed + recipe)}")
            hashes.append(hash)
        }
        for (hash, revision) in zip(hashes, revisions) {
            store.drop(hash, size: Int64(revision.1.count))
        }
        print("{\"what\":\"left after all were dropped\",\"bytes\":\(store.usedByteCount)}")
    }

    private func fill(_ store: ChunkStore, _ hash: ContentHash, _ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { all in
            for start in stride(from: 0, to: all.count, by: 1 << 20) {
                let part = UnsafeRawBufferPointer(
                    rebasing: all[start..<min(start + 1 << 20, all.count)])
                try store.write(hash, size: Int64(all.count), at: Int64(start), part)
            }
        }
    }

    private func readAll(_ store: ChunkStore, _ hash: ContentHash) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4_096)
        defer { buffer.deallocate() }
        for start in stride(from: 0, to: byteCount, by: buffer.count) {
            let outcome = try store.read(
                hash, size: Int64(byteCount), at: Int64(start), into: buffer)
            guard case .bytes = outcome else { throw StoreError.incomplete }
        }
    }

    private func cut(_ bytes: [UInt8]) -> [Range<Int>] {
        var chunks: [Range<Int>] = []
        bytes.withUnsafeBytes { all in
            var chunker = GearChunker()
            var start = 0
            while start < all.count {
                let rest = UnsafeRawBufferPointer(rebasing: all[start...])
                let count = chunker.cut(rest) ?? rest.count
                chunks.append(start..<start + count)
                start += count
            }
        }
        return chunks
    }

    private func hashAll(_ bytes: [UInt8], _ chunks: [Range<Int>]) {
        bytes.withUnsafeBytes { all in
            for chunk in chunks { _ = XetHash.chunk(UnsafeRawBufferPointer(rebasing: all[chunk])) }
        }
    }

    /// LZ4 alone, and LZ4 with ungrouping, on the chunks coded in their best way.
    private func measureDecoding(_ kind: WeightKind, _ bytes: [UInt8], _ chunks: [Range<Int>]) {
        let groups: ByteGroups? =
            switch kind {
            case .bf16, .fp16: .two
            case .fp32: .four
            case .text: nil
            }
        var coded: [(payload: [UInt8], raw: Int)] = []
        bytes.withUnsafeBytes { all in
            for chunk in chunks {
                let raw = UnsafeRawBufferPointer(rebasing: all[chunk])
                var sorted = [UInt8](raw)
                if let groups {
                    sorted.withUnsafeMutableBytes { groups.group(raw, into: $0) }
                }
                var target = [UInt8](repeating: 0, count: LZ4Block.compressBound(raw.count))
                let count = sorted.withUnsafeBytes { source in
                    target.withUnsafeMutableBytes { LZ4Block.compress(source, into: $0) ?? 0 }
                }
                if count <= raw.count * 31 / 32 {
                    coded.append((Array(target[..<count]), raw.count))
                }
            }
        }
        if coded.isEmpty { return }
        let rawCount = coded.reduce(0) { $0 + $1.raw }
        var output = [UInt8](repeating: 0, count: 131_072)
        var final = output
        report(
            kind, "lz4 alone", rawCount,
            time {
                for (payload, raw) in coded {
                    payload.withUnsafeBytes { source in
                        output.withUnsafeMutableBytes { target in
                            let place = UnsafeMutableRawBufferPointer(rebasing: target[..<raw])
                            precondition((try? LZ4Block.decompress(source, into: place)) == raw)
                        }
                    }
                }
            })
        guard let groups else { return }
        report(
            kind, "lz4 and ungrouping alone", rawCount,
            time {
                for (payload, raw) in coded {
                    payload.withUnsafeBytes { source in
                        output.withUnsafeMutableBytes { target in
                            let place = UnsafeMutableRawBufferPointer(rebasing: target[..<raw])
                            _ = try? LZ4Block.decompress(source, into: place)
                            final.withUnsafeMutableBytes {
                                groups.ungroup(
                                    UnsafeRawBufferPointer(place),
                                    into: UnsafeMutableRawBufferPointer(rebasing: $0[..<raw]))
                            }
                        }
                    }
                }
            })
    }
}
