// Checkpoints that PyTorch wrote, read without PyTorch; and those that are no data.

import Platform
import TestSupport
import Testing

@testable import Weights

@Suite struct CheckpointTests {
    private func open(_ name: String) throws -> Checkpoint {
        try Checkpoint.open(fixturePath("weights/\(name)"))
    }

    private func failure(_ name: String) -> WeightError? {
        failure(path: fixturePath("weights/\(name)"))
    }

    private func failure(path: String) -> WeightError? {
        do throws(WeightFileError) {
            _ = try Checkpoint.open(path)
            return nil
        } catch {
            guard case .invalid(_, let error) = error else { return nil }
            return error
        }
    }

    /// The values are those of `make_torch` in Tests/Fixtures/make-weights.py.
    @Test(arguments: ["state.pth", "state-stream.pth"]) func `a state dict has its tensors`(
        name: String
    ) throws {
        let checkpoint = try open(name)
        let weights = try checkpoint.weights()
        func floats(_ tensor: String) throws -> [Float] {
            try #require(weights[tensor], "\(tensor)").floats()
        }
        #expect(weights["weight"]?.shape == [3, 4])
        #expect(try floats("weight") == (0..<12).map { Float($0) / 8 })
        #expect(try floats("tied") == floats("weight"))
        #expect(weights["tied"]?.bytes == weights["weight"]?.bytes)
        #expect(try floats("bias") == [0.5, -1.5, 2])
        #expect(weights["half"]?.type.element == .float16)
        #expect(try floats("half") == (0..<6).map { Float($0) / 4 })
        #expect(weights["brain"]?.type.element == .bfloat16)
        #expect(try floats("brain") == (0..<6).map { Float($0) })
        #expect(try floats("bytes") == (-3..<3).map { Float($0) })
        #expect(try weights["counts"]?.doubles() == [1, -2, Double(1 << 40)])
        #expect(try weights["double"]?.doubles() == [0.1, 0.2])
        #expect(try floats("flags") == [1, 0, 1])
        #expect(weights["scalar"]?.shape == [])
        #expect(try floats("scalar") == [7.25])
        #expect(weights["empty"]?.shape == [0, 4])
        #expect(weights["transposed"]?.shape == [6, 4])
        let transposed = (0..<6).flatMap { row in (0..<4).map { Float($0 * 6 + row) } }
        #expect(try floats("transposed") == transposed)
        #expect(try floats("part") == [6, 8, 10, 12, 14, 16])
        #expect(try floats("repeated") == [3, 3, 3, 3, 3, 3])
        #expect(try floats("rows") == (12..<24).map { Float($0) })
        #expect(weights["rows"]?.file != nil)
        // Only what is not in row order was copied: 24, 6 and 6 values.
        #expect(checkpoint.privateByteCount == 36 * 4)
        #expect(weights.privateByteCount == 36 * 4)
        #expect(try WeightSet.open(fixturePath("weights/\(name)")).tensors.count == 15)
    }

    @Test func `storages of archives are aligned, so floats are lent`() throws {
        let weights = try open("state.pth").weights()
        #expect(weights["weight"]?.withFloats { $0[11] } == 11.0 / 8)
    }

    @Test(
        arguments: [
            "nested-2.pth", "nested-3.pth", "nested-4.pth", "nested-5.pth", "nested-stream.pth",
        ]
    ) func `a nested checkpoint is a tree`(name: String) throws {
        let checkpoint = try open(name)
        let weights = try checkpoint.weights()
        #expect(
            weights.tensors.keys.sorted() == [
                "0.bias", "0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean",
                "1.running_var", "1.weight",
            ])
        #expect(try weights.under("0.")["weight"]?.floats() == (0..<12).map { Float($0) })
        #expect(try checkpoint.value(at: ["epoch"]).integer == 3)
        #expect(try checkpoint.value(at: ["best_loss"]).number == 0.125)
        let config = try checkpoint.value(at: ["config"])
        #expect(config.dictionary?["layers"]?.numbers == [8, 4])
        #expect(config.dictionary?["name"]?.text == "größe")
        #expect(config.dictionary?["dropout"]?.number == 0.1)
        #expect(config.dictionary?["flag"]?.boolean == true)
        #expect(config.dictionary?["pair"]?.numbers == [1, -2])
        #expect(config.dictionary?["big"]?.integer == 1 << 40)
        #expect(config.dictionary?["negative"]?.integer == -(1 << 40))
        #expect(config.dictionary?["kinds"]?.texts == ["only"])
        #expect(try checkpoint.value(at: ["size"]).numbers == [2, 3])
        #expect(try checkpoint.value(at: ["device"]).text == "cpu")
        #expect(try checkpoint.value(at: ["mean"]).tensor?.shape == [2, 3])
        #expect(try checkpoint.value(at: ["mean"]).numbers == [0, 1, 2, 3, 4, 5])
        #expect(try checkpoint.value(at: ["order"]).numbers == [0, 1, 2, 3, 4, 5])
        #expect(try checkpoint.value(at: ["rate"]).number == 0.25)
        #expect(try checkpoint.value(at: ["steps"]).integer == 7)
        #expect(try checkpoint.value(at: ["classes"]).texts == ["a", "bc"])
        #expect(try checkpoint.value(at: ["objects"]).list?.first?.text == "x")
        #expect(try checkpoint.value(at: ["optimizer_state_dict", "state"]).dictionary != nil)
        #expect(throws: WeightError.missing("none")) { try checkpoint.value(at: ["none"]) }
        #expect(throws: WeightError.self) { try checkpoint.weights(at: ["config"]) }
        #expect(try checkpoint.weights(at: ["model_state_dict"]).tensors.count == 7)
    }

    @Test func `code is refused by its name`() {
        #expect(
            failure("module.pth")
                == .code(operation: "GLOBAL", name: "torch.nn.modules.container.Sequential"))
        guard case .code? = failure("script.pt") else {
            Issue.record("\(String(describing: failure("script.pt")))")
            return
        }
    }

    @Test func `compressed storages are refused by their names`() {
        guard case .compressedMember(let name)? = failure("compressed.pth") else {
            Issue.record("a compressed storage was taken")
            return
        }
        #expect(name.contains("/data/"))
    }

    /// Every cut is refused, or what is left is whole.
    @Test(arguments: ["state.pth", "state-stream.pth", "nested-stream.pth"])
    func `cut checkpoints are refused`(name: String) throws {
        let folder = TemporaryDirectory()
        let bytes = try contentsOfFile(fixturePath("weights/\(name)"))
        let path = "\(folder.path)/cut"
        for count in stride(from: 0, to: bytes.count, by: 7) {
            try writeFile(path, Array(bytes[..<count]))
            if failure(path: path) == nil { Issue.record("\(count) bytes were taken") }
        }
    }

    // MARK: Archives that nobody would write

    private func archive(
        _ pickle: [UInt8], _ members: [(name: String, bytes: [UInt8])] = []
    ) throws -> Checkpoint {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/a.pth"
        try writeFile(path, WeightFixtures.zip([("a/data.pkl", pickle)] + members))
        return try Checkpoint.open(path)
    }

    /// A pickle of one tensor of floats in storage 0.
    private func tensor(offset: Int, shape: [Int], strides: [Int], count: Int) -> [UInt8] {
        func tuple(_ numbers: [Int]) -> String {
            "(" + numbers.map { "I\($0)\n" }.joined() + "t"
        }
        let storage = "(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI\(count)\ntQ"
        let arguments = "(\(storage)I\(offset)\n\(tuple(shape))\(tuple(strides))I00\n}t"
        return Array("ctorch._utils\n_rebuild_tensor_v2\n\(arguments)R.".utf8)
    }

    @Test func `places within storages are checked`() throws {
        let data = [("a/data/0", [UInt8](repeating: 0, count: 24))]
        let whole = try archive(tensor(offset: 0, shape: [2, 3], strides: [3, 1], count: 6), data)
        #expect(whole.value.tensor?.shape == [2, 3])
        let outside = WeightError.outOfRange("a tensor of storage 0")
        for (offset, shape, strides, count) in [
            (1, [2, 3], [3, 1], 6), (0, [2, 4], [4, 1], 6), (0, [2, 3], [4, 1], 6),
            (0, [2, Int.max], [Int.max, 1], 6), (0, [1 << 40, 1 << 40], [0, 0], 6),
            (Int.max, [1], [1], 6), (0, [3], [1], 2),
        ] {
            let pickle = tensor(offset: offset, shape: shape, strides: strides, count: count)
            #expect(throws: WeightFileError.self, "\(shape)") { try archive(pickle, data) }
            do { _ = try archive(pickle, data) } catch WeightFileError.invalid(_, let error) {
                #expect(error == outside, "\(shape)")
            }
        }
        // One value, repeated so often that its copy would fill the memory.
        #expect(throws: WeightFileError.self) {
            try archive(tensor(offset: 0, shape: [1 << 30], strides: [0], count: 6), data)
        }
        #expect(throws: WeightFileError.self) {
            try archive(tensor(offset: 0, shape: [6], strides: [1], count: 7), data)
        }
        #expect(throws: WeightFileError.self) {
            try archive(tensor(offset: 0, shape: [6], strides: [1], count: 6))
        }
        #expect(throws: WeightFileError.self) {
            try archive(
                tensor(offset: 0, shape: [6], strides: [1], count: 6),
                data + [("a/byteorder", Array("big".utf8))])
        }
    }
}
