// Models and texts for the bench, and what it says of them.

import Glibc
import Inference

/// Names of files, down to two folders deep.
func files(in folder: String, below: String = "", depth: Int = 0) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var found: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            String(cString: UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
        }
        if name.hasPrefix(".") { continue }
        let inner = files(in: folder + "/" + name, below: below + name + "/", depth: depth + 1)
        found += depth < 2 && !inner.isEmpty ? inner : [below + name]
    }
    return found.sorted()
}

/// Says what is wrong, and ends.
func fail(_ reason: String) -> Never {
    print("text-bench: \(reason)")
    exit(1)
}

/// Opens a folder's text model.
func model(_ path: String) -> any Model {
    let folder = ModelFolder(path: path, files: files(in: path))
    do throws(InferenceError) {
        let kind =
            ModelKind.textClassifiers.recognises(folder)
            ? ModelKind.textClassifiers : .sentenceEncoders
        return try kind.open(folder, nil)
    } catch { fail("\(error)") }
}

/// One JSON text a line.
func readTexts() -> [String] {
    var texts: [String] = []
    while let line = readLine() {
        do throws(InferenceError) { texts.append(try TextLines.text(line)) } catch {
            fail("\(error)")
        }
    }
    return texts
}

/// A prediction as a line.
func numbers(_ prediction: Prediction) -> String {
    switch prediction {
    case .embedding(let vector): vector.map { "\($0)" }.joined(separator: " ")
    case .labels(let labels):
        labels.map { "\($0.label)=\($0.probability)" }.joined(separator: " ")
    case .values(let values): values.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
    }
}

/// One prediction for each text.
func predict(_ model: any Model, _ texts: [String]) -> [Prediction] {
    do throws(InferenceError) { return try model.predict(texts.map { [.text($0)] }) } catch {
        fail("\(error)")
    }
}
