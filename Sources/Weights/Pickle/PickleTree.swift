// The tree of values that comes out of a machine that has read a pickle.
//
// Each node becomes a value once, however often it is named; what leads to itself is refused, and
// so is a tree that would be too deep or, walked through, too large.

internal import Platform

/// Turns a machine's nodes into values.
struct PickleTree {
    private static let depthMax = 64
    /// Counting what is shared as often as it is named.
    private static let valueCountMax = 1 << 24

    private struct Made {
        var value: PickledValue
        var valueCount: Int
    }

    private let nodes: [PickleNode]
    private var made: [Int: Made] = [:]
    private var open: Set<Int> = []
    /// Where a tensor lies.
    private let tensor: (PickledTensor) throws(WeightError) -> TensorView

    static func value(
        of item: PickleItem, in machine: PickleMachine,
        tensor: @escaping (PickledTensor) throws(WeightError) -> TensorView
    ) throws(WeightError) -> PickledValue {
        var tree = PickleTree(nodes: machine.nodes, tensor: tensor)
        return try tree.value(item, depth: 0).value
    }

    private init(
        nodes: [PickleNode],
        tensor: @escaping (PickledTensor) throws(WeightError) -> TensorView
    ) {
        self.nodes = nodes
        self.tensor = tensor
    }

    private mutating func value(_ item: PickleItem, depth: Int) throws(WeightError) -> Made {
        switch item {
        case .none: return Made(value: .none, valueCount: 1)
        case .boolean(let value): return Made(value: .boolean(value), valueCount: 1)
        case .integer(let value): return Made(value: .integer(value), valueCount: 1)
        case .number(let value): return Made(value: .number(value), valueCount: 1)
        case .text(let value): return Made(value: .text(value), valueCount: 1)
        case .bytes(let value): return Made(value: .bytes(value), valueCount: 1)
        case .global(let global): return Made(value: .type(global.name), valueCount: 1)
        case .node(let place):
            if let known = made[place] { return known }
            if depth == PickleTree.depthMax {
                throw .malformed(reason: "in a pickle, values within values without end")
            }
            if !open.insert(place).inserted {
                throw .malformed(reason: "in a pickle, a value that holds itself")
            }
            let new = try value(nodes[place], depth: depth + 1)
            if new.valueCount > PickleTree.valueCountMax { throw .tooManyEntries }
            open.remove(place)
            made[place] = new
            return new
        }
    }

    private mutating func value(_ node: PickleNode, depth: Int) throws(WeightError) -> Made {
        switch node {
        case .list(let items), .tuple(let items): return try list(items, depth)
        case .dictionary(let entries): return try dictionary(entries, depth)
        case .object(let type, let state):
            guard let state else {
                return Made(value: .object(type: type, fields: PickledDictionary()), valueCount: 1)
            }
            let fields = try value(state, depth: depth)
            guard case .dictionary(let dictionary) = fields.value else {
                throw .malformed(reason: "in a pickle, an object whose state is no dictionary")
            }
            return Made(
                value: .object(type: type, fields: dictionary), valueCount: fields.valueCount)
        case .storage: throw .unsupported(reason: "a storage of PyTorch without a tensor")
        case .tensor(let place): return Made(value: .tensor(try tensor(place)), valueCount: 1)
        case .arrayType(let letters, _):
            return Made(value: .type("numpy.\(letters)"), valueCount: 1)
        case .array(.numbers(let view)?): return Made(value: .tensor(view), valueCount: 1)
        case .array(.items(let items)?): return try list(items, depth)
        case .array(nil), .arrayWrapper:
            throw .malformed(reason: "in a pickle, an array without its state")
        }
    }

    private mutating func list(_ items: [PickleItem], _ depth: Int) throws(WeightError) -> Made {
        var values: [PickledValue] = []
        values.reserveCapacity(items.count)
        var count = 1
        for item in items {
            let value = try value(item, depth: depth)
            values.append(value.value)
            count += value.valueCount
        }
        return Made(value: .list(values), valueCount: count)
    }

    private mutating func dictionary(
        _ entries: [(key: PickleItem, value: PickleItem)], _ depth: Int
    ) throws(WeightError) -> Made {
        var dictionary = PickledDictionary()
        var count = 1
        for entry in entries {
            let (key, value) = (
                try value(entry.key, depth: depth), try value(entry.value, depth: depth)
            )
            dictionary.append(key.value, value.value)
            count += key.valueCount + value.valueCount
        }
        return Made(value: .dictionary(dictionary), valueCount: count)
    }
}
