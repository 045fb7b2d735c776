// Rows of values as the numbers that a tabular model computes with.

/// The inputs of a model, and how they are scaled.
struct TabularInputs: Sendable {
    let fields: [InputField]
    let scaler: RowScaler?
    /// Whether a row may leave values out, which become NaN.
    let takesMissing: Bool

    init(_ fields: [InputField], scaler: RowScaler?, takesMissing: Bool) {
        self.fields = fields
        self.scaler = scaler
        self.takesMissing = takesMissing
    }

    /// The places of the inputs that a scaler is for when it names none: all that are numbers.
    static func scaledColumns(_ fields: [InputField]) -> [Int] {
        fields.indices.filter { if case .category = fields[$0].kind { false } else { true } }
    }

    /// The rows' values, one row behind the other.
    func matrix(_ rows: [[InputValue]]) throws(InferenceError) -> [Float] {
        var values: [Float] = []
        values.reserveCapacity(rows.count * fields.count)
        for (index, row) in rows.enumerated() {
            if row.count != fields.count {
                throw .row(
                    index: index, field: "row",
                    reason: "\(fields.count) values are needed, and it has \(row.count)")
            }
            if scaler != nil {
                try appendScaled(row, index, to: &values)
            } else {
                for column in row.indices {
                    values.append(try single(try number(row[column], index, column), index, column))
                }
            }
        }
        return values
    }

    private func appendScaled(
        _ row: [InputValue], _ index: Int, to values: inout [Float]
    ) throws(InferenceError) {
        var numbers: [Double] = []
        numbers.reserveCapacity(row.count)
        for column in row.indices { numbers.append(try number(row[column], index, column)) }
        scaler?.scale(&numbers)
        for column in numbers.indices {
            values.append(try single(numbers[column], index, column))
        }
    }

    private func number(
        _ value: InputValue, _ index: Int, _ column: Int
    ) throws(InferenceError) -> Double {
        switch value {
        case .number(let number):
            if number.isInfinite {
                throw .row(
                    index: index, field: fields[column].name, reason: "it is infinite")
            }
            if !number.isNaN { return number }
        case .text:
            throw .row(
                index: index, field: fields[column].name, reason: "a number is needed, not a text")
        case .missing: break
        }
        if takesMissing { return .nan }
        throw .row(
            index: index, field: fields[column].name,
            reason: "a number is needed; this model takes no missing values")
    }

    private func single(
        _ number: Double, _ index: Int, _ column: Int
    ) throws(InferenceError) -> Float {
        let value = Float(number)
        if value.isInfinite {
            throw .row(index: index, field: fields[column].name, reason: "it is too large")
        }
        return value
    }
}
