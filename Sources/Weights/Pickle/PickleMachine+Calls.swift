// What is put together where a pickle calls a function, makes an object, or gives it its state.
//
// Every way to call ends in `made`, which knows what stands for each name of `PickleGlobal`; there
// is no other. Arguments are checked as strangely as they may come.

internal import Platform

extension PickleMachine {
    mutating func call(_ opcode: PickleOpcode) throws(WeightError) {
        switch opcode {
        case .global:
            let (module, name) = (try reader.textLine(), try reader.textLine())
            push(.global(try global(module, name, opcode)))
        case .stackGlobal:
            let (name, module) = (try pop(), try pop())
            guard case .text(let name) = name, case .text(let module) = module else {
                throw wrong("a name that is no text")
            }
            push(.global(try global(module, name, opcode)))
        case .inst:
            let (module, name) = (try reader.textLine(), try reader.textLine())
            let known = try global(module, name, opcode)
            let arguments = try popToMark()
            push(try made(known, arguments, opcode))
        case .reduce, .newobj:
            let (arguments, called) = (try tuple(try pop()), try pop())
            push(try made(try callable(called, opcode), arguments, opcode))
        case .newobjEx:
            let named = try pop()
            guard case .node(let place) = named, case .dictionary(let entries) = nodes[place],
                entries.isEmpty
            else { throw .unsupported(reason: "objects made with named arguments") }
            let (arguments, called) = (try tuple(try pop()), try pop())
            push(try made(try callable(called, opcode), arguments, opcode))
        case .obj:
            let items = try popToMark()
            guard let called = items.first else { throw wrong("an object without its class") }
            push(
                try made(try callable(called, opcode), Array(items.dropFirst()), opcode))
        case .build:
            let state = try pop()
            try build(try top(), state)
        case .binpersid:
            let identity = try tuple(try pop())
            push(try storage(identity))
        case .persid:
            throw .unsupported(reason: "an object outside of the pickle: \(try reader.textLine())")
        default:
            let byteCount = opcode == .ext1 ? 1 : opcode == .ext2 ? 2 : 4
            let number = try reader.number(byteCount)
            throw .code(operation: opcode.name, name: "extension \(number)")
        }
    }

    private func global(
        _ module: String, _ name: String, _ opcode: PickleOpcode
    ) throws(WeightError) -> PickleGlobal {
        guard let known = PickleGlobal(module: module, name: name) else {
            let shown = "\(module).\(name)".prefix(PickleMachine.shownLengthMax)
            throw .code(operation: opcode.name, name: String(shown))
        }
        return known
    }

    /// Names in errors are no longer than this.
    private static let shownLengthMax = 200

    private func callable(
        _ item: PickleItem, _ opcode: PickleOpcode
    ) throws(WeightError) -> PickleGlobal {
        guard case .global(let global) = item else {
            throw .code(operation: opcode.name, name: try described(item))
        }
        return global
    }

    // MARK: Arguments

    func tuple(_ item: PickleItem) throws(WeightError) -> [PickleItem] {
        guard case .node(let place) = item, case .tuple(let items) = nodes[place] else {
            throw wrong("no tuple where one belongs")
        }
        return items
    }

    /// The elements of a list or a tuple, which the caller will copy.
    mutating func elements(_ item: PickleItem) throws(WeightError) -> [PickleItem] {
        guard case .node(let place) = item else { throw wrong("no list where one belongs") }
        switch nodes[place] {
        case .list(let items), .tuple(let items):
            try charge(items.count)
            return items
        default: throw wrong("no list where one belongs")
        }
    }

    func text(_ item: PickleItem) throws(WeightError) -> String {
        guard case .text(let text) = item else { throw wrong("no text where one belongs") }
        return text
    }

    func count(_ item: PickleItem) throws(WeightError) -> Int64 {
        guard case .integer(let count) = item, count >= 0 else {
            throw wrong("no count where one belongs")
        }
        return count
    }

    mutating func counts(_ item: PickleItem) throws(WeightError) -> [Int64] {
        let items = try elements(item)
        if items.count > PickleMachine.dimensionCountMax { throw .tooManyEntries }
        return try items.map { (item) throws(WeightError) in try count(item) }
    }

    private static let dimensionCountMax = 64

    // MARK: Calls

    private mutating func made(
        _ called: PickleGlobal, _ arguments: [PickleItem], _ opcode: PickleOpcode
    ) throws(WeightError) -> PickleItem {
        switch called {
        case .orderedDictionary:
            guard let first = arguments.first else { return try node(.dictionary([])) }
            var entries: [(key: PickleItem, value: PickleItem)] = []
            for pair in try elements(first) {
                let pair = try elements(pair)
                if pair.count != 2 { throw wrong("a pair that is none") }
                entries.append((pair[0], pair[1]))
            }
            return try node(.dictionary(entries))
        case .defaultDictionary: return try node(.dictionary([]))
        case .set:
            guard let first = arguments.first else { return try node(.list([])) }
            return try node(.list(try elements(first)))
        case .encode: return try encoded(arguments)
        // What protocols below 3 write for no bytes at all.
        case .named("bytes") where arguments.isEmpty: return .bytes([])
        case .reconstruct:
            guard case .global(.scaler(let name))? = arguments.first else {
                throw .code(
                    operation: opcode.name,
                    name: try arguments.first.map(described) ?? "copyreg._reconstructor")
            }
            return try node(.object(type: name, state: nil))
        case .scaler(let name) where arguments.isEmpty:
            return try node(.object(type: name, state: nil))
        case .size:
            guard let first = arguments.first else { return try node(.tuple([])) }
            return try node(.tuple(try elements(first)))
        case .device: return arguments.first ?? .none
        case .rebuildTensor, .rebuildTensorWithType: return try tensor(called, arguments)
        case .rebuildParameter:
            guard let first = arguments.first else { throw wrong("a parameter of nothing") }
            return first
        case .rebuildFromType:
            // (function, type, arguments, state): a tensor with attributes of its own.
            guard arguments.count == 4, case .global(let function) = arguments[0],
                [.rebuildTensor, .rebuildTensorWithType, .rebuildParameter].contains(function)
            else {
                throw .code(operation: opcode.name, name: "torch._tensor._rebuild_from_type_v2")
            }
            return try made(function, try tuple(arguments[2]), opcode)
        case .arrayReconstruct, .arrayFromBuffer, .scalar, .arrayType, .arrayWrapper:
            return try numpy(called, arguments, opcode)
        case .named, .plainObject, .storage, .untypedStorage, .elementType, .array, .scaler:
            throw .code(operation: opcode.name, name: called.name)
        }
    }

    /// Bytes as protocols below 3 write them: a text of Latin 1.
    private mutating func encoded(_ arguments: [PickleItem]) throws(WeightError) -> PickleItem {
        guard let first = arguments.first, case .text(let text) = first,
            case .text(let encoding)? = arguments.dropFirst().first,
            ["latin1", "latin-1", "iso-8859-1"].contains(encoding)
        else { throw wrong("bytes in another encoding than Latin 1") }
        try charge(text.utf8.count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            guard let byte = UInt8(exactly: scalar.value) else { throw wrong("no Latin 1") }
            bytes.append(byte)
        }
        return .bytes(bytes)
    }

    // MARK: PyTorch

    /// `('storage', type, key, place, count)`, and before archives a view of the storage.
    private mutating func storage(_ identity: [PickleItem]) throws(WeightError) -> PickleItem {
        guard identity.count >= 5, case .text("storage") = identity[0],
            case .global(let global) = identity[1]
        else { throw .unsupported(reason: "an object outside of the pickle that is no storage") }
        if identity.count > 5, case .none = identity[5] {
        } else if identity.count > 5 {
            throw .unsupported(reason: "a storage that is a part of another")
        }
        let element: ElementType?
        switch global {
        case .storage(let type): element = type
        case .untypedStorage: element = nil
        default: throw .code(operation: "BINPERSID", name: global.name)
        }
        let key: String =
            if case .integer(let number) = identity[2] { String(number) } else {
                try text(identity[2])
            }
        let storage = PickledStorage(
            key: key, element: element, elementCount: try count(identity[4]))
        try know(storage)
        return try node(.storage(storage))
    }

    /// (storage, offset, shape, strides, …), and for types without a storage of their own the
    /// type as the seventh.
    private mutating func tensor(
        _ function: PickleGlobal, _ arguments: [PickleItem]
    ) throws(WeightError) -> PickleItem {
        guard arguments.count >= 4, case .node(let place) = arguments[0],
            case .storage(let storage) = nodes[place]
        else { throw wrong("a tensor without its storage") }
        var element = storage.element
        if function == .rebuildTensorWithType {
            guard arguments.count >= 7, case .global(.elementType(let type)) = arguments[6] else {
                throw wrong("a tensor without its type")
            }
            element = type
        }
        let tensor = PickledTensor(
            storage: storage, element: element ?? .uint8,
            place: StridedPlace(
                offset: try count(arguments[1]), shape: try counts(arguments[2]),
                strides: try counts(arguments[3])))
        if tensor.place.strides.count != tensor.place.shape.count {
            throw wrong("a tensor whose strides are not those of its shape")
        }
        return try node(.tensor(tensor))
    }

    // MARK: States

    private mutating func build(
        _ target: PickleItem, _ state: PickleItem
    ) throws(WeightError) {
        guard case .node(let place) = target else {
            throw .code(operation: "BUILD", name: try described(target))
        }
        switch nodes[place] {
        // Attributes that a dictionary got, such as the versions of a model's modules.
        case .dictionary: return
        case .object(let type, nil): nodes[place] = .object(type: type, state: state)
        case .arrayType(let letters, _):
            let items = try tuple(state)
            guard items.count >= 2 else { throw wrong("a type of NumPy without its order") }
            nodes[place] = .arrayType(letters: letters, order: try text(items[1]))
        case .array(nil): nodes[place] = .array(try array(state: try tuple(state)))
        case .arrayWrapper: nodes[place] = .array(try wrappedArray(state))
        default: throw .code(operation: "BUILD", name: try described(target))
        }
    }
}
