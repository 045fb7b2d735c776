// Pickles of every protocol as values, and pickles that want to run something, refused by name.

import Platform
import TestSupport
import Testing

@testable import Weights

@Suite struct PickleTests {
    private func failure(_ bytes: [UInt8]) -> WeightError? {
        do throws(WeightError) {
            _ = try PickleFile.value(bytes)
            return nil
        } catch {
            return error
        }
    }

    private func failure(_ text: String) -> WeightError? { failure(Array(text.utf8)) }

    /// The values are those of `make_pickles` in Tests/Fixtures/make-weights.py.
    @Test(arguments: 0...5) func `plain values come out of every protocol`(version: Int) throws {
        let value = try PickleFile.open(fixturePath("weights/plain-\(version).pkl"))
        let plain = try #require(value.dictionary)
        guard case .none? = plain["none"] else {
            Issue.record("none is something")
            return
        }
        #expect(plain["truth"]?.list?.compactMap(\.boolean) == [true, false])
        #expect(
            plain["numbers"]?.list?.compactMap(\.integer) == [
                0, 1, 255, 256, 65536, -1, -(1 << 31), 1 << 31, 1 << 62, .min,
            ])
        #expect(plain["reals"]?.numbers == [0, -0.5, 1e300])
        #expect(
            plain["texts"]?.texts == [
                "", "plain", "größe", "\u{1f600}", "two\nlines", "back\\slash",
                String(repeating: "x", count: 300),
            ])
        let bytes = plain["bytes"]?.list?.map { value -> [UInt8] in
            guard case .bytes(let bytes) = value else { return [1, 2, 3] }
            return bytes
        }
        #expect(bytes == [[], [0, 255], [UInt8](repeating: 0x79, count: 300)])
        #expect(plain["tuples"]?.list?.map { $0.list?.count } == [0, 1, 2, 3, 4])
        #expect(plain["sets"]?.list?.map { $0.list?.count } == [0, 1, 1])
        #expect(plain["ordered"]?.dictionary?.names == ["b", "a"])
        #expect(plain["shared"]?.list?.count == 10)
        #expect(plain.entries.contains { $0.key.integer == 1 })
    }

    @Test(arguments: 0...5) func `code is never run`(version: Int) throws {
        let operation = version < 4 ? "GLOBAL" : "STACK_GLOBAL"
        let module = version < 3 ? "__builtin__" : "builtins"
        for (file, name) in [("system", "posix.system"), ("eval", "\(module).eval")] {
            let path = fixturePath("weights/\(file)-\(version).pkl")
            #expect(
                throws: WeightFileError.invalid(
                    path: path, .code(operation: operation, name: name))
            ) { try PickleFile.open(path) }
        }
    }

    @Test func `every way to call is refused by its name`() {
        #expect(
            failure("(S'ls'\nios\nsystem\n.") == .code(operation: "INST", name: "os.system"))
        #expect(
            failure("cos\nsystem\n(S'ls'\ntR.") == .code(operation: "GLOBAL", name: "os.system"))
        #expect(failure("(ctorch\nfloat32\nS'x'\no.")?.isCode == true)
        #expect(
            failure("ctorch\nfloat32\n(tR.") == .code(operation: "REDUCE", name: "torch.float32"))
        #expect(
            failure("c__builtin__\nlist\n(tR.") == .code(operation: "REDUCE", name: "list"))
        #expect(failure("S'text'\n(tR.") == .code(operation: "REDUCE", name: "a plain value"))
        #expect(failure("(l(tR.") == .code(operation: "REDUCE", name: "a list"))
        #expect(failure("(lS'x'\nb.") == .code(operation: "BUILD", name: "a list"))
        #expect(failure("ctorch\nfloat32\n}b.") == .code(operation: "BUILD", name: "torch.float32"))
        #expect(
            failure("ccopy_reg\n_reconstructor\n(ctorch\nfloat32\nc__builtin__\nobject\nNtR.")
                == .code(operation: "REDUCE", name: "torch.float32"))
        #expect(failure([0x82, 7, 0x2e]) == .code(operation: "EXT1", name: "extension 7"))
        #expect(
            failure(Array("cos\nsystem\n)".utf8) + [0x81, 0x2e])
                == .code(operation: "GLOBAL", name: "os.system"))
        let text = WeightError.code(operation: "GLOBAL", name: "os.system")
        #expect("\(text)".contains("GLOBAL of 'os.system'"))
        let long = String(repeating: "x", count: 5_000)
        guard case .code(_, let name)? = failure("c\(long)\ny\n.") else {
            Issue.record("a long name was taken")
            return
        }
        #expect(name.count == 200)
    }

    @Test func `what breaks the rules of pickles is refused`() {
        for text in [
            "", ".", "0.", "1.", "t.", "(", "u.", "I1\n", "Ix\n.", "I99999999999999999999\n.",
            "g7\n.", "h\u{1}.", "R.", "b.", "a.", "NNa.", "(NNN", "(lNu.", "}(Nu.", "Q.", "NQ.",
            "Px\n.", "S'x\n.", "S'\\q'\n.", "V\\ud800\n.", "c\n", "Fx\n.", "~", "(l.(",
        ] where failure(text) == nil && text != "(l.(" {
            Issue.record("taken: \(text)")
        }
        #expect(failure([0x80, 6, 0x4e, 0x2e]) == .unsupported(reason: "protocol 6 of pickles"))
        #expect(failure([0x8a, 9] + [UInt8](repeating: 1, count: 9) + [0x2e]) != nil)
        #expect(failure([0x8b, 0, 0, 0, 0x10, 0x2e]) == .tooManyEntries)
        #expect(failure([0x58, 0xff, 0xff, 0xff, 0xff, 0x2e]) == .truncated)
        #expect(failure([0x8d] + [UInt8](repeating: 0xff, count: 8) + [0x2e]) == .truncated)
        #expect(failure([0x58, 1, 0, 0, 0, 0xff, 0x2e]) != nil)
        #expect(failure([0x97, 0x2e]) != nil)
    }

    @Test func `pickles without end are bounded`() {
        // A list that holds itself.
        #expect(failure("(lp0\ng0\na.") != nil)
        // Lists within lists.
        let deep = String(repeating: "(", count: 200) + String(repeating: "l", count: 200) + "."
        #expect(failure(deep) != nil)
        #expect(failure(String(repeating: "(", count: 5_000) + ".") == .tooManyEntries)
        // Each list holds the last one ten times: ten to the power of forty values.
        var laughs = "(lp0\n"
        for level in 1...40 {
            laughs += "(" + String(repeating: "g\(level - 1)\n", count: 10) + "lp\(level)\n"
        }
        #expect(failure(laughs + ".") == .tooManyEntries)
        // A long list, copied again and again.
        var copies = "(" + String(repeating: "N", count: 100_000) + "lp0\n0(cbuiltins\nset\np1\n0"
        copies += String(repeating: "g1\n(g0\ntR0", count: 2_000)
        #expect(failure(copies + "t.") == .tooManyEntries)
        #expect(
            failure([UInt8](repeating: 0x4e, count: PickleMachine.operationCountMax + 1)) != nil)
    }

    @Test func `compressed pickles say how to save them`() {
        let path = fixturePath("weights/standard-compressed.joblib")
        do throws(WeightFileError) {
            _ = try PickleFile.open(path)
            Issue.record("a compressed pickle was taken")
        } catch {
            #expect("\(error)".contains("compress=0"))
        }
    }
}

extension WeightError {
    fileprivate var isCode: Bool {
        if case .code = self { true } else { false }
    }
}
