// What a pickle holds, as a tree of values that can do nothing.
//
// Tuples, lists and sets are all lists here, and every kind of dictionary is a dictionary that
// keeps its order. Parts that a pickle shares are shared in the tree as well.

/// A value of a pickle.
package enum PickledValue: Sendable {
    case none
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case text(String)
    case bytes([UInt8])
    /// A list, a tuple or a set.
    case list([PickledValue])
    case dictionary(PickledDictionary)
    /// A tensor of PyTorch, or an array of NumPy.
    case tensor(TensorView)
    /// A type by its whole name, such as `torch.float32`.
    case type(String)
    /// An object of one of the classes that are known here, with what its `__dict__` held.
    case object(type: String, fields: PickledDictionary)
}

/// A dictionary of a pickle, in its own order.
package struct PickledDictionary: Sendable {
    /// In order; of entries with one key only the last is kept.
    package private(set) var entries: [(key: PickledValue, value: PickledValue)] = []
    private var places: [String: Int] = [:]

    package init() {}

    /// The value of a text as the key; nil for none.
    package subscript(key: String) -> PickledValue? {
        places[key].map { entries[$0].value }
    }

    /// The keys that are texts, in order.
    package var names: [String] { entries.compactMap(\.key.text) }

    mutating func append(_ key: PickledValue, _ value: PickledValue) {
        if let name = key.text {
            if let place = places[name] {
                entries[place].value = value
                return
            }
            places[name] = entries.count
        }
        entries.append((key, value))
    }
}

extension PickledValue {
    /// The text; nil when it is none.
    package var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    /// A number, whole or not, or a tensor of one value; nil when it is none of them.
    package var number: Double? {
        switch self {
        case .number(let number): number
        case .integer(let number): Double(number)
        case .tensor(let tensor) where tensor.elementCount == 1: try? tensor.doubles().first
        default: nil
        }
    }

    /// A whole number; nil when it is none.
    package var integer: Int64? {
        switch self {
        case .integer(let number): number
        case .number(let number): Int64(exactly: number)
        default: nil
        }
    }

    /// The truth value; nil when it is none.
    package var boolean: Bool? {
        if case .boolean(let value) = self { value } else { nil }
    }

    /// The elements; nil when it is no list, tuple or set.
    package var list: [PickledValue]? {
        if case .list(let list) = self { list } else { nil }
    }

    /// The dictionary, or an object's fields; nil when it is neither.
    package var dictionary: PickledDictionary? {
        switch self {
        case .dictionary(let dictionary), .object(_, let dictionary): dictionary
        default: nil
        }
    }

    /// The tensor; nil when it is none.
    package var tensor: TensorView? {
        if case .tensor(let tensor) = self { tensor } else { nil }
    }

    /// The numbers of an array, or of a list of numbers; nil when it is neither.
    package var numbers: [Double]? {
        switch self {
        case .tensor(let tensor): return try? tensor.doubles()
        case .list(let list):
            let numbers = list.compactMap(\.number)
            return numbers.count == list.count ? numbers : nil
        default: return nil
        }
    }

    /// The texts of a list of texts; nil when it is none.
    package var texts: [String]? {
        guard let list else { return nil }
        let texts = list.compactMap(\.text)
        return texts.count == list.count ? texts : nil
    }
}
