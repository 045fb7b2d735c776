// Comma-separated values as they come, piece by piece: RFC 4180, and what people send instead.
//
// Lines end with CRLF, LF or CR; a byte-order mark at the start is dropped; cells may be quoted, a
// quote in one is doubled; a quote within a cell that is not quoted stands for itself; empty lines
// are no records. Pure: bytes go in, records come out. A record that breaks the rules is one with a
// problem, and the next line is read as if nothing had happened. Memory is bounded by the longest
// record.

/// One record.
struct CSVRecord: Equatable {
    var cells: [String]
    /// What is wrong with it; then its cells are those before that.
    var problem: String?
}

/// Reads a stream of bytes.
struct CSVReader {
    /// Longer records are given up: the whole of a text of 1 MB fits.
    static let recordByteCountMax = 4 << 20
    /// More cells than any table of ours.
    static let cellCountMax = 16_384

    private enum State { case cellStart, plain, quoted, quoteInQuoted, afterReturn }

    private var state = State.cellStart
    private var cell: [UInt8] = []
    private var record = CSVRecord(cells: [])
    private var recordByteCount = 0
    /// Whether the record has anything, so that the end of the input ends it.
    private var hasContent = false
    private var markByteCount = 0
    private var isPastMark = false

    private static let mark: [UInt8] = [0xef, 0xbb, 0xbf]

    /// Takes bytes; `each` gets the records that they complete.
    mutating func read(_ bytes: [UInt8], _ each: (CSVRecord) -> Void) {
        for byte in bytes {
            if !isPastMark {
                if byte == CSVReader.mark[markByteCount] {
                    markByteCount += 1
                    isPastMark = markByteCount == CSVReader.mark.count
                    continue
                }
                isPastMark = true
                // What began like a mark and is none belongs to the first cell.
                for earlier in CSVReader.mark.prefix(markByteCount) { take(earlier, each) }
            }
            take(byte, each)
        }
    }

    /// Ends the input.
    mutating func finish(_ each: (CSVRecord) -> Void) {
        if state == .quoted { fail("a quoted cell has no end") }
        if hasContent { endRecord(each) }
    }

    private mutating func take(_ byte: UInt8, _ each: (CSVRecord) -> Void) {
        if state == .afterReturn {
            state = .cellStart
            if byte == UInt8(ascii: "\n") { return }
        }
        recordByteCount += 1
        if recordByteCount > CSVReader.recordByteCountMax {
            fail("the record is longer than \(CSVReader.recordByteCountMax) bytes")
        }
        switch (state, byte) {
        case (.quoted, UInt8(ascii: "\"")): state = .quoteInQuoted
        case (.quoted, _): add(byte)
        case (.quoteInQuoted, UInt8(ascii: "\"")):
            add(byte)
            state = .quoted
        case (_, UInt8(ascii: ",")):
            hasContent = true
            endCell()
        case (_, UInt8(ascii: "\n")), (_, UInt8(ascii: "\r")):
            let next: State = byte == UInt8(ascii: "\r") ? .afterReturn : .cellStart
            if hasContent { endRecord(each) } else { recordByteCount = 0 }
            state = next
        case (.quoteInQuoted, _):
            fail("something follows the end of a quoted cell")
            state = .plain
        case (.cellStart, UInt8(ascii: "\"")):
            hasContent = true
            state = .quoted
        default:
            hasContent = true
            state = .plain
            add(byte)
        }
    }

    private mutating func add(_ byte: UInt8) {
        if record.problem == nil { cell.append(byte) }
    }

    private mutating func fail(_ problem: String) {
        if record.problem == nil { record.problem = problem }
        cell = []
    }

    private mutating func endCell() {
        defer {
            cell.removeAll(keepingCapacity: true)
            state = .cellStart
        }
        if record.problem != nil { return }
        guard let text = String(validating: cell, as: UTF8.self) else {
            return fail("cell \(record.cells.count + 1) is no UTF-8")
        }
        record.cells.append(text)
        if record.cells.count > CSVReader.cellCountMax {
            fail("there are more than \(CSVReader.cellCountMax) cells")
        }
    }

    private mutating func endRecord(_ each: (CSVRecord) -> Void) {
        endCell()
        let done = record
        record = CSVRecord(cells: [])
        recordByteCount = 0
        hasContent = false
        each(done)
    }
}

/// Writes records as RFC 4180 has them.
enum CSVWriter {
    /// One record with its line end.
    static func line(_ cells: [String]) -> String {
        cells.map(quoted).joined(separator: ",") + "\r\n"
    }

    private static func quoted(_ cell: String) -> String {
        let needsQuotes = cell.utf8.contains { [0x22, 0x2c, 0x0a, 0x0d].contains($0) }
        if !needsQuotes { return cell }
        var out = "\""
        for character in cell.unicodeScalars {
            if character == "\"" { out += "\"" }
            out.unicodeScalars.append(character)
        }
        return out + "\""
    }
}
