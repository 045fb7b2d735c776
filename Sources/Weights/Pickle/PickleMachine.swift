// Reads pickles without running anything: a stack machine for data alone.
//
// A pickle is a program for a small machine that may call any function of Python. This machine has
// no functions: the names that a pickle uses are those of `PickleGlobal` or it is refused, with
// the operation and the name, and what is "called" is only ever put together here. Bounded are the
// operations, the nodes, the marks, the pickles within pickles, and the work of copying, which a
// short pickle could otherwise repeat without end. The bytes end where they end: lengths are
// checked against them before anything is allocated.

internal import Platform

/// The machine; it is used for one file.
struct PickleMachine {
    /// A state dict of 100,000 tensors takes some 3 million.
    static let operationCountMax = 1 << 24
    /// The same takes some 600,000.
    static let nodeCountMax = 1 << 22
    private static let markCountMax = 1 << 12
    /// Elements and bytes that are copied from one place of the machine to another.
    private static let copyCountMax = 1 << 26
    /// joblib writes arrays of objects as pickles of their own within a pickle.
    private static let nestingMax = 4

    var reader: PickleReader
    var nodes: [PickleNode] = []
    private(set) var stack: [PickleItem] = []
    private var marks: [Int] = []
    private var memo: [Int: PickleItem] = [:]
    private var operationCount = 0
    private var copyCount = 0
    private var nesting = 0
    /// Bytes of arrays in private memory.
    var privateByteCount = 0
    /// The storages that were named, by their keys.
    private(set) var storages: [String: PickledStorage] = [:]

    init(_ bytes: [UInt8], at position: Int = 0) {
        reader = PickleReader(bytes, at: position)
    }

    /// Reads one pickle, up to its STOP; the machine can go on with what follows.
    mutating func run() throws(WeightError) -> PickleItem {
        if nesting == PickleMachine.nestingMax { throw wrong("pickles within pickles") }
        nesting += 1
        let (outerStack, outerMarks, outerMemo) = (stack, marks, memo)
        (stack, marks, memo) = ([], [], [:])
        while true {
            operationCount += 1
            if operationCount > PickleMachine.operationCountMax { throw .tooManyEntries }
            let byte = try reader.uint8()
            guard let opcode = PickleOpcode(rawValue: byte) else {
                throw wrong("no operation of a pickle: \(byte)")
            }
            if opcode == .stop { break }
            try perform(opcode)
        }
        let result = try pop()
        (stack, marks, memo) = (outerStack, outerMarks, outerMemo)
        nesting -= 1
        return result
    }

    func wrong(_ reason: String) -> WeightError { .malformed(reason: "in a pickle, \(reason)") }

    /// Counts what is copied.
    mutating func charge(_ count: Int) throws(WeightError) {
        copyCount += count
        if copyCount > PickleMachine.copyCountMax { throw .tooManyEntries }
    }

    // MARK: The stack

    mutating func push(_ item: PickleItem) {
        stack.append(item)
    }

    mutating func pop() throws(WeightError) -> PickleItem {
        guard stack.count > (marks.last ?? 0), let item = stack.popLast() else {
            throw wrong("a stack that is empty")
        }
        return item
    }

    func top() throws(WeightError) -> PickleItem {
        guard stack.count > (marks.last ?? 0), let item = stack.last else {
            throw wrong("a stack that is empty")
        }
        return item
    }

    mutating func popToMark() throws(WeightError) -> [PickleItem] {
        guard let mark = marks.popLast() else { throw wrong("no mark where one belongs") }
        let items = Array(stack[mark...])
        stack.removeLast(items.count)
        return items
    }

    mutating func node(_ node: PickleNode) throws(WeightError) -> PickleItem {
        if nodes.count == PickleMachine.nodeCountMax { throw .tooManyEntries }
        nodes.append(node)
        return .node(nodes.count - 1)
    }

    mutating func know(_ storage: PickledStorage) throws(WeightError) {
        if let known = storages[storage.key], known != storage {
            throw wrong("two storages with the key '\(storage.key)'")
        }
        storages[storage.key] = storage
    }

    // MARK: Operations

    private mutating func perform(_ opcode: PickleOpcode) throws(WeightError) {
        switch opcode {
        case .mark:
            if marks.count == PickleMachine.markCountMax { throw .tooManyEntries }
            marks.append(stack.count)
        case .pop:
            // Where a mark is on top, it goes.
            if stack.count == marks.last { marks.removeLast() } else { _ = try pop() }
        case .popMark: _ = try popToMark()
        case .dup: push(try top())
        case .proto:
            let version = try reader.uint8()
            if version > 5 { throw .unsupported(reason: "protocol \(version) of pickles") }
        case .frame: _ = try reader.number(8)
        case .none: push(.none)
        case .newtrue: push(.boolean(true))
        case .newfalse: push(.boolean(false))
        case .int, .binint, .binint1, .binint2, .long, .long1, .long4, .float, .binfloat:
            push(try reader.number(for: opcode))
        case .string, .binstring, .shortBinstring, .unicode, .binunicode, .shortBinunicode,
            .binunicode8, .binbytes, .shortBinbytes, .binbytes8, .bytearray8:
            push(try reader.text(for: opcode))
        case .put, .binput, .longBinput, .memoize, .get, .binget, .longBinget:
            try remember(opcode)
        case .list, .emptyList, .append, .appends, .emptySet, .additems, .frozenset, .tuple,
            .emptyTuple, .tuple1, .tuple2, .tuple3:
            try gather(opcode)
        case .dict, .emptyDict, .setitem, .setitems: try map(opcode)
        case .global, .stackGlobal, .reduce, .build, .newobj, .newobjEx, .inst, .obj, .persid,
            .binpersid, .ext1, .ext2, .ext4:
            try call(opcode)
        case .nextBuffer: throw .unsupported(reason: "pickles with buffers outside of them")
        case .readonlyBuffer: break
        case .stop: break
        }
    }

    private mutating func remember(_ opcode: PickleOpcode) throws(WeightError) {
        switch opcode {
        case .put: memo[try reader.decimalLine()] = try top()
        case .binput: memo[Int(try reader.uint8())] = try top()
        case .longBinput: memo[Int(try reader.number(4))] = try top()
        case .memoize: memo[memo.count] = try top()
        default:
            let place: Int =
                switch opcode {
                case .get: try reader.decimalLine()
                case .binget: Int(try reader.uint8())
                default: Int(try reader.number(4))
                }
            guard let item = memo[place] else { throw wrong("nothing at \(place) of its memo") }
            push(item)
        }
    }

    private mutating func gather(_ opcode: PickleOpcode) throws(WeightError) {
        switch opcode {
        case .emptyList, .emptySet: push(try node(.list([])))
        case .list, .frozenset:
            let items = try popToMark()
            push(try node(.list(items)))
        case .append:
            let item = try pop()
            try extend([item], opcode)
        case .appends, .additems:
            let items = try popToMark()
            try extend(items, opcode)
        case .emptyTuple: push(try node(.tuple([])))
        case .tuple1, .tuple2, .tuple3:
            var items = [try pop()]
            if opcode != .tuple1 { items.append(try pop()) }
            if opcode == .tuple3 { items.append(try pop()) }
            push(try node(.tuple(items.reversed())))
        default:
            let items = try popToMark()
            push(try node(.tuple(items)))
        }
    }

    private mutating func extend(
        _ items: [PickleItem], _ opcode: PickleOpcode
    ) throws(WeightError) {
        guard case .node(let place) = try top(), case .list(var list) = nodes[place] else {
            throw .code(operation: opcode.name, name: try described(try top()))
        }
        // The node lets go of its list meanwhile, so that it grows in place.
        nodes[place] = .list([])
        list.append(contentsOf: items)
        nodes[place] = .list(list)
    }

    private mutating func map(_ opcode: PickleOpcode) throws(WeightError) {
        switch opcode {
        case .emptyDict: push(try node(.dictionary([])))
        case .dict:
            let items = try popToMark()
            push(try node(.dictionary(try pairs(items))))
        case .setitem:
            let value = try pop()
            let key = try pop()
            try extend([(key, value)])
        default:
            let items = try popToMark()
            try extend(try pairs(items))
        }
    }

    private func pairs(
        _ items: [PickleItem]
    ) throws(WeightError) -> [(key: PickleItem, value: PickleItem)] {
        if items.count % 2 != 0 { throw wrong("a key without a value") }
        return stride(from: 0, to: items.count, by: 2).map { (items[$0], items[$0 + 1]) }
    }

    private mutating func extend(
        _ pairs: [(key: PickleItem, value: PickleItem)]
    ) throws(WeightError) {
        guard case .node(let place) = try top(), case .dictionary(var entries) = nodes[place]
        else { throw .code(operation: "SETITEMS", name: try described(try top())) }
        nodes[place] = .dictionary([])
        entries.append(contentsOf: pairs)
        nodes[place] = .dictionary(entries)
    }

    /// What an item is, as an error names it.
    func described(_ item: PickleItem) throws(WeightError) -> String {
        switch item {
        case .global(let global): return global.name
        case .node(let place):
            switch nodes[place] {
            case .list: return "a list"
            case .tuple: return "a tuple"
            case .dictionary: return "a dictionary"
            case .object(let type, _): return type
            case .storage: return "a storage"
            case .tensor: return "a tensor"
            case .arrayType: return "numpy.dtype"
            case .array: return "numpy.ndarray"
            case .arrayWrapper: return "an array of joblib"
            }
        default: return "a plain value"
        }
    }
}
