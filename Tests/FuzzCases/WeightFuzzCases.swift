// Weight files that nobody would write: refused, or understood with every place in the file.

import TestSupport
import Weights

package enum WeightFuzzCases {
    package static let cases = [
        layout("safetensors", [WeightFixtures.safetensors]),
        layout("gguf", [WeightFixtures.gguf]),
        layout("numpy", [WeightFixtures.array]),
        layout(
            "archives",
            [
                WeightFixtures.arrays, WeightFixtures.zip([("data.pkl", [1]), ("data/0", [2])]),
                WeightFixtures.zip(
                    [("data.pkl", [1]), ("data/0", [2])], padding: 9, isLarge: true),
            ]),
        index,
    ]

    private static func layout(_ name: String, _ samples: [[UInt8]]) -> FuzzCase {
        FuzzCase("weights-\(name)", bytes: samples) { bytes in
            let file = WholeFile(bytes)
            guard let parsed = try? WeightFile.parse(file), case .done(let layout?) = parsed else {
                if case .needs? = try? WeightFile.parse(file) {
                    throw FuzzFailure(description: "it needs more than there is")
                }
                return
            }
            var position: Int64 = 0
            for extent in layout.extents {
                try FuzzFailure.unless(
                    extent.bytes.lowerBound >= position && extent.bytes.upperBound <= bytes.count,
                    "\(extent.name) lies at \(extent.bytes)")
                position = extent.bytes.upperBound
                try FuzzFailure.unless(
                    extent.type.map { $0.byteCount == Int64(extent.bytes.count) } ?? true,
                    "\(extent.name) has another size")
            }
            guard case .done(let directory)? = try? ZipDirectory.parse(file) else { return }
            for member in directory.members {
                guard case .done(let place)? = try? ZipDirectory.payload(of: member, file)
                else { continue }
                try FuzzFailure.unless(
                    place.upperBound <= member.limit && member.limit <= bytes.count,
                    "\(member.name) lies at \(place)")
                _ = try? NumPyArray.parse(file, at: place.lowerBound, end: place.upperBound)
            }
        }
    }

    private static let index = FuzzCase(
        "weights-index",
        [
            #"{"metadata":{"total_size":1.5e3},"weight_map":{"a":"x.safetensors","b\u00e9":"y"}}"#,
            #"{"weight_map":{"a\ud83d\ude00":"x"}, "z":[[{"a":null,"b":true}]]}"#,
        ]
    ) { bytes in
        guard let index = try? SafetensorsIndex(json: bytes) else { return }
        for (tensor, shard) in index.shardOfTensor {
            try FuzzFailure.unless(index.shards.indices.contains(shard), "\(tensor) is nowhere")
        }
        for shard in index.shards {
            try FuzzFailure.unless(!shard.contains("/") && shard != "..", "\(shard) leads away")
        }
    }
}
