// Arrays and scalars of NumPy within pickles, and arrays that joblib puts between them.
//
// Their values are copied into private memory, in row order: what is in a pickle is small, and
// mapping it would need its place in the file. Arrays of objects become lists.

internal import Platform

extension PickleMachine {
    mutating func numpy(
        _ called: PickleGlobal, _ arguments: [PickleItem], _ opcode: PickleOpcode
    ) throws(WeightError) -> PickleItem {
        switch called {
        case .arrayReconstruct:
            guard case .global(.array)? = arguments.first else {
                let name = try arguments.first.map(described) ?? "numpy._reconstruct"
                throw .code(operation: opcode.name, name: name)
            }
            return try node(.array(nil))
        case .arrayWrapper: return try node(.arrayWrapper)
        case .arrayType:
            guard let first = arguments.first else { throw wrong("a type of NumPy without a name") }
            if case .global(let global) = first {
                throw .code(operation: opcode.name, name: global.name)
            }
            return try node(.arrayType(letters: try text(first), order: "<"))
        case .scalar:
            guard arguments.count == 2 else { throw wrong("a scalar without its value") }
            return try scalar(type: arguments[0], bytes: arguments[1])
        default:
            // (bytes, type, shape, order), protocol 5 of an array in row or column order.
            guard arguments.count == 4 else { throw wrong("an array without its values") }
            let isColumnMajor = try text(arguments[3]) == "F"
            return try node(
                .array(
                    try array(
                        shape: try counts(arguments[2]), type: arguments[1],
                        isColumnMajor: isColumnMajor, values: arguments[0])))
        }
    }

    /// (version, shape, type, whether the first dimension is the innermost, values).
    mutating func array(state: [PickleItem]) throws(WeightError) -> PickledArray {
        guard state.count == 5, case .boolean(let isColumnMajor) = state[3] else {
            throw wrong("an array without its state")
        }
        return try array(
            shape: try counts(state[1]), type: state[2], isColumnMajor: isColumnMajor,
            values: state[4])
    }

    private mutating func array(
        shape: [Int64], type: PickleItem, isColumnMajor: Bool, values: PickleItem
    ) throws(WeightError) -> PickledArray {
        let (letters, order) = try arrayType(type)
        if letters.hasPrefix("O") { return .items(try elements(values)) }
        let bytes = try bytes(values)
        if letters.hasPrefix("U") { return .items(try texts(bytes, letters, order)) }
        let element = try element(letters, order)
        return .numbers(
            try numbers(
                bytes, TensorType(element: element, shape: shape), isColumnMajor: isColumnMajor))
    }

    private func arrayType(
        _ item: PickleItem
    ) throws(WeightError) -> (letters: String, order: String) {
        guard case .node(let place) = item,
            case .arrayType(let letters, let order) = nodes[place]
        else { throw wrong("an array without its type") }
        return (letters, order)
    }

    private func element(
        _ letters: String, _ order: String
    ) throws(WeightError) -> ElementType {
        let single = letters.hasSuffix("1")
        guard let element = ElementType(numpy: (single ? "|" : order) + letters) else {
            throw .unknownElementType(order + letters)
        }
        return element
    }

    /// Bytes, which Python 2 wrote as a string.
    private mutating func bytes(_ item: PickleItem) throws(WeightError) -> [UInt8] {
        switch item {
        case .bytes(let bytes):
            try charge(bytes.count)
            return bytes
        case .text(let text):
            try charge(text.utf8.count)
            return Array(text.utf8)
        default: throw wrong("no bytes where some belong")
        }
    }

    private mutating func numbers(
        _ bytes: [UInt8], _ type: TensorType, isColumnMajor: Bool
    ) throws(WeightError) -> TensorView {
        guard type.byteCount == Int64(bytes.count) else { throw .sizeMismatch("an array") }
        let place = StridedPlace(
            offset: 0, shape: type.shape,
            strides: isColumnMajor
                ? StridedPlace.columnOrder(type.shape) : StridedPlace.rowOrder(type.shape))
        privateByteCount += bytes.count
        let width = Int(type.element.block.bitCount) / 8
        let copy = unsafe place.copy(from: bytes.span.bytes, width: width)
        return TensorView(memory: copy, type: type)
    }

    /// Texts of one length, four bytes for each character, filled up with zeros.
    private mutating func texts(
        _ bytes: [UInt8], _ letters: String, _ order: String
    ) throws(WeightError) -> [PickleItem] {
        guard let length = Int(letters.dropFirst()), length > 0, order == "<",
            bytes.count % 4 == 0, bytes.count / 4 % length == 0
        else { throw .unknownElementType(order + letters) }
        var reader = PickleReader(bytes, at: 0)
        var items: [PickleItem] = []
        for _ in 0..<bytes.count / 4 / length {
            var text = String.UnicodeScalarView()
            for _ in 0..<length {
                let number = UInt32(try reader.number(4))
                guard let scalar = Unicode.Scalar(number) else { throw wrong("no character") }
                if number != 0 { text.append(scalar) }
            }
            items.append(.text(String(text)))
        }
        return items
    }

    private mutating func scalar(
        type: PickleItem, bytes: PickleItem
    ) throws(WeightError) -> PickleItem {
        let (letters, order) = try arrayType(type)
        // A scalar of objects is the object.
        if letters.hasPrefix("O") { return bytes }
        let content = try self.bytes(bytes)
        if letters.hasPrefix("U") {
            return try texts(content, letters, order).first ?? .text("")
        }
        let element = try element(letters, order)
        let view = try numbers(
            content, TensorType(element: element, shape: []), isColumnMajor: false)
        guard let number = try view.doubles().first else { throw wrong("an empty scalar") }
        switch element {
        case .boolean: return .boolean(number != 0)
        case .float16, .float32, .float64: return .number(number)
        default: return Int64(exactly: number).map(PickleItem.integer) ?? .number(number)
        }
    }

    // MARK: joblib

    /// An array whose values follow in the stream.
    ///
    /// Values of objects are a pickle of their own; others begin after a byte that counts those
    /// that align them.
    mutating func wrappedArray(_ state: PickleItem) throws(WeightError) -> PickledArray {
        guard case .node(let place) = state, case .dictionary(let entries) = nodes[place] else {
            throw wrong("an array of joblib without its state")
        }
        var fields: [String: PickleItem] = [:]
        for entry in entries { fields[try text(entry.key)] = entry.value }
        guard let shape = fields["shape"], let type = fields["dtype"], let order = fields["order"]
        else { throw wrong("an array of joblib without its shape, type or order") }
        let (letters, byteOrder) = try arrayType(type)
        if letters.hasPrefix("O") {
            guard case .node(let place) = try run(), case .array(let array?) = nodes[place] else {
                throw wrong("an array of objects that is none")
            }
            return array
        }
        if case .integer? = fields["numpy_array_alignment_bytes"] {
            _ = try reader.take(UInt64(try reader.uint8()))
        }
        let element = try element(letters, byteOrder)
        let tensor = TensorType(element: element, shape: try counts(shape))
        guard let byteCount = tensor.byteCount else { throw .sizeMismatch("an array") }
        let bytes = Array(try reader.take(UInt64(byteCount)))
        return .numbers(try numbers(bytes, tensor, isColumnMajor: try text(order) == "F"))
    }
}
