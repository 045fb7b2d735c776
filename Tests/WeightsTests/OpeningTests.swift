// Safetensors, shards and arrays opened on real files: views where they lie, and what is refused.

import Platform
import TestSupport
import Testing

@testable import Weights

@Suite struct OpeningTests {
    private let folder = TemporaryDirectory()

    private func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = "\(folder.path)/\(name)"
        try writeFile(path, bytes)
        return path
    }

    private func tensor(_ name: String, _ values: [Float]) -> [UInt8] {
        let bytes = values.flatMap { WeightFixtures.number(UInt64($0.bitPattern), 4) }
        let header =
            #"{"\#(name)":{"dtype":"F32","shape":[\#(values.count)],"#
            + #""data_offsets":[0,\#(bytes.count)]}}"#
        return WeightFixtures.number(UInt64(header.utf8.count), 8) + Array(header.utf8) + bytes
    }

    private func failure(_ path: String) -> WeightFileError? {
        do throws(WeightFileError) {
            _ = try WeightSet.open(path)
            return nil
        } catch {
            return error
        }
    }

    @Test func `tensors are views of the file`() throws {
        let path = try file("model.safetensors", WeightFixtures.safetensors)
        let weights = try WeightSet.open(path)
        let view = try #require(weights.tensors.values.first { $0.type.element == .float32 })
        #expect(view.file?.path == path)
        #expect(try view.floats() == [0, 1, 2, 3, 4, 5].map(Float.init))
        #expect(view.rows(1..<2).shape == [1, 3])
        #expect(try view.rows(1..<2).floats() == [3, 4, 5])
        #expect(view.reshaped(to: [3, 2])?.shape == [3, 2])
        #expect(view.reshaped(to: [4, 2]) == nil)
        #expect(weights.privateByteCount == 0)
        #expect(weights.files.map(\.path) == [path])
    }

    @Test func `an index leads to its shards`() throws {
        _ = try file("a.safetensors", tensor("x", [1, 2]))
        _ = try file("b.safetensors", tensor("y", [3]))
        let index = #"{"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}"#
        let path = try file("model.safetensors.index.json", Array(index.utf8))
        let weights = try WeightSet.open(path)
        #expect(try weights["x"]?.floats() == [1, 2])
        #expect(try weights["y"]?.floats() == [3])
        #expect(weights.files.count == 2)

        let wrong = try file("w.json", Array(#"{"weight_map":{"z":"a.safetensors"}}"#.utf8))
        #expect(failure(wrong) == .invalid(path: "\(folder.path)/a.safetensors", .missing("z")))
        let lost = try file("l.json", Array(#"{"weight_map":{"z":"c.safetensors"}}"#.utf8))
        #expect(failure(lost) == .invalid(path: lost, .missingShard("c.safetensors")))
        // An index that names itself leads nowhere.
        let itself = try file("i.json", Array(#"{"weight_map":{"z":"i.json"}}"#.utf8))
        #expect(failure(itself) != nil)
    }

    @Test func `files that cannot be opened say why`() throws {
        #expect(
            failure("\(folder.path)/none") == .unreadable(path: "\(folder.path)/none", .noEntry))
        let empty = try file("empty", [])
        #expect(
            failure(empty)
                == .invalid(
                    path: empty,
                    .malformed(reason: "neither safetensors nor a checkpoint nor an array")))
        let cut = try file("cut", WeightFixtures.safetensors.dropLast())
        guard case .invalid(cut, _)? = failure(cut) else {
            Issue.record("a file that was cut was opened")
            return
        }
        let long = try file("long", WeightFixtures.number(2 << 30, 8) + Array("{}      ".utf8))
        #expect(failure(long) != nil)
        let text = WeightFileError.invalid(path: "/m/a.bin", .compressedMember("a/data/0"))
        #expect("\(text)".hasPrefix("/m/a.bin: its member 'a/data/0' is compressed"))
    }

    @Test func `arrays are opened, in row order`() throws {
        let single = try WeightSet.open(try file("a.npy", WeightFixtures.array))
        #expect(single[""]?.shape == [2, 3])
        #expect(try single[""]?.floats() == [0, 1, 2, 3, 4, 5])
        #expect(single.privateByteCount == 0)
        let several = try WeightSet.open(try file("a.npz", WeightFixtures.arrays))
        #expect(try several["w"]?.doubles() == [0, 1, 2])
        #expect(try several["v"]?.doubles() == [1, 1, 1, 1])
        #expect(several.privateByteCount == 32)
    }

    @Test func `a compressed array is refused by its name`() throws {
        var bytes = WeightFixtures.zip([("x.npy", WeightFixtures.array)])
        let entry = bytes.count - 22 - 46 - 5
        bytes[entry + 10] = 8
        let path = try file("c.npz", bytes)
        #expect(failure(path) == .invalid(path: path, .compressedMember("x.npy")))
    }

    @Test func `other formats are told apart`() throws {
        let gguf = try file("a.gguf", WeightFixtures.gguf)
        #expect(
            failure(gguf)
                == .invalid(path: gguf, .unsupported(reason: "models in GGUF files")))
    }

    @Test func `values out of order are put in order`() {
        let place = StridedPlace(offset: 1, shape: [2, 3, 2], strides: [1, 4, 2])
        #expect(place.reach == 1..<13)
        let bytes = (0..<16).map { UInt8($0) }
        let copy = bytes.withUnsafeBytes { place.copy(from: $0.bytes, width: 1) }
        let found = copy.withBytes { span in
            (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
        #expect(found == [1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12])
        let huge = StridedPlace(offset: 1, shape: [.max, .max], strides: [.max, 1])
        #expect(huge.reach == nil)
        #expect(StridedPlace(offset: 0, shape: [2], strides: [-1]).reach == nil)
        #expect(StridedPlace(offset: 5, shape: [0], strides: [1]).reach == 5..<5)
    }
}
