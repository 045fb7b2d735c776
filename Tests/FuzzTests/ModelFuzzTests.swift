// Checkpoints, pickles, trees and Keras files that nobody would write: refused, or understood with
// every tensor in its file.

import FuzzCases
import HDF5Files
import Platform
import TestSupport
import Testing
import Weights

@Suite struct ModelFuzzTests {
    static let cases = [
        pickles, trees,
        files("weights-checkpoints", ["state.pth", "nested-4.pth", "state-stream.pth"]) {
            try Checkpoint.open($0).weights()
        },
        files("weights-keras", ["tiny.h5", "newer-latest.h5", "keras-2.h5"]) {
            try KerasFile.open($0).tensors
        },
    ]

    @Test(arguments: cases) func `any model file is borne`(fuzzed: FuzzCase) {
        Fuzzer().run(fuzzed)
    }

    private static func fixture(_ name: String) -> [UInt8] {
        let bytes = try? contentsOfFile(fixturePath("weights/\(name)"))
        precondition(bytes != nil, "no fixture \(name)")
        return bytes ?? []
    }

    private static let pickles = FuzzCase(
        "pickles",
        bytes: (0...5).map { fixture("plain-\($0).pkl") }
            + ["standard.joblib", "standard-0.pkl", "range.pkl", "arrays.joblib"].map(fixture)
    ) { bytes in
        guard let value = try? PickleFile.value(bytes) else { return }
        guard let scaler = try? FeatureScaler(value) else { return }
        var row = [Double](repeating: 1, count: scaler.featureCount)
        scaler.scale(&row)
        scaler.unscale(&row)
    }

    /// A walk down a tree that was taken ends at a leaf, whatever it compares.
    private static let trees = FuzzCase(
        "trees",
        bytes: [
            "regression.json", "regression.ubj", "categories.json", "categories.ubj", "dart.json",
        ].map { fixture("xgb-\($0)") }
    ) { bytes in
        guard let model = try? XGBoostModel(bytes) else { return }
        for tree in model.trees {
            for seed in 0..<8 {
                var node: Int32 = 0
                var steps = 0
                while tree.left[Int(node)] >= 0 {
                    let feature = Int(tree.features[Int(node)])
                    try FuzzFailure.unless(feature < model.featureCount, "feature \(feature)")
                    let goesRight =
                        tree.categories[node] != nil
                        ? tree.hasCategory(seed, at: node) : (seed + steps) % 3 == 0
                    node = goesRight ? tree.right[Int(node)] : tree.left[Int(node)]
                    steps += 1
                    try FuzzFailure.unless(steps <= tree.nodeCount, "a walk without end")
                }
            }
        }
    }

    /// Files that are opened by their paths.
    private static func files(
        _ name: String, _ samples: [String],
        _ open: @escaping @Sendable (String) throws -> WeightSet
    ) -> FuzzCase {
        FuzzCase(name, bytes: samples.map(fixture)) { bytes in
            let folder = TemporaryDirectory()
            let path = "\(folder.path)/file"
            try writeFile(path, bytes)
            guard let weights = try? open(path) else { return }
            for (name, tensor) in weights.tensors {
                try FuzzFailure.unless(
                    tensor.file == nil || tensor.bytes.upperBound <= bytes.count,
                    "\(name) lies at \(tensor.bytes)")
                // Every value can be read.
                _ = tensor.firstNotFinite()
            }
        }
    }
}
