// A table of rows on its way through a model: CSV in, CSV out, row by row in order.
//
// Knows neither connections nor threads: it is given bytes and a way to predict, and gives bytes. A
// row that cannot be predicted becomes a line with its number and what is wrong; the others go on.

internal import Inference

/// One table.
struct BatchTable {
    /// Predicts rows, or says why not.
    typealias Predict = ([[InputValue]]) throws(RequestProblem) -> [Prediction]

    /// Rows that are predicted together.
    static let chunkRowCount = 32
    /// Texts that wait for their prediction, in bytes.
    static let chunkByteCountMax = 1 << 20

    private enum Pending {
        case row(cells: [String], [InputValue])
        case failed(cells: [String], String)
    }

    private let reader: RowReader
    /// The columns of a prediction.
    private let predicted: [String]
    private let rowCountMax: Int
    /// Columns of the input that are repeated in the output; nil for all.
    private let kept: [String]?

    private var csv = CSVReader()
    private var header: [String]?
    /// For each input, its column.
    private var columns: [Int?] = []
    private var keptColumns: [Int] = []
    private var pending: [Pending] = []
    private var pendingByteCount = 0
    /// Why the rest of the table is not read.
    private(set) var problem: RequestProblem?
    private(set) var rowCount = 0
    private(set) var failedCount = 0

    /// - Parameters:
    ///   - sample: a prediction of the model, for its columns.
    ///   - kept: columns of the input to repeat; nil for all of them.
    init(_ reader: RowReader, sample: Prediction, rowCountMax: Int, kept: [String]?) {
        self.reader = reader
        predicted = sample.columns
        self.rowCountMax = rowCountMax
        self.kept = kept
    }

    /// Takes bytes of the table.
    ///
    /// - Returns: what is to be written of the output.
    mutating func take(_ bytes: [UInt8], _ predict: Predict) throws(RequestProblem) -> String {
        var records: [CSVRecord] = []
        csv.read(bytes) { records.append($0) }
        return try take(records, predict)
    }

    /// The end of the table.
    ///
    /// - Returns: the rest of the output.
    mutating func finish(_ predict: Predict) throws(RequestProblem) -> String {
        var records: [CSVRecord] = []
        csv.finish { records.append($0) }
        var out = try take(records, predict)
        if header == nil && problem == nil {
            problem = RequestProblem(422, "the table is empty: its first line names the columns")
        }
        out += try flush(predict)
        return out
    }

    private mutating func take(
        _ records: [CSVRecord], _ predict: Predict
    ) throws(RequestProblem) -> String {
        var out = ""
        for record in records where problem == nil {
            guard let header else {
                out += begin(record)
                continue
            }
            rowCount += 1
            if rowCount > rowCountMax {
                rowCount = rowCountMax
                problem = RequestProblem(413, "the table has more than \(rowCountMax) rows")
                break
            }
            add(record, header)
            if pending.count >= BatchTable.chunkRowCount
                || pendingByteCount >= BatchTable.chunkByteCountMax
            {
                out += try flush(predict)
            }
        }
        return out
    }

    /// The header: where each input stands.
    private mutating func begin(_ record: CSVRecord) -> String {
        let names = record.cells.map(\.trimmed)
        header = names
        if let wrong = record.problem {
            problem = RequestProblem(422, "the header: \(wrong)")
            return ""
        }
        columns = reader.inputs.map { names.firstIndex(of: $0.name) }
        for (index, field) in reader.inputs.enumerated() {
            if columns[index] == nil && !field.isOptional {
                let found = names.joined(separator: ", ").shortened
                problem = .value(field.name, "the table has no such column; it has \(found)")
                return ""
            }
            if names.filter({ $0 == field.name }).count > 1 {
                problem = .value(field.name, "two columns have this name")
                return ""
            }
        }
        if let kept {
            for name in kept where !names.contains(name) {
                problem = .value(name, "the table has no such column to keep")
                return ""
            }
            keptColumns = kept.compactMap { names.firstIndex(of: $0) }
        } else {
            keptColumns = Array(names.indices)
        }
        let cells = ["row"] + keptColumns.map { names[$0] } + predicted + ["error"]
        return CSVWriter.line(cells)
    }

    private mutating func add(_ record: CSVRecord, _ header: [String]) {
        pendingByteCount += record.cells.reduce(0) { $0 + $1.utf8.count }
        do throws(RequestProblem) {
            if let problem = record.problem { throw RequestProblem(422, problem) }
            if record.cells.count != header.count {
                throw RequestProblem(
                    422, "has \(record.cells.count) cells, and the header has \(header.count)")
            }
            var values: [InputValue] = []
            for (index, field) in reader.inputs.enumerated() {
                let cell = columns[index].map { record.cells[$0] } ?? ""
                values.append(try reader.value(cell: cell, of: field))
            }
            pending.append(.row(cells: record.cells, values))
        } catch {
            pending.append(.failed(cells: record.cells, error.sentence))
        }
    }

    /// Predicts what waits, and writes it in order.
    private mutating func flush(_ predict: Predict) throws(RequestProblem) -> String {
        let rows = pending.compactMap { entry -> [InputValue]? in
            if case .row(_, let values) = entry { values } else { nil }
        }
        var outcomes = try BatchTable.predictions(rows, predict)[...]
        var out = ""
        var number = rowCount - pending.count
        for entry in pending {
            number += 1
            switch entry {
            case .failed(let cells, let message):
                out += line(number, cells, nil, message)
            case .row(let cells, _):
                switch outcomes.removeFirst() {
                case .success(let prediction): out += line(number, cells, prediction, "")
                case .failure(let problem): out += line(number, cells, nil, problem.sentence)
                }
            }
        }
        pending = []
        pendingByteCount = 0
        return out
    }

    /// All together, or, when one of them cannot be predicted, each alone.
    private static func predictions(
        _ rows: [[InputValue]], _ predict: Predict
    ) throws(RequestProblem) -> [Result<Prediction, RequestProblem>] {
        if rows.isEmpty { return [] }
        do throws(RequestProblem) {
            return try predict(rows).map { .success($0) }
        } catch {
            // What is wrong with the service is wrong for every row.
            if error.status == 503 { throw error }
            if rows.count == 1 { return [.failure(error)] }
        }
        var outcomes: [Result<Prediction, RequestProblem>] = []
        for row in rows { outcomes += try predictions([row], predict) }
        return outcomes
    }

    private mutating func line(
        _ number: Int, _ cells: [String], _ prediction: Prediction?, _ error: String
    ) -> String {
        if prediction == nil { failedCount += 1 }
        let kept = keptColumns.map { $0 < cells.count ? cells[$0] : "" }
        let values = prediction?.cells ?? Array(repeating: "", count: predicted.count)
        return CSVWriter.line(["\(number)"] + kept + values + [error])
    }
}
