// Trees without a service around them: for comparisons with the xgboost library.
//
//     tree-bench FOLDER ROWS SECONDS
//
// FOLDER has the model, ROWS is a file of floats, row by row. Prints one line: rows for each second
// of the model's own rows (names to values, as a service has them) and of plain floats, with all
// processors and with one, and the sum of the predictions, by which they are known to be the same.

import Glibc
import Inference
import Platform
import TestSupport

func fail(_ reason: String) -> Never {
    print("tree-bench: \(reason)")
    exit(1)
}

/// Rows for each second, of the best of the rounds that fit into the time.
func rate(_ rowCount: Int, seconds: Double, _ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    var best = Double.infinity
    repeat {
        let time = clock.measure(body)
        best = min(
            best, Double(time.components.attoseconds) / 1e18 + Double(time.components.seconds))
    } while start.duration(to: clock.now) < .seconds(seconds)
    return Double(rowCount) / best
}

func run(_ path: String, _ rowsPath: String, _ seconds: Double) throws {
    let folder = try ModelFolder(listing: path)
    let model = try TreeModel.open(folder, nil)
    let alone = try TreeModel.open(folder, nil, isShared: false)
    let bytes = try contentsOfFile(rowsPath)
    let values = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let width = model.inputs.count
    let rowCount = values.count / width
    let rows = (0..<rowCount).map { row in
        values[row * width..<(row + 1) * width].map { value -> InputValue in
            value.isNaN ? .missing : .number(Double(value))
        }
    }
    var sum = 0.0
    for value in model.predict(values: values, rowCount: rowCount) { sum += Double(value) }
    let shared = rate(rowCount, seconds: seconds) {
        _ = model.predict(values: values, rowCount: rowCount)
    }
    let single = rate(rowCount, seconds: seconds) {
        _ = alone.predict(values: values, rowCount: rowCount)
    }
    let named = rate(rowCount, seconds: seconds) { _ = try? model.predict(rows) }
    print("\(named) \(shared) \(single) \(sum)")
}

guard CommandLine.arguments.count == 4, let seconds = Double(CommandLine.arguments[3]) else {
    fail("FOLDER ROWS SECONDS")
}
do { try run(CommandLine.arguments[1], CommandLine.arguments[2], seconds) } catch {
    fail("\(error)")
}
