// Files of the formats' own libraries are understood, as a whole and when their bytes come late.

import TestSupport
import Testing
import Weights

/// A file of which only some ranges are there.
struct PartialFile: ByteSource {
    let whole: [UInt8]
    var present: [Range<Int64>] = []

    var sizeBytes: Int64 { Int64(whole.count) }

    func bytes(in range: Range<Int64>) -> [UInt8]? {
        let isHere = range.allSatisfy { byte in present.contains { $0.contains(byte) } }
        return isHere ? Array(whole[Int(range.lowerBound)..<Int(range.upperBound)]) : nil
    }
}

@Suite struct LayoutTests {
    private func layout(_ bytes: [UInt8]) throws -> WeightLayout? {
        guard case .done(let layout) = try WeightFile.parse(WholeFile(bytes)) else {
            Issue.record("all bytes are there")
            return nil
        }
        return layout
    }

    @Test func safetensorsIsUnderstood() throws {
        let found = try layout(WeightFixtures.safetensors)
        let layout = try #require(found)
        #expect(layout.format == .safetensors)
        let types = Dictionary(uniqueKeysWithValues: layout.extents.map { ($0.name, $0.type) })
        #expect(types["b.weight"] == TensorType(element: .float32, shape: [2, 3]))
        #expect(types["a.bias"] == TensorType(element: .float16, shape: [2]))
        #expect(types["n"] == TensorType(element: .int64, shape: []))
        #expect(types["empty"] == TensorType(element: .uint8, shape: [0, 4]))
        let weight = try #require(layout.extents.first { $0.name == "b.weight" })
        let values = WeightFixtures.safetensors[Int(weight.bytes.lowerBound)...].prefix(24)
        #expect(Array(values.suffix(4)) == [0, 0, 0xa0, 0x40], "the last value is 5")
        #expect(layout.extent(at: weight.bytes.lowerBound + 3) == weight)
        #expect(layout.extent(at: 0) == nil)
    }

    @Test func ggufIsUnderstood() throws {
        let found = try layout(WeightFixtures.gguf)
        let layout = try #require(found)
        #expect(layout.format == .gguf)
        #expect(layout.extents.map(\.name) == ["token_embd.weight", "blk.0.w"])
        #expect(layout.extents[0].type == TensorType(element: .float32, shape: [2, 4]))
        #expect(layout.extents[1].type == TensorType(element: .quantized(.q8_0), shape: [2, 32]))
        #expect(layout.extents[1].bytes.count == 68)
        let start = Int(layout.extents[0].bytes.lowerBound)
        #expect(Array(WeightFixtures.gguf[start + 4..<start + 8]) == [0, 0, 0x80, 0x3f])
    }

    @Test func arraysAreUnderstood() throws {
        let found = try layout(WeightFixtures.array)
        #expect(found?.extents.first?.type == TensorType(element: .float32, shape: [2, 3]))
        #expect(found?.extents.first?.bytes == 128..<152)
        let archive = try layout(WeightFixtures.arrays)
        #expect(archive?.format == .numpyArchive)
        #expect(archive?.extents.map(\.name) == ["w.npy", "v.npy"])
    }

    @Test func arraysInArchivesAreFoundExactly() throws {
        let file = WholeFile(WeightFixtures.arrays)
        guard case .done(let directory) = try ZipDirectory.parse(file) else { return }
        let member = try #require(directory.members.last)
        guard case .done(let place) = try ZipDirectory.payload(of: member, file),
            case .done(let array) = try NumPyArray.parse(
                file, at: place.lowerBound, end: place.upperBound)
        else {
            Issue.record("all bytes are there")
            return
        }
        #expect(array.type == TensorType(element: .float64, shape: [2, 2]))
        #expect(array.isColumnMajor)
        #expect(array.values.upperBound == place.upperBound)
    }

    @Test(arguments: [false, true]) func torchArchivesAreUnderstood(isLarge: Bool) throws {
        let bytes = WeightFixtures.zip(
            [("model/data.pkl", [1, 2, 3]), ("model/data/0", [UInt8](repeating: 5, count: 640))],
            padding: 37, isLarge: isLarge)
        let found = try layout(bytes)
        #expect(found?.format == .torchArchive)
        let file = WholeFile(bytes)
        guard case .done(let directory) = try ZipDirectory.parse(file) else { return }
        let member = directory.members[1]
        #expect(member.isStored && member.storedByteCount == 640)
        #expect(
            try ZipDirectory.payload(of: member, file)
                == .done(member.headerOffset + 30 + 12 + 37..<member.limit))
    }

    @Test func otherFilesAreNoWeights() throws {
        #expect(try layout(Array("hello, world, this is a text\n".utf8)) == nil)
        #expect(try layout([]) == nil)
        #expect(try layout(WeightFixtures.zip([("word/document.xml", [1])])) == nil)
        var random = SeededGenerator(seed: 3)
        #expect(try layout(random.bytes(4096)) == nil)
    }

    /// Whoever fetches what a parser says that it needs comes to an end, and to the same layout.
    @Test(arguments: [
        WeightFixtures.safetensors, WeightFixtures.gguf, WeightFixtures.array,
        WeightFixtures.arrays,
        WeightFixtures.zip([("a/data.pkl", [9]), ("a/data/0", [1, 2, 3, 4])], isLarge: true),
    ])
    func whatIsNeededIsNamed(bytes: [UInt8]) throws {
        var file = PartialFile(whole: bytes)
        for _ in 0..<10 {
            switch try WeightFile.parse(file) {
            case .needs(let range):
                #expect(!range.isEmpty && range.upperBound <= file.sizeBytes)
                file.present.append(range)
            case .done(let found):
                #expect(try found == layout(bytes))
                return
            }
        }
        Issue.record("it never has enough")
    }

    @Test func anIndexNamesItsShards() throws {
        let index = try SafetensorsIndex(
            json: Array(
                """
                {"metadata": {"total_size": 12}, "weight_map": {
                 "a\\u00e9": "model-00001-of-00002.safetensors",
                 "b": "model-00002-of-00002.safetensors",
                 "c": "model-00001-of-00002.safetensors"}}
                """.utf8))
        #expect(
            index.shards == [
                "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
            ])
        #expect(index.shardOfTensor == ["aé": 0, "b": 1, "c": 0])
        for bad in [
            #"{"weight_map":{"a":"../x"}}"#, #"{"weight_map":{"a":1}}"#, "{}",
            #"{"weight_map":{"a":"x","a":"y"}}"#, #"{"weight_map":{}} x"#,
        ] {
            #expect(throws: WeightError.self) { try SafetensorsIndex(json: Array(bad.utf8)) }
        }
    }
}
