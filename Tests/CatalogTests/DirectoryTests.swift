// Folders as they are stored: what is laid out is found again, what is damaged is refused.

import Catalog
import TestSupport
import Testing

@Suite struct DirectoryTests {
    private typealias Model = [[UInt8]: Directory.Target]

    private func lay(_ model: Model) -> Directory {
        Directory(model.map { (name: $0.key, target: $0.value) })
    }

    private func randomTarget(_ random: inout SeededGenerator) -> Directory.Target {
        if Bool.random(using: &random) {
            return .directory(subdirectoryCount: .random(in: 0...1 << 20, using: &random))
        }
        return .file(
            ContentID(row: .random(in: 1..<1 << 40, using: &random)),
            sizeBytes: .random(in: 0...1 << 40, using: &random),
            modified: .random(in: -1 << 40...1 << 40, using: &random))
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func whatIsLaidOutIsFoundAgain(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var model = Model()
        // Few different bytes make common beginnings; high ones are parts of other characters.
        let alphabet: [UInt8] = [0x61, 0x62, 0x2e, 0x7f, 0x80, 0xc3, 0xff]
        for _ in 0..<Int.random(in: 0...60, using: &random) {
            let length = Int.random(in: 1...4, using: &random)
            let name = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0x61 }
            model[name] = randomTarget(&random)
        }
        let made = lay(model)
        let read = try #require(Directory(bytes: made.bytes))
        #expect(read.count == model.count)
        let folders = model.values.count { if case .directory = $0 { true } else { false } }
        #expect(read.subdirectoryCount == folders)
        for (name, target) in model { #expect(read.find(name) == target) }
        let names = (0..<read.count).map { Array(read[$0].name) }
        #expect(names == model.keys.sorted { $0.lexicographicallyPrecedes($1) })
        for _ in 0..<50 {
            let name = random.bytes(Int.random(in: 0...3, using: &random))
            #expect(read.find(name) == model[name])
        }
    }

    @Test func emptyAndLarge() throws {
        let empty = try #require(Directory(bytes: Directory([]).bytes))
        #expect(empty.count == 0)
        #expect(empty.find([0x61]) == nil)
        #expect(empty.find([]) == nil)
        var model = Model()
        for index in 0..<10_000 {
            model[Array("größe-\(index)".utf8)] = .file(
                ContentID(row: Int64(index + 1)), sizeBytes: Int64(index), modified: 7)
        }
        let large = try #require(Directory(bytes: lay(model).bytes))
        for (name, target) in model { #expect(large.find(name) == target) }
        #expect(large.find(Array("größe-10000".utf8)) == nil)
    }

    @Test func aNameOfTheGreatestLength() {
        let name = [UInt8](repeating: 0x6e, count: 255)
        let made = lay([name: .directory(subdirectoryCount: 0)])
        #expect(Directory(bytes: made.bytes)?.find(name) == .directory(subdirectoryCount: 0))
    }

    @Test func everyTruncationIsRefused() {
        let whole = lay([
            [0x61]: .file(ContentID(row: 1), sizeBytes: 2, modified: 3),
            [0x62, 0x62]: .directory(subdirectoryCount: 1),
            [0x63]: .file(ContentID(row: 4), sizeBytes: 5, modified: 6),
        ]).bytes
        #expect(Directory(bytes: whole) != nil)
        for length in 0..<whole.count {
            #expect(Directory(bytes: Array(whole.prefix(length))) == nil, "\(length) bytes")
        }
    }

    @Test func damageNeverTraps() {
        var random = SeededGenerator(seed: 5)
        let whole = lay([
            [0x61]: .file(ContentID(row: 1), sizeBytes: 2, modified: 3),
            [0x62]: .directory(subdirectoryCount: 1),
        ]).bytes
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] =
                    UInt8.random(in: 0...255, using: &random)
            }
            guard let read = Directory(bytes: bytes) else { continue }
            for index in 0..<read.count { _ = read[index] }
            _ = read.find([0x61])
        }
    }

    @Test func orderAndKindsAreChecked() {
        let two = lay([
            [0x61]: .directory(subdirectoryCount: 1), [0x62]: .directory(subdirectoryCount: 2),
        ]).bytes
        // The two offsets, exchanged.
        let swapped = two[..<8] + two[12..<16] + two[8..<12] + two[16...]
        #expect(Directory(bytes: Array(swapped)) == nil)
        var unknown = two
        unknown[16] = 9
        #expect(Directory(bytes: unknown) == nil)
        var miscounted = two
        miscounted[4] = 1
        #expect(Directory(bytes: miscounted) == nil)
    }
}
