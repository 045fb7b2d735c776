// Deduplication at full size: revisions of one model, and how much the cache grows by each.
//
// A is a file in the form of safetensors with bf16 weights; B has 2 % of it changed in place in 8
// runs; C has 137 bytes inserted at the front; D has two tensors of unequal size exchanged, which
// changes the header too. What is allowed is the new bytes, 256 KiB for each place of an edit, and
// the recipe with its copy of what is in the index.

import ChunkStore
import Hashing
import TestSupport

/// What one revision did to the cache.
struct GrowthRow: Codable {
    let revision: String
    let newBytes: Int
    let editPlaces: Int
    /// Growth of living records, as the store counts it.
    let grownBytes: Int
    /// Growth of the packs as the disk counts it.
    let grownDiskBytes: Int
    let recipeBytes: Int
    let allowedBytes: Int
    let isWithin: Bool
}

/// One tensor of the file.
private struct Tensor {
    let name: String
    let byteCount: Int
    let seed: UInt64
}

/// A file of tensors, the sizes of which differ.
private func model(byteCount: Int) -> [Tensor] {
    let unit = byteCount / 64
    var left = byteCount
    var tensors: [Tensor] = []
    while left > 0 {
        let number = tensors.count
        let length = min(left, unit * (1 + number * 5 % 4) + 4_096 * (number % 3))
        tensors.append(
            Tensor(name: "layers.\(number).weight", byteCount: length, seed: UInt64(100 + number)))
        left -= length
    }
    return tensors
}

/// The bytes of a file: length of the header, header, tensors.
private func file(_ tensors: [Tensor]) -> (bytes: [UInt8], headerByteCount: Int) {
    var offset = 0
    var entries: [String] = []
    for tensor in tensors {
        let end = offset + tensor.byteCount
        entries.append(
            "\"\(tensor.name)\":{\"dtype\":\"BF16\",\"shape\":[\(tensor.byteCount / 2)],"
                + "\"data_offsets\":[\(offset),\(end)]}")
        offset = end
    }
    var header = Array("{\(entries.joined(separator: ","))}".utf8)
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    let start = 8 + header.count
    let bytes = [UInt8](unsafeUninitializedCapacity: start + offset) { buffer, count in
        let all = UnsafeMutableRawBufferPointer(buffer)
        all.storeBytes(of: UInt64(header.count).littleEndian, as: UInt64.self)
        UnsafeMutableRawBufferPointer(rebasing: all[8..<start]).copyBytes(from: header)
        var place = start
        for tensor in tensors {
            let part = UnsafeMutableRawBufferPointer(
                rebasing: all[place..<place + tensor.byteCount])
            fill(part, with: .bf16, seed: tensor.seed)
            place += tensor.byteCount
        }
        count = start + offset
    }
    return (bytes, start)
}

/// Fills a store with A, then B, C and D, and reads each back whole.
func dedup(byteCount: Int, in folder: String) throws -> [GrowthRow] {
    let path = "\(folder)/dedup"
    // What is read from packs must not be made flat again: as with `--hot-size 0`.
    let store = try openStore(path, isCooling: true)
    defer { store.close() }
    let tensors = model(byteCount: byteCount)
    let (base, headerByteCount) = file(tensors)
    var rows = [try add("A", base, newBytes: base.count, editPlaces: 1, store, path)]
    var changed = base
    let share = byteCount / 50 / 8
    for run in 0..<8 {
        let start = headerByteCount + (2 * run + 1) * (byteCount / 16) + 1_234 * run & ~1
        let new = weights(.bf16, byteCount: share & ~3, seed: UInt64(900 + run))
        changed.replaceSubrange(start..<start + new.count, with: new)
    }
    rows.append(try add("B", changed, newBytes: 8 * (share & ~3), editPlaces: 8, store, path))
    changed = []
    var generator = SeededGenerator(seed: 137)
    rows.append(
        try add("C", generator.bytes(137) + base, newBytes: 137, editPlaces: 1, store, path))
    var swapped = tensors
    swapped.swapAt(2, tensors.count - 3)
    let (other, otherHeader) = file(swapped)
    // The header, and both places of both tensors.
    rows.append(try add("D", other, newBytes: otherHeader, editPlaces: 3, store, path))
    return rows
}

private func add(
    _ name: String, _ bytes: [UInt8], newBytes: Int, editPlaces: Int, _ store: ChunkStore,
    _ path: String
) throws -> GrowthRow {
    note("dedup: revision \(name)")
    let content = Content(bytes)
    let before = store.usedByteCount
    let diskBefore = diskBytes(filesInTree("\(path)/packs"))
    let recipesBefore = try recipeBytes(path)
    try store.write(content)
    try store.coolNow(content)
    store.flush()
    let buffer = Buffer()
    try store.check(content, buffer.bytes)
    let recipe = try recipeBytes(path) - recipesBefore
    let grown = Int(store.usedByteCount - before)
    let allowed = newBytes + editPlaces * 262_144 + recipe
    return GrowthRow(
        revision: name, newBytes: newBytes, editPlaces: editPlaces, grownBytes: grown,
        grownDiskBytes: diskBytes(filesInTree("\(path)/packs")) - diskBefore,
        recipeBytes: recipe, allowedBytes: allowed, isWithin: grown <= allowed)
}

private func recipeBytes(_ path: String) throws -> Int {
    StoredSizes(try packsOf(cache: path)).recipeBytes
}
