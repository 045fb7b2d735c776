// The bytes of an HDF5 file, read in small pieces wherever its structures lead.
//
// Every piece is checked to lie in the file, and its pages are asked for before they are touched.
// How much is read and kept in all is bounded, since structures may lead to the same place again
// and again.

internal import Platform
internal import Weights

/// Reads pieces of a mapped file.
struct HDF5Bytes {
    /// What stands for no place at all.
    static let nowhere = UInt64.max

    /// What to do about a form of HDF5 that is not read here.
    static let advice = "save it with h5py's own settings, without libver= and track_order="

    /// A layer has some ten objects, each of some three pieces and some kilobyte: this is enough
    /// for networks of ten thousand layers.
    private static let pieceCountMax = 1 << 20
    private static let byteCountMax = 128 << 20
    /// Pages are asked for in blocks, each once: a question for each piece would take longer.
    private static let blockByteCount = 64 << 10

    let file: MappedFile
    private var pieceCount = 0
    private var byteCount = 0
    private var blocks: Set<Int> = []

    init(_ file: MappedFile) {
        self.file = file
    }

    /// So many bytes from a place on.
    mutating func piece(at place: UInt64, count: UInt64) throws(WeightFileError) -> HDF5Cursor {
        let size = UInt64(file.byteCount)
        if place > size || count > size - place { throw wrong(.truncated) }
        pieceCount += 1
        if pieceCount > HDF5Bytes.pieceCountMax { throw wrong(.tooManyEntries) }
        try charge(Int(count))
        let range = Int(place)..<Int(place + count)
        try populate(range)
        let bytes = file.withBytes { whole in
            unsafe whole.extracting(range).withUnsafeBytes { unsafe Array($0) }
        }
        return HDF5Cursor(bytes)
    }

    /// Counts bytes that are read or kept, and ends it when they are more than any real file has.
    mutating func charge(_ count: Int) throws(WeightFileError) {
        byteCount += count
        if byteCount > HDF5Bytes.byteCountMax { throw wrong(.tooManyEntries) }
    }

    private mutating func populate(_ range: Range<Int>) throws(WeightFileError) {
        if range.isEmpty { return }
        let size = HDF5Bytes.blockByteCount
        for block in range.lowerBound / size...(range.upperBound - 1) / size
        where blocks.insert(block).inserted {
            let end = min((block + 1) * size, file.byteCount)
            do throws(Errno) { try file.populate(block * size..<end) } catch {
                throw .unreadable(path: file.path, error)
            }
        }
    }

    /// A structure that begins with a mark of four letters, which are passed over.
    mutating func structure(
        _ mark: String, at place: UInt64, count: UInt64
    ) throws(WeightFileError) -> HDF5Cursor {
        var piece = try piece(at: place, count: count)
        let found = try checked { () throws(WeightError) in
            try piece.take(4).elementsEqual(mark.utf8)
        }
        if !found { throw wrong(.malformed(reason: "no \(mark) in HDF5 where one belongs")) }
        return piece
    }

    func wrong(_ error: WeightError) -> WeightFileError {
        .invalid(path: file.path, error)
    }

    func checked<Value>(_ body: () throws(WeightError) -> Value) throws(WeightFileError) -> Value {
        do throws(WeightError) { return try body() } catch { throw wrong(error) }
    }
}

/// Goes over a piece; numbers have the lowest byte first.
struct HDF5Cursor {
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    var remaining: Int { bytes.count - position }

    mutating func take(_ count: Int) throws(WeightError) -> [UInt8] {
        if count < 0 || count > remaining { throw .truncated }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func skip(_ count: Int) throws(WeightError) {
        if count < 0 || count > remaining { throw .truncated }
        position += count
    }

    /// Passes over what fills up to a multiple of 8.
    mutating func align() throws(WeightError) { try skip((8 - position % 8) % 8) }

    mutating func number(_ byteCount: Int) throws(WeightError) -> UInt64 {
        if byteCount > remaining { throw .truncated }
        var value: UInt64 = 0
        for index in 0..<byteCount {
            value |= UInt64(bytes[position + index]) << UInt64(8 * index)
        }
        position += byteCount
        return value
    }

    mutating func uint8() throws(WeightError) -> UInt8 { UInt8(try number(1)) }
    mutating func uint16() throws(WeightError) -> Int { Int(try number(2)) }
    mutating func uint64() throws(WeightError) -> UInt64 { try number(8) }

    /// A text that ends at a zero, or at the end.
    static func text(_ bytes: some Sequence<UInt8>) throws(WeightError) -> String {
        guard let text = String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self) else {
            throw .malformed(reason: "a text of HDF5 that is no UTF-8")
        }
        return text
    }
}
