// Text models without a service around them: for comparisons with the Python libraries.
//
//     text-bench tokenize FOLDER LIMIT < texts    one JSON text a line; ids, one line for each
//     text-bench embed FOLDER < texts             vectors or probabilities, one line for each
//     text-bench speed FOLDER BATCH < texts       sentences per second, for some seconds
//     text-bench start FOLDER                     one prediction, and how long each stage took

import Inference

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
