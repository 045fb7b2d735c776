// Every rule is shown a small sample that breaks it and one that does not: a rule that cannot fail
// protects nothing.

import Testing

/// A rule, a text that breaks it, and a text that is fine.
struct Sample: Sendable, CustomTestStringConvertible {
    let rule: Rule
    let bad: String
    let good: String
    /// Where the sample pretends to lie.
    var path = "Sources/Platform/Sample.swift"
    /// Where the good text pretends to lie, if elsewhere.
    var goodPath: String?

    var testDescription: String { rule.name }

    func violations(_ text: String, at path: String) -> [Violation] {
        rule.check(SourceFile(path: path, text: text))
    }
}

/// A function with that many lines from its keyword to its closing brace.
private func function(lineCount: Int) -> String {
    "func f() {\n" + String(repeating: "    g()\n", count: lineCount - 2) + "}\n"
}

@Suite struct RuleTests {
    private static let essay = "// What this file owns, in more than a few words, and never does.\n"

    static let textSamples = [
        Sample(
            rule: TextRules.lineLength, bad: String(repeating: "a", count: 101) + "\n",
            good: String(repeating: "ä", count: 100) + "\n"),
        Sample(
            rule: TextRules.fileLength, bad: String(repeating: "a\n", count: 601),
            good: String(repeating: "a\n", count: 600)),
        Sample(
            rule: TextRules.mainLength, bad: String(repeating: "a\n", count: 80),
            good: String(repeating: "a\n", count: 79), path: "Sources/modelfs/main.swift"),
        Sample(rule: TextRules.blanks, bad: "a\tb\n", good: "a b\n"),
        Sample(rule: TextRules.blanks, bad: "a \n", good: "a\n\nb\n"),
        Sample(rule: TextRules.blanks, bad: "a\u{7}\n", good: "ä\n"),
        Sample(rule: TextRules.blanks, bad: "a\r\n", good: "a\n"),
        Sample(rule: TextRules.blanks, bad: "a", good: ""),
        Sample(rule: TextRules.leftovers, bad: "// TO" + "DO: later\n", good: "// todos\n"),
        Sample(
            rule: TextRules.conflicts, bad: "a\n<<<<" + "<<< HEAD\n", good: "a << b <<<<<<< c\n"),
        Sample(rule: TextRules.leftovers, bad: "# FIX" + "ME\n", good: "mktemp a.XX" + "XXXX\n"),
        Sample(
            rule: TextRules.fileNames, bad: "", good: "",
            path: "Sources/Platform/CacheManager.swift", goodPath: "Sources/Platform/Cache.swift"),
        Sample(
            rule: TextRules.fileNames, bad: "", good: "", path: "scripts/test-utils.sh",
            goodPath: "scripts/utilisation.sh"),
    ]

    static let syntaxSamples = [
        Sample(rule: SyntaxRules.forceUnwrap, bad: "a!.b()\n", good: "if !a, a != b { \"!\" }\n"),
        Sample(rule: SyntaxRules.forceUnwrap, bad: "try! a()\n", good: "try a() // try!\n"),
        Sample(rule: SyntaxRules.forceUnwrap, bad: "a as! B\n", good: "a as? B\n"),
        Sample(rule: SyntaxRules.forceUnwrap, bad: "var a: B!\n", good: "#expect(!a)\n"),
        Sample(rule: SyntaxRules.forceUnwrap, bad: "\"\\(a!)\"\n", good: "#\"\\(a!)\"#\n"),
        Sample(
            rule: SyntaxRules.mutex, bad: "let a = Mutex(0)\n", good: "let a = Lock(0)\n"),
        Sample(
            rule: SyntaxRules.typeNames, bad: "enum PathUtils {\n", good: "FileManager.default\n"),
        Sample(
            rule: SyntaxRules.functionLength, bad: function(lineCount: 71),
            good: function(lineCount: 70) + function(lineCount: 70)),
        Sample(
            rule: SyntaxRules.functionLength,
            bad: "init(\n    a: Int\n) {\n" + String(repeating: "//\n", count: 70) + "}\n",
            good: "protocol P {\n    func a()\n}\n" + String(repeating: "g {\n}\n", count: 80)),
        Sample(
            rule: SyntaxRules.visibility, bad: "    public func a() {}\n",
            good: "package func publicName() {}\n"),
        Sample(
            rule: SyntaxRules.concurrency, bad: "func a() async {}\n",
            good: "let asynchronous = 1\n"),
        Sample(
            rule: SyntaxRules.typedErrors, bad: "func a() throws -> Int {\n",
            good: "func a() throws(Errno) -> Int {\n"),
        Sample(
            rule: SyntaxRules.typedErrors, bad: "let a: any Error\n", good: "throws\n",
            goodPath: "Sources/modelfs/a.swift"),
        Sample(
            rule: SyntaxRules.earned, bad: "final class A: @unchecked Sendable {\n}\n",
            good: "final class A: @unchecked Sendable {\n    // Never changed after init.\n}\n"),
        Sample(
            rule: SyntaxRules.earned, bad: "/// A class.\nclass A: @unchecked Sendable {\n}\n",
            good: "/// Sendable because it is only read.\nclass A: @unchecked Sendable {\n}\n"),
        Sample(
            rule: SyntaxRules.typedErrors, bad: "init(from other: A) throws {\n",
            good: "init(from decoder: any Decoder) throws {\n"),
    ]

    static let documentationSamples = [
        Sample(rule: DocumentationRules.essay, bad: "import Glibc\n", good: essay),
        Sample(rule: DocumentationRules.essay, bad: "// Short.\n", good: essay),
        Sample(
            rule: DocumentationRules.declarations, bad: "package func a() {\n",
            good: "/// Does a.\n@discardableResult\npackage func a() {\n"),
        Sample(
            rule: DocumentationRules.declarations, bad: "    package static let a = 1\n",
            good: "/// Both.\npackage static let a = 1\npackage static let b = 2\n"),
        Sample(
            rule: DocumentationRules.declarations,
            bad: "/// A.\npackage let a = 1\n\npackage let b = 2\n", good: "private let b = 2\n"),
        Sample(
            rule: DocumentationRules.declarations, bad: "struct A {\n    package let b: Int\n",
            good: "/// A.\n@safe\nstruct A: B,\n    C {\n    package let b: Int\n"),
        Sample(
            rule: DocumentationRules.declarations,
            bad: "/// A.\nstruct A {\n    package static let b = 1\n",
            good: "/// A.\nstruct A {\n    private(set) package var b = 1\n"),
        Sample(
            rule: DocumentationRules.declarations,
            bad: "/// A.\nstruct A {\n    package var b: Int { 1 }\n",
            good: "/// A.\nstruct A {\n    /// B.\n    package var b: Int { 1 }\n"),
        Sample(
            rule: DocumentationRules.declarations,
            bad: "package init(a: Int) {\n    self.a = a + 1\n}\n",
            good: "package init(a: Int) {\n    self.a = a\n}\n"),
        Sample(
            rule: DocumentationRules.declarations, bad: "extension A {\npackage var b: Int {\n",
            good: "extension A: B {\npackage var b: Int {\n"),
        Sample(
            rule: DocumentationRules.declarations, bad: "@safe package final class A {\n",
            good: "package static func < (left: A, right: A) -> Bool {\n"),
    ]

    static let importSamples = [
        Sample(
            rule: ImportRules.oneImporter, bad: "internal import CCurl\n",
            good: "internal import CCurl\n", goodPath: "Sources/Transport/Sample.swift"),
        Sample(
            rule: ImportRules.foundation, bad: "import Foundation\n",
            good: "internal import FoundationEssentials\n",
            goodPath: "Sources/HubAPI/Sample.swift"),
        Sample(
            rule: ImportRules.foundation, bad: "import FoundationEssentials\n",
            good: "// import Foundation\n"),
        Sample(rule: ImportRules.foundation, bad: "import Dispatch\n", good: "import Glibc\n"),
    ]

    @Test(arguments: textSamples + syntaxSamples + documentationSamples + importSamples)
    func `a rule fails on what it forbids, and on nothing else`(sample: Sample) {
        #expect(!sample.violations(sample.bad, at: sample.path).isEmpty)
        let goodPath = sample.goodPath ?? sample.path
        #expect(sample.violations(sample.good, at: goodPath).isEmpty)
    }

    @Test func `every rule has a sample`() {
        let samples =
            RuleTests.textSamples + RuleTests.syntaxSamples + RuleTests.documentationSamples
            + RuleTests.importSamples
        #expect(Set(samples.map(\.rule.name)) == Set(TidyTests.rules.map(\.name)))
    }
}

@Suite struct ManifestTests {
    private let text = """
        let package = Package(
            targets: [
                system("CLib", pkgConfig: "lib", apt: "lib-dev"),
                // module("Commented", []),
                module("Low", ["CLib"]),
                module("High", [
                    "Low",
                ]),
                program("tool", ["High"]),
                tests("HighTests", ["High", "Support"]),
                .target(
                    name: "Support", dependencies: ["Low"], path: "Tests/TestSupport"),
            ])
        """
    private var file: SourceFile { SourceFile(path: "Package.swift", text: text) }

    @Test func `targets are read in their order`() {
        let manifest = PackageManifest(file)
        #expect(
            manifest.targets.map(\.name) == ["CLib", "Low", "High", "tool", "HighTests", "Support"])
        #expect(manifest.target("High")?.dependencies == ["Low"])
        #expect(manifest.target("CLib")?.dependencies == [])
        #expect(manifest.target(folder: "TestSupport")?.name == "Support")
        #expect(ImportRules.ladder(manifest, file).isEmpty)
    }

    @Test func `a dependency upwards breaks the ladder`() {
        let turned = SourceFile(
            path: "Package.swift",
            text: text.replacing("\"Low\", [\"CLib\"]", with: "\"Low\", [\"High\"]"))
        #expect(ImportRules.ladder(PackageManifest(turned), turned).count == 1)
    }

    @Test func `an import that is not declared is found`() {
        let manifest = PackageManifest(file)
        let undeclared = SourceFile(path: "Sources/Low/A.swift", text: "package import High\n")
        #expect(ImportRules.declared(manifest, undeclared).map(\.line) == [1])
        let declared = SourceFile(path: "Tests/HighTests/A.swift", text: "@testable import High\n")
        #expect(ImportRules.declared(manifest, declared).isEmpty)
        let unknown = SourceFile(path: "Sources/Unlisted/A.swift", text: "")
        #expect(ImportRules.declared(manifest, unknown).count == 1)
    }

    @Test func `a module that the map leaves out is found`() {
        let map = SourceFile(path: "docs/ARCHITECTURE.md", text: "CLib, `Low` and tool.\n")
        let found = ImportRules.unmapped(PackageManifest(file), map: map)
        #expect(found.map(\.message) == ["does not name High"])
    }
}

@Suite struct PageRuleTests {
    @Test func `a link to nowhere is found`() {
        let page = SourceFile(
            path: "docs/A.md", text: "[b](B.md) [c](C.md#part) [d](https://e.f/g) [h](#i)\n")
        let found = PageRules.deadLinks(page) { $0 == "docs/B.md" }
        #expect(found.map(\.message) == ["no docs/C.md"])
    }
}

@Suite struct ConformanceTests {
    @Test func `requirements and conformances are found`() {
        let file = SourceFile(
            path: "Sources/A/A.swift",
            text: "package protocol P: Sendable {\n    func a()\n}\nfinal class C: D, P {\n}\n")
        let found = Conformances([file])
        #expect(found.members == ["P": ["a"]])
        #expect(found.types["C"] == ["D", "P"])
    }
}

@Suite struct SwiftCodeTests {
    @Test func `comments and strings are blanked in place`() {
        let pairs = [
            ("a // b", "a     "), ("a/*/**/b*/c", "a         c"),
            ("\"a\\\"b\" + c", "\"    \" + c"), ("\"\\(a(\"b\"))\"", "\"  a(\" \"))\""),
            ("#\"a\"b\"# c", "#\"   \"# c"),
            ("\"\"\"\na\"b\n\"\"\"", "\"\"\"\n   \n\"\"\""),
        ]
        for (source, expected) in pairs { #expect(SwiftCode.blanked(source) == expected) }
    }
}
