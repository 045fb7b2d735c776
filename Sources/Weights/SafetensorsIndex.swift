// The index of a model in several safetensors files: which tensor is in which file.
//
// `model.safetensors.index.json`: `{"metadata": {…}, "weight_map": {"tensor": "file", …}}`. The
// files stand beside the index, and their order is the one in which the index first names them.

internal import JSON

/// What an index says.
package struct SafetensorsIndex: Equatable, Sendable {
    /// The official files have some ten thousand tensors in an index of some hundred kilobytes.
    package static let byteCountMax = 16 << 20
    private static let shardCountMax = 10_000

    /// The names of the files, each once, in the order in which the index first names them.
    package let shards: [String]
    /// The file of each tensor, by its place in `shards`.
    package let shardOfTensor: [String: Int]

    /// Reads an index.
    package init(json: [UInt8]) throws(WeightError) {
        if json.count > SafetensorsIndex.byteCountMax {
            throw .directoryTooLong(byteCount: Int64(json.count))
        }
        var shards: [String] = []
        var places: [String: Int] = [:]
        var tensors: [String: Int] = [:]
        var hasMap = false
        var reader = JSONReader<WeightError>(json)
        try reader.object { (reader, field) throws(WeightError) in
            guard field == "weight_map" else { return try reader.skip() }
            if hasMap { throw .duplicate(field) }
            hasMap = true
            try reader.object { (reader, tensor) throws(WeightError) in
                let shard = try reader.string()
                let place = places[shard] ?? shards.count
                if place == shards.count {
                    try SafetensorsIndex.check(shard)
                    if place == SafetensorsIndex.shardCountMax { throw .tooManyEntries }
                    shards.append(shard)
                    places[shard] = place
                }
                if tensors.updateValue(place, forKey: tensor) != nil { throw .duplicate(tensor) }
            }
        }
        try reader.end()
        if !hasMap { throw .malformed(reason: "an index without weight_map") }
        self.shards = shards
        shardOfTensor = tensors
    }

    /// A shard stands beside its index: a name that leads elsewhere is none.
    private static func check(_ name: String) throws(WeightError) {
        let isPlain =
            !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/"))
            && !name.utf8.contains(0)
        if !isPlain { throw .malformed(reason: "a shard that is not beside its index") }
    }
}
