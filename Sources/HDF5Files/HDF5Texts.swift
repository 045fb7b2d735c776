// Attributes that are texts: names of layers and weights, a model's configuration.
//
// Texts have one length, filled up with zeros or spaces, or a length each and then lie in a heap
// for the whole file. HDF5 File Format Specification 3.0, sections IV.A.2.m and III.E.

internal import Weights

extension HDF5Bytes {
    private static let textCountMax: Int64 = 1 << 16
    /// The configuration of a large network takes some hundred kilobytes.
    private static let textByteCountMax: UInt64 = 16 << 20

    /// The name of an attribute and its texts; nil when its values are of another type.
    mutating func texts(
        _ message: HDF5Message
    ) throws(WeightFileError) -> (name: String, texts: [String])? {
        var content = message.content
        let parts = try checked { () throws(WeightError) in
            try HDF5Bytes.attribute(&content)
        }
        var count: Int64 = 1
        for size in parts.shape {
            let (next, overflows) = count.multipliedReportingOverflow(by: size)
            if overflows || next > HDF5Bytes.textCountMax { throw wrong(.tooManyEntries) }
            count = next
        }
        try charge(Int(count) * MemoryLayout<String>.stride)
        var texts: [String] = []
        for _ in 0..<count {
            switch parts.type {
            case .text(let width):
                texts.append(
                    try checked { () throws(WeightError) in
                        var bytes = try content.take(width)
                        while bytes.last == 0x20 { bytes.removeLast() }
                        return try HDF5Cursor.text(bytes)
                    })
            case .variableText:
                let (place, index) = try checked { () throws(WeightError) in
                    try content.skip(4)
                    return (try content.uint64(), Int(try content.number(4)))
                }
                // An empty text lies nowhere.
                texts.append(place == 0 ? "" : try heapText(at: place, index: index))
            default: return nil
            }
        }
        return (parts.name, texts)
    }

    /// What stands before an attribute's values.
    private static func attribute(
        _ content: inout HDF5Cursor
    ) throws(WeightError) -> (name: String, type: HDF5Type, shape: [Int64]) {
        let (version, flags) = (try content.uint8(), try content.uint8())
        guard (1...3).contains(version) else {
            throw .malformed(reason: "an attribute of HDF5 that is none")
        }
        let (nameCount, typeCount, shapeCount) = (
            try content.uint16(), try content.uint16(), try content.uint16()
        )
        if version == 3 { try content.skip(1) }
        func part(_ count: Int) throws(WeightError) -> [UInt8] {
            let bytes = try content.take(count)
            if version == 1 { try content.align() }
            return bytes
        }
        let name = try HDF5Cursor.text(try part(nameCount))
        var type = HDF5Cursor(try part(typeCount))
        var shape = HDF5Cursor(try part(shapeCount))
        if version > 1 && flags & 3 != 0 {
            throw .unsupported(
                reason: "the attribute '\(name)' of a named type; \(HDF5Bytes.advice)")
        }
        return (name, try HDF5Type(&type), try HDF5Shape.read(&shape))
    }

    /// A text in the heap that lies at a place.
    private mutating func heapText(at place: UInt64, index: Int) throws(WeightFileError) -> String {
        var head = try structure("GCOL", at: place, count: 16)
        let size = try checked { () throws(WeightError) in
            try head.skip(4)
            return try head.uint64()
        }
        if size < 16 { throw wrong(.malformed(reason: "a heap of HDF5 that is none")) }
        if size > HDF5Bytes.textByteCountMax {
            throw wrong(
                .unsupported(reason: "a text in HDF5 of more than 16 MiB; no network needs it"))
        }
        var position = place + 16
        while position + 16 <= place + size {
            var entry = try piece(at: position, count: 16)
            let (found, count) = try checked { () throws(WeightError) in
                let found = try entry.uint16()
                try entry.skip(6)
                return (found, try entry.uint64())
            }
            if count > size { throw wrong(.truncated) }
            if found == index && found != 0 {
                var content = try piece(at: position + 16, count: count)
                return try checked { () throws(WeightError) in
                    try HDF5Cursor.text(try content.take(content.remaining))
                }
            }
            if found == 0 { break }
            position += 16 + (count + 7) / 8 * 8
        }
        throw wrong(.malformed(reason: "a text of HDF5 that is nowhere"))
    }
}
