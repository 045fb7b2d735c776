// The fixtures of text models, which scripts/make-text-fixtures.py made with the real libraries.

import Glibc
import TestSupport

@testable import Inference

enum TextFixtures {
    static let root: String = {
        let here = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        return "/\(here)/Fixtures/text"
    }()

    /// A model's folder.
    static func folder(_ name: String) -> ModelFolder { folder(at: "\(root)/\(name)") }

    static func folder(at path: String) -> ModelFolder {
        let files = filesInTree(path).map { String($0.dropFirst(path.count + 1)) }
        return ModelFolder(path: path, files: files.sorted())
    }

    static func json(_ name: String) throws -> JSONValue {
        try DescriptionFile.json("\(root)/\(name)")
    }

    /// What the libraries said of a model.
    struct Expected {
        let texts: [String]
        let ids: [[Int32]]
        let answers: [[Double]]

        init(_ name: String) throws {
            let json = try TextFixtures.json("\(name)/expected.json")
            texts = (json["texts"]?.array ?? []).compactMap(\.string)
            ids = TextFixtures.ids(json["ids"])
            answers = (json["answers"]?.array ?? []).map {
                ($0.array ?? []).compactMap(\.number)
            }
        }
    }

    static func ids(_ json: JSONValue?) -> [[Int32]] {
        (json?.array ?? []).map { row in
            (row.array ?? []).compactMap { $0.integer.map(Int32.init) }
        }
    }

    /// A copy of a model's folder, with some files replaced.
    static func copy(
        _ name: String, to directory: TemporaryDirectory, replacing: [String: [UInt8]]
    ) throws -> ModelFolder {
        let source = folder(name)
        for file in source.files {
            let bytes = try replacing[file] ?? DescriptionFile.bytes(source.path(of: file))
            let path = "\(directory.path)/\(file)"
            if let slash = file.lastIndex(of: "/") {
                mkdir("\(directory.path)/\(file[..<slash])", 0o700)
            }
            try writeFile(path, bytes)
        }
        return folder(at: directory.path)
    }
}
