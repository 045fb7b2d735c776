// The `key=value&…` form of queries and posted forms.

internal import Platform

/// The values of a query or of a posted form, in order.
package struct HTTPQuery: Sendable {
    /// Decoded names and values.
    package let items: [(name: String, value: String)]

    /// The most items that are looked at: 10,000 paths of a posted form and some more.
    package static let itemCountMax = 16_384

    /// Reads `name=value&name=value`; items that are not UTF-8 are left out.
    package init(_ text: some StringProtocol) {
        var items: [(name: String, value: String)] = []
        let bytes = String(text).utf8
        for part in bytes.split(separator: UInt8(ascii: "&")).prefix(HTTPQuery.itemCountMax) {
            let name = part.prefix { $0 != UInt8(ascii: "=") }
            let value = part[name.endIndex...].dropFirst()
            guard let name = percentDecoded(Substring(name), plusIsSpace: true),
                let value = percentDecoded(Substring(value), plusIsSpace: true)
            else { continue }
            items.append((name, value))
        }
        self.items = items
    }

    /// The first value of that name.
    package subscript(name: String) -> String? { items.first { $0.name == name }?.value }

    /// All values of that name, in order.
    package func all(_ name: String) -> [String] {
        items.filter { $0.name == name }.map(\.value)
    }
}
