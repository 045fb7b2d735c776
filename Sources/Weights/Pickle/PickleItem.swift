// What lies on the stack of the machine that reads pickles, and what its items lead to.
//
// Containers are filled after they were put on the stack and into the memo, so an item only names
// its container, which lies in the machine's list of nodes. Nodes may lead to themselves: the tree
// that comes out of them is made, and checked for that, when the pickle has been read.

/// A value on the stack.
enum PickleItem {
    case none
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case text(String)
    case bytes([UInt8])
    case global(PickleGlobal)
    /// The place of a node in the machine's list.
    case node(Int)
}

/// What is filled or completed later.
enum PickleNode {
    case list([PickleItem])
    case tuple([PickleItem])
    case dictionary([(key: PickleItem, value: PickleItem)])
    case object(type: String, state: PickleItem?)
    case storage(PickledStorage)
    case tensor(PickledTensor)
    /// A type of NumPy's, such as `f8`, and the order of its bytes: `<`, `>`, `|`.
    case arrayType(letters: String, order: String)
    /// An array; nil before its state has come.
    case array(PickledArray?)
    /// An array of joblib's, whose values follow its description in the stream.
    case arrayWrapper
}

/// A storage of PyTorch: values of one type, under a key.
struct PickledStorage: Equatable {
    let key: String
    /// Nil when it holds bytes whose type stands with the tensor.
    let element: ElementType?
    /// In elements, or in bytes.
    let elementCount: Int64
}

/// A tensor of PyTorch: a part of a storage.
struct PickledTensor: Equatable {
    let storage: PickledStorage
    let element: ElementType
    let place: StridedPlace
}

/// An array of NumPy.
enum PickledArray {
    case numbers(TensorView)
    case items([PickleItem])
}
