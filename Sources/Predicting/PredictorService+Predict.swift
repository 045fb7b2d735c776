// Predictions of one row and of many, and what is compared of texts.

internal import HTTPService
internal import Inference
internal import JSON
internal import Platform

extension PredictorService {
    /// How many rows of one request the history keeps.
    private static let notedRowCountMax = 16

    /// `POST /predict`: `{"inputs": …}`, an object, a text, or a list of them.
    func predict(_ request: HTTPRequest) throws(RequestProblem) -> HTTPResponse {
        .json(try predict(try PredictorService.body(request.body, allowed: ["inputs"])))
    }

    /// What is predicted of a body.
    func predict(_ body: JSONValue) throws(RequestProblem) -> JSONValue {
        guard let inputs = body["inputs"] else {
            throw .value("inputs", "is missing: {\"inputs\": …} has a row, or a list of rows")
        }
        let revision = try holder.serving()
        let began = MonotonicInstant.now
        let rows: [[InputValue]]
        var items: [JSONValue] = [inputs]
        var isOne = true
        if case .array(let many) = inputs {
            items = many
            isOne = false
            rows = try PredictorService.rows(many, revision.reader, countMax: settings.rowCountMax)
        } else {
            rows = [try revision.reader.row(inputs, path: "inputs")]
        }
        let predictions = try counting(rows.count) { () throws(RequestProblem) in
            try pool.predict(revision.model, rows, isOne: isOne)
        }
        let seconds = MonotonicInstant.now.seconds(since: began)
        let outputs = predictions.map(\.json)
        note("predict", revision, items, outputs, seconds)
        let answer =
            isOne
            ? JSONMember(name: "prediction", value: outputs.first ?? .null)
            : JSONMember(name: "predictions", value: .array(outputs))
        return PredictorService.answer(answer, revision, seconds)
    }

    /// A body's members; others than the allowed ones are refused by name.
    static func body(
        _ bytes: [UInt8], allowed: [String]
    ) throws(RequestProblem) -> JSONValue {
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONValue.parse(bytes)
        } catch {
            throw RequestProblem(
                400, "the body is no JSON: \(error.reason), at byte \(error.byteOffset)")
        }
        guard case .object(let members) = value else {
            throw RequestProblem(
                422,
                "the body is \(value.kindName), and must be an object with "
                    + allowed.joined(separator: ", "))
        }
        for member in members where !allowed.contains(member.name) {
            throw .value(
                member.name, "is not known here; there is \(allowed.joined(separator: ", "))")
        }
        return value
    }

    private static func rows(
        _ items: [JSONValue], _ reader: RowReader, countMax: Int
    ) throws(RequestProblem) -> [[InputValue]] {
        if items.isEmpty { throw .value("inputs", "is an empty list") }
        if items.count > countMax {
            throw RequestProblem(
                413,
                "has \(items.count) rows, and may have \(countMax); "
                    + "POST /predict/batch takes more",
                field: "inputs")
        }
        var rows: [[InputValue]] = []
        var problems: [RequestProblem] = []
        rows.reserveCapacity(items.count)
        for (index, item) in items.enumerated() {
            do throws(RequestProblem) {
                rows.append(try reader.row(item, path: "inputs[\(index)]"))
            } catch {
                problems.append(error)
                problems += error.others
                if problems.count >= RequestProblem.countMax { break }
            }
        }
        if let problem = RequestProblem.all(problems) { throw problem }
        return rows
    }

    func counting<Result>(
        _ rowCount: Int, _ body: () throws(RequestProblem) -> Result
    ) throws(RequestProblem) -> Result {
        do throws(RequestProblem) {
            let result = try body()
            metrics.count(.predicted, rowCount)
            return result
        } catch {
            metrics.count(.failed, rowCount)
            throw error
        }
    }

    static func answer(
        _ member: JSONMember, _ revision: LoadedRevision, _ seconds: Double
    ) -> JSONValue {
        .object([
            member,
            JSONMember(name: "commit", value: .text(orNull: revision.folder.identity.commit)),
            JSONMember(name: "milliseconds", value: .number(rounded(seconds))),
        ])
    }

    /// Milliseconds with three decimals.
    static func rounded(_ seconds: Double) -> Double { (seconds * 1_000_000).rounded() / 1000 }

    /// Puts what was asked and answered into the history.
    func note(
        _ kind: String, _ revision: LoadedRevision, _ inputs: [JSONValue], _ outputs: [JSONValue],
        _ seconds: Double
    ) {
        guard let history else { return }
        let share = seconds / Double(max(1, inputs.count))
        history.add(
            zip(inputs, outputs).prefix(PredictorService.notedRowCountMax).map { input, output in
                History.Entry(
                    time: .now, commit: revision.folder.identity.commit ?? "", kind: kind,
                    input: History.cut(input.written), output: History.cut(output.written),
                    microseconds: Int64(share * 1e6))
            })
    }
}
