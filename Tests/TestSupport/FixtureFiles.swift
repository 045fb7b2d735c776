// Files that other programs wrote, kept in Tests/Fixtures with the scripts that make them.

/// The path of a file in `Tests/Fixtures`.
package func fixturePath(_ name: String) -> String {
    let folder = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    return "/\(folder)/Fixtures/\(name)"
}
