import Platform
import Testing

@Suite struct PercentCodingTests {
    @Test(arguments: [
        ("a%20b", "a b"), ("%", "%"), ("%2", "%2"), ("%zz", "%zz"), ("%2f%2F", "//"), ("+", "+"),
    ])
    func decodes(text: String, decoded: String) {
        #expect(percentDecoded(text) == decoded)
    }

    @Test func refusesWhatIsNotUTF8() {
        #expect(percentDecoded("%ff") == nil)
    }

    @Test(arguments: ["a b/ü&=%", "plain-._~", "\u{1}"])
    func roundTrips(text: String) {
        #expect(percentDecoded(percentEncoded(text)) == text)
        #expect(!percentEncoded(text).contains("/"))
        #expect(percentEncoded("a/ü", keeping: "/") == "a/%C3%BC")
    }
}
