// The messages of an object: its type, its shape, its place, its attributes, its links.
//
// In the older form a header is a row of messages padded to 8 bytes, in the newer one it has marks
// and checksums; both may go on elsewhere. HDF5 File Format Specification 3.0, section IV.A.

internal import Platform
internal import Weights

/// A message: what it says, by a number, and its bytes.
struct HDF5Message {
    enum Kind: UInt64 {
        case dataspace = 0x01, linkInfo = 0x02, dataType = 0x03, link = 0x06, external = 0x07
        case layout = 0x08, filters = 0x0b, attribute = 0x0c, more = 0x10, symbolTable = 0x11
        case attributeInfo = 0x15
    }

    let kind: Kind
    /// Whether its bytes only lead to where the message is.
    let isShared: Bool
    var content: HDF5Cursor
}

extension HDF5Bytes {
    private static let messageCountMax = 1 << 16
    private static let blockCountMax = 1 << 10

    /// The messages of the object whose header lies at a place; those of no interest left out.
    mutating func messages(at place: UInt64) throws(WeightFileError) -> [HDF5Message] {
        var head = try piece(at: place, count: 16)
        let isNew = try checked { () throws(WeightError) in
            try head.take(4).elementsEqual("OHDR".utf8)
        }
        return isNew ? try newMessages(at: place) : try oldMessages(at: place)
    }

    private mutating func oldMessages(at place: UInt64) throws(WeightFileError) -> [HDF5Message] {
        var head = try piece(at: place, count: 16)
        let (version, byteCount) = try checked { () throws(WeightError) in
            let version = try head.uint8()
            try head.skip(7)
            return (version, try head.number(4))
        }
        if version != 1 { throw wrong(.malformed(reason: "no object of HDF5 where one belongs")) }
        var blocks = [(start: place + 16, count: byteCount)]
        var messages: [HDF5Message] = []
        var next = 0
        while next < blocks.count {
            if next == HDF5Bytes.blockCountMax { throw wrong(.tooManyEntries) }
            var block = try piece(at: blocks[next].start, count: blocks[next].count)
            next += 1
            while block.remaining >= 8 {
                let found = try checked { () throws(WeightError) in
                    let (kind, count) = (try block.number(2), try block.uint16())
                    let flags = try block.uint8()
                    try block.skip(3)
                    return (kind, flags, try block.take(count))
                }
                try add(found.0, found.1, found.2, to: &messages, &blocks)
            }
        }
        return messages
    }

    private mutating func newMessages(at place: UInt64) throws(WeightFileError) -> [HDF5Message] {
        var head = try piece(at: place, count: min(64, UInt64(file.byteCount) - place))
        let (hasOrder, start, byteCount) = try checked { () throws(WeightError) in
            try head.skip(4)
            if try head.uint8() != 2 {
                throw .unsupported(
                    reason: "a newer form of HDF5's objects; \(HDF5Bytes.advice)")
            }
            let flags = try head.uint8()
            try head.skip((flags & 0x20 != 0 ? 16 : 0) + (flags & 0x10 != 0 ? 4 : 0))
            let count = try head.number(1 << Int(flags & 3))
            return (flags & 4 != 0, place + UInt64(head.position), count)
        }
        var blocks = [(start: start, count: byteCount)]
        var messages: [HDF5Message] = []
        var next = 0
        while next < blocks.count {
            if next == HDF5Bytes.blockCountMax { throw wrong(.tooManyEntries) }
            let (start, count) = blocks[next]
            var block: HDF5Cursor
            if next == 0 {
                block = try piece(at: start, count: count)
            } else {
                // Its mark is before the messages, its checksum after them.
                if count < 8 { throw wrong(.truncated) }
                block = try structure("OCHK", at: start, count: count - 4)
            }
            next += 1
            while block.remaining >= (hasOrder ? 6 : 4) {
                let found = try checked { () throws(WeightError) in
                    let (kind, count) = (try block.number(1), try block.uint16())
                    let flags = try block.uint8()
                    if hasOrder { try block.skip(2) }
                    return (kind, flags, try block.take(count))
                }
                try add(found.0, found.1, found.2, to: &messages, &blocks)
            }
        }
        return messages
    }

    private func add(
        _ kind: UInt64, _ flags: UInt8, _ bytes: [UInt8], to messages: inout [HDF5Message],
        _ blocks: inout [(start: UInt64, count: UInt64)]
    ) throws(WeightFileError) {
        guard let kind = HDF5Message.Kind(rawValue: kind) else { return }
        var content = HDF5Cursor(bytes)
        if kind == .more {
            let place = try checked { () throws(WeightError) in
                (start: try content.uint64(), count: try content.uint64())
            }
            // A block that leads to itself would be read up to the limit.
            if blocks.contains(where: { $0.start == place.start }) {
                throw wrong(.malformed(reason: "an object of HDF5 that goes on in itself"))
            }
            blocks.append(place)
            return
        }
        if messages.count == HDF5Bytes.messageCountMax { throw wrong(.tooManyEntries) }
        messages.append(HDF5Message(kind: kind, isShared: flags & 2 != 0, content: content))
    }
}
