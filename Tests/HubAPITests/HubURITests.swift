import Testing

@testable import HubAPI

@Suite struct HubURITests {
    @Test(arguments: [
        ("hf://", "hf://"), ("hf:///", "hf://"), ("hf://models", "hf://models"),
        ("hf://datasets/", "hf://datasets"), ("hf://spaces", "hf://spaces"),
        ("hf://org/name", "hf://models/org/name"),
        ("hf://models/org/name/", "hf://models/org/name"),
        ("hf://org/name@v1.0", "hf://models/org/name@v1.0"),
        ("hf://datasets/o/n@main/sub/dir", "hf://datasets/o/n@main/sub/dir"),
        ("hf://datasets/o/n/sub/file@1.txt", "hf://datasets/o/n/sub/file@1.txt"),
        ("hf://o/n@refs/pr/3/a/b", "hf://models/o/n@refs/pr/3/a/b"),
        ("hf://o/n@refs/convert/parquet", "hf://models/o/n@refs/convert/parquet"),
        ("hf://o/n@refs%2Fpr%2F3/a", "hf://models/o/n@refs/pr/3/a"),
        ("hf://o/n@feature%2Fx/a", "hf://models/o/n@feature%2Fx/a"),
        ("hf://gpt2", "hf://models/gpt2"), ("hf://gpt2@main/x", "hf://models/gpt2@main/x"),
        ("hf://datasets/squad@v1", "hf://datasets/squad@v1"),
    ])
    func reads(text: String, canonical: String) throws {
        let uri = try HubURI(text)
        #expect(uri.text == canonical)
        #expect(try HubURI(uri.text) == uri)
    }

    @Test func takesApart() throws {
        let id = try #require(RepositoryID(kind: .dataset, name: "o/n"))
        #expect(
            try HubURI("hf://datasets/o/n@a%2Fb/c/d")
                == .repository(
                    HubLocation(id: id, revision: RevisionName("a/b"), path: "c/d")))
        #expect(try HubURI("hf://models") == .kind(.model))
    }

    @Test(arguments: [
        ("org/name", HubURIError.noScheme("org/name")), ("HF://o/n", .noScheme("HF://o/n")),
        ("hf://model/o/n", .singularKind("model")), ("hf://dataset", .singularKind("dataset")),
        ("hf://buckets/o/n", .unsupportedKind("buckets")),
        ("hf://o/n..m", .badRepository("o/n..m")), ("hf://o/@main", .badRepository("o/")),
        ("hf://o/n@", .badRevision("")), ("hf://o/n@a%20b", .badRevision("a%20b")),
        ("hf://o/n@%2E%2E", .badRevision("%2E%2E")),
        ("hf://o/n//x", .badPath("/x")), ("hf://o/n@main/../x", .badPath("../x")),
        ("hf://o/n/.", .badPath(".")),
    ])
    func refuses(text: String, error: HubURIError) {
        #expect(throws: error) { try HubURI(text) }
        #expect(!error.description.isEmpty)
    }
}
