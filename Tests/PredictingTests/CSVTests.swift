// The table machine: what people send as CSV, in pieces of any size.

import Inference
import Testing

@testable import Predicting

private func records(_ text: String, pieceByteCount: Int = .max) -> [CSVRecord] {
    var reader = CSVReader()
    var found: [CSVRecord] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        reader.read(Array(rest.prefix(pieceByteCount))) { found.append($0) }
        rest = rest.dropFirst(pieceByteCount)
    }
    reader.finish { found.append($0) }
    return found
}

@Suite struct CSVReaderTests {
    @Test(arguments: [1, 2, 3, 5, 1000])
    func readsWhatPeopleSend(pieceByteCount: Int) {
        let text =
            "\u{feff}a,\"b \"\"x\"\"\",c\r\n1,,\"two\r\nlines\"\n\n\r\n4,5\" ,ü\r7,8,\"\""
        let cells = records(text, pieceByteCount: pieceByteCount).map(\.cells)
        #expect(
            cells == [
                ["a", "b \"x\"", "c"], ["1", "", "two\r\nlines"], ["4", "5\" ", "ü"],
                ["7", "8", ""],
            ])
    }

    @Test func oneCellAndOneCommaAreRecords() {
        #expect(records(",\n\"\"\nx").map(\.cells) == [["", ""], [""], ["x"]])
    }

    @Test func aBrokenRecordDoesNotBreakTheNext() {
        let found = records("\"a\"b,c\nd,e\n")
        #expect(found[0].problem == "something follows the end of a quoted cell")
        #expect(found[1] == CSVRecord(cells: ["d", "e"]))
    }

    @Test func aQuoteWithoutAnEndIsSaid() {
        #expect(records("a\n\"b,c\n").last?.problem == "a quoted cell has no end")
    }

    @Test func bytesThatAreNoTextAreSaid() {
        var reader = CSVReader()
        var found: [CSVRecord] = []
        reader.read([0x61, 0x0a, 0xff, 0x2c, 0x62, 0x0a]) { found.append($0) }
        #expect(found.map(\.problem) == [nil, "cell 1 is no UTF-8"])
    }

    @Test func aRecordWithoutEndIsBounded() {
        var reader = CSVReader()
        var found: [CSVRecord] = []
        let piece = [UInt8](repeating: 0x61, count: 1 << 20)
        for _ in 0..<6 { reader.read(piece) { found.append($0) } }
        reader.read(Array("\nb\n".utf8)) { found.append($0) }
        #expect(found.count == 2)
        #expect(found[0].problem?.hasPrefix("the record is longer") == true)
        #expect(found[1].cells == ["b"])
    }

    @Test func writesWhatItReads() {
        let cells = ["plain", "with, comma", "a \"quote\"", "two\nlines", ""]
        #expect(records(CSVWriter.line(cells)).map(\.cells) == [cells])
    }
}

@Suite struct BatchTableTests {
    private let inputs = [
        InputField(name: "age", kind: .integer(range: 0...120), unit: "years"),
        InputField(name: "weight", kind: .number(range: nil), isOptional: true),
    ]
    private let sample = Prediction.values([PredictedValue(name: "price", value: 0)])

    private func table(rowCountMax: Int = 1000, kept: [String]? = []) -> BatchTable {
        BatchTable(RowReader(inputs), sample: sample, rowCountMax: rowCountMax, kept: kept)
    }

    /// Twice the age; an age of 13 cannot be predicted.
    private func predict(_ rows: [[InputValue]]) throws(RequestProblem) -> [Prediction] {
        var predictions: [Prediction] = []
        for row in rows {
            guard case .number(let age) = row[0] else { continue }
            if age == 13 { throw RequestProblem(422, "bad luck", field: "age") }
            predictions.append(.values([PredictedValue(name: "price", value: age * 2)]))
        }
        return predictions
    }

    private func run(_ text: String, _ table: BatchTable) throws -> (String, BatchTable) {
        var table = table
        var out = try table.take(Array(text.utf8), predict)
        out += try table.finish(predict)
        return (out, table)
    }

    @Test func predictsRowsInOrderAndNamesThoseThatFail() throws {
        let (out, table) = try run(
            "weight,age\r\n70,1\r\n,2\r\n1,x\r\n1,2,3\r\n1,13\r\n1,300\r\n70,7\r\n", table())
        let lines = out.split(separator: "\r\n").map(String.init)
        #expect(lines[0] == "row,price,error")
        #expect(lines[1] == "1,2.0," && lines[2] == "2,4.0," && lines[7] == "7,14.0,")
        #expect(lines[3].hasPrefix("3,,\"age: is 'x', and must be a whole number from 0 to 120"))
        #expect(lines[4] == "4,,\"has 3 cells, and the header has 2\"")
        #expect(lines[5] == "5,,age: bad luck")
        #expect(lines[6].hasPrefix("6,,\"age: is 300, and must be"))
        #expect(table.rowCount == 7 && table.failedCount == 4 && table.problem == nil)
    }

    @Test func keepsColumns() throws {
        let (out, _) = try run("id,age\n\"a,b\",3\n", table(kept: nil))
        #expect(out == "row,id,age,price,error\r\n1,\"a,b\",3,6.0,\r\n")
        let (one, _) = try run("id,age\nz,3\n", table(kept: ["id"]))
        #expect(one == "row,id,price,error\r\n1,z,6.0,\r\n")
        let (_, wrong) = try run("id,age\nz,3\n", table(kept: ["other"]))
        #expect(wrong.problem?.field == "other")
    }

    @Test(arguments: [
        ("weight\n1\n", "age"), ("age,age\n1,2\n", "age"), ("", nil),
    ])
    func refusesATableWithoutItsColumns(text: String, field: String?) throws {
        let (_, table) = try run(text, table())
        #expect(table.problem?.status == 422 && table.problem?.field == field)
    }

    @Test func stopsAtTheLimitOfRows() throws {
        let (_, table) = try run("age\n1\n2\n3\n", table(rowCountMax: 2))
        #expect(table.problem?.status == 413)
    }

    @Test func whatIsWrongWithTheServiceEndsTheTable() throws {
        var table = table()
        _ = try table.take(Array("age\n1\n".utf8), predict)
        #expect(throws: RequestProblem.self) {
            _ = try table.finish { (_) throws(RequestProblem) in
                throw RequestProblem(503, "too much")
            }
        }
    }
}
