// The rules against the project itself. A failure lists every place, one on a line.

import Testing

/// Everything a reader of the code may rely on without looking.
@Suite struct TidyTests {
    private let tree = SourceTree.checkout

    static let rules =
        TextRules.all + SyntaxRules.all + DocumentationRules.all
        + [ImportRules.oneImporter, ImportRules.foundation]

    /// A file that must be there.
    ///
    /// Not within `#require`, which would print the whole tree.
    private func required(_ path: String) throws -> SourceFile {
        let file = tree.file(path)
        return try #require(file, "\(path) is missing")
    }

    private func expectNone(_ found: [Violation], _ rule: String) {
        if found.isEmpty { return }
        let list = found.map(\.description).joined(separator: "\n")
        Issue.record("\(rule):\n\(list)")
    }

    @Test func `the checkout is found`() throws {
        let count = tree.files.count
        #expect(count > 20)
        _ = try required("Package.swift")
        _ = try required("Tests/TidyTests/TidyTests.swift")
    }

    @Test(arguments: rules.map(\.name)) func `no file breaks a rule`(name: String) throws {
        let rule = try #require(TidyTests.rules.first { $0.name == name })
        expectNone(tree.files.flatMap(rule.check), name)
    }

    @Test func `modules use only what is below them`() throws {
        let file = try required("Package.swift")
        let manifest = PackageManifest(file)
        #expect(manifest.targets.count > 20)
        expectNone(ImportRules.ladder(manifest, file), "the ladder")
        let imports = tree.files.flatMap { ImportRules.declared(manifest, $0) }
        expectNone(imports, "imports are declared")
    }

    @Test func `the map of the project names every module`() throws {
        let manifest = PackageManifest(try required("Package.swift"))
        let map = try required("docs/ARCHITECTURE.md")
        expectNone(ImportRules.unmapped(manifest, map: map), "docs/ARCHITECTURE.md")
    }

    @Test func `links in pages lead somewhere`() {
        let pages = tree.files.filter { $0.path.hasSuffix(".md") }
        let found = pages.flatMap { page in
            PageRules.deadLinks(page) { path in tree.file(path) != nil }
        }
        expectNone(found, "links")
    }
}
