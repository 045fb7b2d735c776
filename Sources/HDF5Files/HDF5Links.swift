// The links of a group: names, and where the objects' headers lie.
//
// An older group keeps them in a tree of nodes with the names in a heap beside it, a newer small
// one in messages. Links to other files and to other names are left out: only objects of this very
// file are met. HDF5 File Format Specification 3.0, sections III.A, III.B, III.D and IV.A.2.g.

internal import Weights

extension HDF5Bytes {
    private static let linkCountMax = 1 << 18

    /// The objects of a group by their names, in the order of the file.
    mutating func links(
        _ messages: [HDF5Message]
    ) throws(WeightFileError) -> [(name: String, place: UInt64)] {
        var links: [(name: String, place: UInt64)] = []
        for message in messages {
            var content = message.content
            switch message.kind {
            case .symbolTable:
                let (tree, heap) = try checked { () throws(WeightError) in
                    (try content.uint64(), try content.uint64())
                }
                let names = try heapContent(at: heap)
                try read(tree: tree, level: nil, names, &links)
            case .link:
                let found = try checked { () throws(WeightError) in try hardLink(&content) }
                if let found {
                    if links.count == HDF5Bytes.linkCountMax { throw wrong(.tooManyEntries) }
                    try charge(found.name.utf8.count)
                    links.append(found)
                }
            case .linkInfo:
                let isElsewhere = try checked { () throws(WeightError) in
                    try content.skip(1)
                    if try content.uint8() & 1 != 0 { try content.skip(8) }
                    return try content.uint64() != HDF5Bytes.nowhere
                }
                if isElsewhere {
                    throw wrong(
                        .unsupported(
                            reason: "a group of many in the newer form of HDF5;"
                                + " \(HDF5Bytes.advice)"))
                }
            default: continue
            }
        }
        return links
    }

    /// Nil for a link that leads elsewhere.
    private func hardLink(
        _ content: inout HDF5Cursor
    ) throws(WeightError) -> (name: String, place: UInt64)? {
        if try content.uint8() != 1 { throw .malformed(reason: "a link of HDF5 that is none") }
        let flags = try content.uint8()
        let kind = flags & 8 != 0 ? try content.uint8() : 0
        try content.skip((flags & 4 != 0 ? 8 : 0) + (flags & 0x10 != 0 ? 1 : 0))
        let count = try content.number(1 << Int(flags & 3))
        guard let count = Int(exactly: count) else { throw .truncated }
        let name = try HDF5Cursor.text(try content.take(count))
        return kind == 0 ? (name, try content.uint64()) : nil
    }

    private mutating func heapContent(at place: UInt64) throws(WeightFileError) -> [UInt8] {
        var heap = try structure("HEAP", at: place, count: 32)
        let (count, start) = try checked { () throws(WeightError) in
            try heap.skip(4)
            let count = try heap.uint64()
            try heap.skip(8)
            return (count, try heap.uint64())
        }
        var content = try piece(at: start, count: count)
        return try checked { () throws(WeightError) in try content.take(content.remaining) }
    }

    /// - Parameter level: what the node's level has to be; nil for the topmost, which says it.
    private mutating func read(
        tree place: UInt64, level: UInt8?, _ names: [UInt8],
        _ links: inout [(name: String, place: UInt64)]
    ) throws(WeightFileError) {
        var head = try structure("TREE", at: place, count: 24)
        let (kind, found, count) = try checked { () throws(WeightError) in
            (try head.uint8(), try head.uint8(), try head.uint16())
        }
        if kind != 0 || (level.map { $0 != found } ?? (found > 16)) {
            throw wrong(.malformed(reason: "a tree of HDF5 that is none"))
        }
        var body = try piece(at: place + 24, count: UInt64(count) * 16)
        for _ in 0..<count {
            let child = try checked { () throws(WeightError) in
                try body.skip(8)
                return try body.uint64()
            }
            if found > 0 {
                try read(tree: child, level: found - 1, names, &links)
            } else {
                try read(symbols: child, names, &links)
            }
        }
    }

    private mutating func read(
        symbols place: UInt64, _ names: [UInt8], _ links: inout [(name: String, place: UInt64)]
    ) throws(WeightFileError) {
        var head = try structure("SNOD", at: place, count: 8)
        let count = try checked { () throws(WeightError) in
            try head.skip(2)
            return try head.uint16()
        }
        var body = try piece(at: place + 8, count: UInt64(count) * 40)
        for _ in 0..<count {
            if links.count == HDF5Bytes.linkCountMax { throw wrong(.tooManyEntries) }
            let link = try checked {
                () throws(WeightError) -> (name: String, place: UInt64)? in
                let (name, header) = (try body.uint64(), try body.uint64())
                let kind = try body.number(4)
                try body.skip(20)
                guard let start = Int(exactly: name), start < names.count else {
                    throw .malformed(reason: "a name of HDF5 that is nowhere")
                }
                // Kind 2 leads to another name.
                if kind == 2 { return nil }
                return (try HDF5Cursor.text(names[start...]), header)
            }
            if let link {
                // Of a damaged file every name may be as long as the whole heap.
                try charge(link.name.utf8.count)
                links.append(link)
            }
        }
    }
}
