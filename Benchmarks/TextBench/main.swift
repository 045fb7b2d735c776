// Text models without a service around them: for comparisons with the Python libraries.
//
//     text-bench tokenize FOLDER LIMIT < texts    one JSON text a line; ids, one line for each
//     text-bench embed FOLDER < texts             vectors or probabilities, one line for each
//     text-bench speed FOLDER BATCH < texts       sentences per second, for some seconds
//     text-bench start FOLDER                     one prediction, and how long each stage took

import Glibc
import Inference
import Platform

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

func fail(_ reason: String) -> Never {
    print("text-bench: \(reason)")
    exit(1)
}

func model(_ path: String) -> any Model {
    let folder = ModelFolder(path: path, files: files(in: path))
    do throws(InferenceError) {
        let kind =
            ModelKind.textClassifiers.recognises(folder)
            ? ModelKind.textClassifiers : .sentenceEncoders
        return try kind.open(folder, nil)
    } catch { fail("\(error)") }
}

func readTexts() -> [String] {
    var texts: [String] = []
    while let line = readLine() {
        do throws(InferenceError) { texts.append(try TextLines.text(line)) } catch {
            fail("\(error)")
        }
    }
    return texts
}

func numbers(_ prediction: Prediction) -> String {
    switch prediction {
    case .embedding(let vector): vector.map { "\($0)" }.joined(separator: " ")
    case .labels(let labels):
        labels.map { "\($0.label)=\($0.probability)" }.joined(separator: " ")
    case .values(let values): values.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
    }
}

func predict(_ model: any Model, _ texts: [String]) -> [Prediction] {
    do throws(InferenceError) { return try model.predict(texts.map { [.text($0)] }) } catch {
        fail("\(error)")
    }
}

/// Milliseconds.
func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
}

/// Memory that is no file's, in KiB.
func privateKiB() -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
        let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let words = String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\t" }
        if words.count > 1, words[0] == "RssAnon:", let size = Int(words[1]) { return size }
    }
    return 0
}

let arguments = CommandLine.arguments
guard arguments.count >= 3 else { fail("what to do, and a folder") }
switch arguments[1] {
case "tokenize":
    let folder = ModelFolder(path: arguments[2], files: files(in: arguments[2]))
    let limit = arguments.count > 3 ? Int(arguments[3]) ?? 512 : 512
    do throws(InferenceError) {
        let tokenizer = try Tokenizer(folder)
        for text in readTexts() {
            print(
                tokenizer.encode(text, countMax: limit).map { "\($0)" }.joined(separator: " "))
        }
    } catch { fail("\(error)") }
case "embed":
    for prediction in predict(model(arguments[2]), readTexts()) { print(numbers(prediction)) }
case "speed":
    let model = model(arguments[2])
    let texts = readTexts()
    let batch = arguments.count > 3 ? Int(arguments[3]) ?? 1 : 1
    let batches = stride(from: 0, to: texts.count, by: batch).map {
        Array(texts[$0..<min($0 + batch, texts.count)])
    }
    for part in batches.prefix(3) { _ = predict(model, part) }
    var (count, start) = (0, now())
    let end = start + 4_000
    repeat {
        for part in batches {
            _ = predict(model, part)
            count += part.count
            if now() >= end { break }
        }
    } while now() < end
    start = now() - start
    print("\(Double(count) / start * 1e3) sentences/s, private \(privateKiB()) KiB")
case "start":
    let begin = now()
    let model = model(arguments[2])
    let opened = now()
    _ = predict(model, ["What is the capital of France?"])
    let first = now()
    _ = predict(model, ["What is the capital of Germany?"])
    print(
        "open \(opened - begin) ms, first \(first - opened) ms, second \(now() - first) ms, "
            + "private \(privateKiB()) KiB, mapped \(model.facts.mappedByteCount >> 10) KiB")
default: fail("unknown: \(arguments[1])")
}
