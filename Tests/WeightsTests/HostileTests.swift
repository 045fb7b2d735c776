// Files that break the rules of their format are refused, each by the name of what is wrong.

import TestSupport
import Testing
import Weights

@Suite struct HostileTests {
    private func error(_ bytes: [UInt8]) -> WeightError? {
        do throws(WeightError) {
            _ = try WeightFile.parse(WholeFile(bytes))
            return nil
        } catch {
            return error
        }
    }

    private func tensor(_ name: String, _ type: String, _ shape: String, _ place: String) -> String
    {
        #""\#(name)":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(place)}"#
    }

    private func file(_ tensors: [String], _ dataByteCount: Int) -> [UInt8] {
        WeightFixtures.safetensors(
            header: "{\(tensors.joined(separator: ","))}", dataByteCount: dataByteCount)
    }

    @Test func placesOfTensorsAreChecked() {
        let first = tensor("a", "F32", "[2]", "[0,8]")
        #expect(error(file([first, tensor("b", "U8", "[4]", "[8,12]")], 12)) == nil)
        #expect(
            error(file([first, tensor("b", "U8", "[4]", "[4,8]")], 8)) == .overlap("b"))
        #expect(
            error(file([first, tensor("b", "U8", "[4]", "[9,13]")], 13)) == .hole(before: "b"))
        #expect(error(file([first], 9)) == .hole(before: "the end of the file"))
        #expect(error(file([first], 7)) == .outOfRange("a"))
        #expect(error(file([first, first], 8)) == .duplicate("a"))
        #expect(error(file([tensor("a", "F32", "[3]", "[0,8]")], 8)) == .sizeMismatch("a"))
        #expect(error(file([tensor("a", "F32", "[2]", "[8,0]")], 8)) == .outOfRange("a"))
        #expect(error(file([tensor("a", "F31", "[2]", "[0,8]")], 8)) == .unknownElementType("F31"))
        #expect(error(file([tensor("a", "F4", "[3]", "[0,1]")], 1)) == .sizeMismatch("a"))
        #expect(error(file([tensor("a", "F4", "[4]", "[0,2]")], 2)) == nil)
        let huge = tensor("a", "U8", "[9223372036854775807,9223372036854775807]", "[0,8]")
        #expect(error(file([huge], 8)) == .sizeMismatch("a"))
    }

    @Test func headersAreChecked() {
        let zeros = [UInt8](repeating: 0, count: 64)
        let long = WeightFixtures.number(90_000_000, 8) + Array("{".utf8) + zeros
        #expect(error(long) == .truncated)
        let twoGiB = WholeFile(WeightFixtures.number(2 << 30, 8) + Array("{".utf8) + zeros)
        #expect(throws: WeightError.directoryTooLong(byteCount: 2 << 30)) {
            try Safetensors.parse(twoGiB)
        }
        #expect(throws: WeightError.directoryTooLong(byteCount: 101)) {
            try Safetensors.parse(
                WholeFile(WeightFixtures.number(101, 8) + Array("{".utf8) + zeros), limit: 100)
        }
        for text in [
            "{", "{]", #"{"a":}"#, #"{"a":{"dtype":"F32"}}"#, #"{"__metadata__":{"a":1}}"#, "{} x",
            #"{"a\ud800":{}}"#, "{\"a\u{1}\":{}}",
            #"{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}"#,
            #"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}"#,
        ] {
            let found = error(WeightFixtures.safetensors(header: text, dataByteCount: 1))
            guard case .malformed = found else {
                Issue.record("\(text): \(String(describing: found))")
                continue
            }
        }
        let deep = String(repeating: "[", count: 5000)
        guard
            case .malformed = error(
                WeightFixtures.safetensors(header: #"{"a":{"x":\#(deep)"#, dataByteCount: 0))
        else {
            Issue.record("depth is not bounded")
            return
        }
    }

    /// Every file that ends too early is refused; none is taken for a whole one.
    @Test func cutFilesAreRefused() {
        let files = [
            ("safetensors", WeightFixtures.safetensors), ("array", WeightFixtures.array),
            ("arrays", WeightFixtures.arrays),
            // The library fills the last tensor up to the next multiple of 32.
            ("gguf", Array(WeightFixtures.gguf.dropLast(28))),
        ]
        for (name, bytes) in files {
            let taken = (16..<bytes.count).filter { error(Array(bytes[..<$0])) == nil }
            #expect(taken == [], "\(name)")
        }
    }

    @Test func archivesAreChecked() {
        var encrypted = WeightFixtures.zip([("data.pkl", [1, 2, 3])])
        let directory = 30 + 8 + 3
        encrypted[directory + 8] = 1
        guard case .malformed = error(encrypted) else {
            Issue.record("an encrypted member was taken")
            return
        }
        var overlapping = WeightFixtures.zip([("data.pkl", [1, 2, 3]), ("a", [4])])
        let second = overlapping.count - 22 - 47
        overlapping[second + 42] = 10
        #expect(error(overlapping) != nil)
        var count = WeightFixtures.zip([("data.pkl", [1, 2, 3])])
        count[count.count - 22 + 10] = 200
        count[count.count - 22 + 8] = 200
        #expect(error(count) == .truncated)
    }

    @Test func headersOfGGUFAreChecked() {
        var version = WeightFixtures.gguf
        version[4] = 9
        #expect(error(version) == .unsupported(reason: "version 9 of GGUF"))
        var count = WeightFixtures.gguf
        count[13] = 0xff
        #expect(error(count) == .tooManyEntries)
        var longer = WeightFixtures.gguf
        // The first key's length: longer than the file.
        longer[31] = 0x7f
        #expect(error(longer) == .truncated)
    }
}
