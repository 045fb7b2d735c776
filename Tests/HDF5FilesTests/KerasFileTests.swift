// Files that Keras and h5py wrote, mapped where their values lie; and files that are damaged.

import HDF5Files
import Platform
import TestSupport
import Testing
import Weights

@Suite struct KerasFileTests {
    private let folder = TemporaryDirectory()

    private func open(_ name: String) throws -> KerasFile {
        try KerasFile.open(fixturePath("weights/\(name)"))
    }

    private func failure(_ path: String) -> WeightError? {
        do throws(WeightFileError) {
            _ = try KerasFile.open(path)
            return nil
        } catch {
            guard case .invalid(_, let error) = error else { return nil }
            return error
        }
    }

    /// The values are those of `make_keras` in Tests/Fixtures/make-weights.py.
    @Test func `a network of Keras 3 has its layers in order`() throws {
        let keras = try open("keras.h5")
        #expect(keras.kerasVersion?.hasPrefix("3.") == true)
        #expect(keras.modelConfig?.contains(#""class_name": "Functional""#) == true)
        #expect(
            keras.layers.map(\.name).sorted() == [
                "concatenate", "flatten", "hidden", "kind", "norm", "out", "size", "words",
            ])
        let hidden = try #require(keras.layers.first { $0.name == "hidden" })
        #expect(hidden.weights.map(\.name) == ["hidden/kernel", "hidden/bias"])
        #expect(hidden["kernel"]?.shape == [11, 6])
        #expect(try hidden["kernel"]?.floats() == (0..<66).map { Float($0) / 4 })
        #expect(hidden["kernel"]?.file?.path == keras.file.path)
        #expect(hidden["nothing"] == nil)
        let norm = try #require(keras.layers.first { $0.name == "norm" })
        #expect(
            norm.weights.map(\.name) == [
                "norm/gamma", "norm/beta", "norm/moving_mean", "norm/moving_variance",
            ])
        #expect(keras.tensors.privateByteCount == 0)
        #expect(keras.tensors["model_weights/out/out/bias"] != nil)
    }

    @Test func `weights alone of Keras 3 are found by their paths`() throws {
        let keras = try open("keras.weights.h5")
        #expect(keras.modelConfig == nil)
        #expect(keras.layers.isEmpty)
        #expect(
            try keras.tensors["layers/dense/vars/0"]?.floats() == (0..<66).map { Float($0) / 4 })
    }

    @Test func `files of Keras 2 are read`() throws {
        let keras = try open("keras-2.h5")
        #expect(keras.kerasVersion == "2.15.0")
        #expect(keras.layers.map(\.name) == ["dense", "flatten", "gru"])
        #expect(keras.layers[1].weights.isEmpty)
        #expect(keras.layers[2].weights.map(\.name) == ["gru/kernel:0", "gru/bias:0"])
        #expect(try keras.layers[0]["kernel"]?.floats() == [0, 1, 2, 3, 4, 5])
        #expect(keras.layers[0]["bias"]?.type.element == .float16)
        #expect(try keras.layers[0]["bias"]?.floats() == [0, 1, 2])
    }

    @Test func `types are told, and what cannot be mapped is left out`() throws {
        let tensors = try open("types.h5").tensors
        for (name, element) in [
            ("f8", ElementType.float64), ("f4", .float32), ("f2", .float16), ("i1", .int8),
            ("i2", .int16), ("i4", .int32), ("i8", .int64), ("u1", .uint8), ("u2", .uint16),
            ("u4", .uint32), ("u8", .uint64),
        ] {
            let tensor = try #require(tensors["kinds/\(name)"])
            #expect(tensor.type == TensorType(element: element, shape: [3]))
            #expect(try tensor.doubles() == [0, 1, 2])
        }
        #expect(tensors["scalar"]?.shape == [])
        #expect(try tensors["scalar"]?.floats() == [7.25])
        #expect(tensors["empty"]?.shape == [0, 4])
        #expect(tensors.tensors.count == 13)
    }

    /// What HDF5 puts into one message is at most 64 KiB; a real network has more.
    @Test func `a long configuration and many names are read`() throws {
        let keras = try open("keras-long.h5")
        #expect((keras.modelConfig?.utf8.count ?? 0) > 65_536)
        let inner = try #require(keras.layers.first { $0.name == "inner" })
        #expect(inner.weights.count == 80)
        for (number, weight) in inner.weights.enumerated() {
            let start = "inner/layer-\(number / 2)-x"
            #expect(String(weight.name.prefix(start.count)) == start)
            #expect(try weight.tensor.floats() == [Float(number)])
        }
        #expect(keras.tensors.privateByteCount == 0)
    }

    @Test(arguments: ["newer-v108.h5", "newer-v110.h5", "newer-latest.h5"])
    func `newer forms of the format are read`(name: String) throws {
        let keras = try open(name)
        #expect(keras.kerasVersion == "3.0.0")
        #expect(keras.layers.map(\.name) == (0..<8).map { "layer\($0)" })
        for (number, layer) in keras.layers.enumerated() {
            #expect(try layer["kernel"]?.floats() == [Float](repeating: Float(number), count: 4))
        }
    }

    @Test(arguments: [
        ("newer-many.h5", "a group of many"), ("newer-attributes.h5", "many or long attributes"),
        ("user-block.h5", "after a block of something else"), ("compact.h5", "in its header"),
        ("external.h5", "in another file"), ("virtual.h5", "of other data sets"),
        ("named-type.h5", "a named type"), ("chunked.h5", "in chunks"), ("gzip.h5", "compressed"),
    ]) func `what is not supported has a name, and says how to save it`(
        name: String, what: String
    ) {
        guard case .unsupported(let reason)? = failure(fixturePath("weights/\(name)")) else {
            Issue.record("it was opened")
            return
        }
        #expect(reason.contains(what))
        #expect(reason.contains("save it") || reason.contains("save them"))
    }

    @Test func `what is no HDF5 is refused`() throws {
        let path = "\(folder.path)/x.h5"
        for bytes: [UInt8] in [[], [1, 2, 3], WeightFixtures.safetensors] {
            try writeFile(path, bytes)
            #expect(failure(path) == .malformed(reason: "no HDF5 file"))
        }
        #expect(throws: WeightFileError.unreadable(path: "\(folder.path)/none", .noEntry)) {
            try KerasFile.open("\(folder.path)/none")
        }
    }

    @Test(arguments: ["keras.h5", "keras-2.h5", "types.h5", "newer-latest.h5"])
    func `cut files are refused`(
        name: String
    ) throws {
        let bytes = try contentsOfFile(fixturePath("weights/\(name)"))
        let path = "\(folder.path)/cut.h5"
        for count in stride(from: 0, to: bytes.count, by: 211) {
            try writeFile(path, Array(bytes[..<count]))
            if failure(path) == nil { Issue.record("\(count) bytes were taken") }
        }
    }
}
