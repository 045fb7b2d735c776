// The functions and classes that a pickle may name, each with what is done in its place.
//
// Nothing that a pickle names is ever looked up or run: a name is in this table, or the pickle is
// refused. What is in the table stands for data.

/// A name that a pickle may use.
enum PickleGlobal: Equatable, Sendable {
    // Containers
    case orderedDictionary, defaultDictionary, set
    /// A class or a function that is only named and never called, such as `list` in a
    /// defaultdict, or `torch.float32`.
    case named(String)
    /// `_codecs.encode`, which older protocols write bytes by.
    case encode
    /// `copyreg._reconstructor` and `object`, which older protocols write objects by.
    case reconstruct, plainObject

    // PyTorch
    case rebuildTensor, rebuildTensorWithType, rebuildParameter, rebuildFromType
    case size, device
    case storage(ElementType)
    /// A storage of bytes, whose type stands with the tensor.
    case untypedStorage
    case elementType(ElementType)

    // NumPy, joblib
    case arrayReconstruct, arrayFromBuffer, scalar, array, arrayType, arrayWrapper

    // scikit-learn
    case scaler(String)

    /// Nil for a name that is not known.
    init?(module: String, name: String) {
        if let known = PickleGlobal.byName["\(module).\(name)"] {
            self = known
            return
        }
        switch module {
        case "torch":
            if name.hasSuffix("Storage"), let type = PickleGlobal.storages[name] {
                self = .storage(type)
            } else if let type = PickleGlobal.torchTypes[name] {
                self = .elementType(type)
            } else {
                return nil
            }
        case "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric",
            "numpy._core.numeric":
            guard let known = PickleGlobal.numpyFunctions[name] else { return nil }
            self = known
        case "numpy" where PickleGlobal.numpyTypes.contains(name): self = .named("numpy.\(name)")
        case "sklearn.preprocessing._data", "sklearn.preprocessing.data":
            guard PickleGlobal.scalers.contains(name) else { return nil }
            self = .scaler(name)
        case "builtins", "__builtin__":
            guard PickleGlobal.plainTypes.contains(name) else { return nil }
            self = .named(name)
        default: return nil
        }
    }

    private static let byName: [String: PickleGlobal] = [
        "collections.OrderedDict": .orderedDictionary,
        "collections.defaultdict": .defaultDictionary,
        "builtins.set": .set, "__builtin__.set": .set,
        "builtins.frozenset": .set, "__builtin__.frozenset": .set,
        "builtins.object": .plainObject, "__builtin__.object": .plainObject,
        "_codecs.encode": .encode,
        "copyreg._reconstructor": .reconstruct, "copy_reg._reconstructor": .reconstruct,
        "torch._utils._rebuild_tensor": .rebuildTensor,
        "torch._utils._rebuild_tensor_v2": .rebuildTensor,
        "torch._utils._rebuild_tensor_v3": .rebuildTensorWithType,
        "torch._utils._rebuild_parameter": .rebuildParameter,
        "torch._utils._rebuild_parameter_with_state": .rebuildParameter,
        "torch._tensor._rebuild_from_type_v2": .rebuildFromType,
        "torch.Size": .size, "torch.device": .device,
        "torch.Tensor": .named("torch.Tensor"),
        "torch.nn.parameter.Parameter": .named("torch.nn.parameter.Parameter"),
        "torch.storage.UntypedStorage": .untypedStorage,
        "torch.storage._UntypedStorage": .untypedStorage, "torch.UntypedStorage": .untypedStorage,
        "numpy.ndarray": .array, "numpy.dtype": .arrayType,
        "joblib.numpy_pickle.NumpyArrayWrapper": .arrayWrapper,
    ]

    private static let storages: [String: ElementType] = [
        "DoubleStorage": .float64, "FloatStorage": .float32, "HalfStorage": .float16,
        "BFloat16Storage": .bfloat16, "LongStorage": .int64, "IntStorage": .int32,
        "ShortStorage": .int16, "CharStorage": .int8, "ByteStorage": .uint8,
        "BoolStorage": .boolean, "ComplexFloatStorage": .complex64,
        "ComplexDoubleStorage": .complex128,
    ]

    private static let torchTypes: [String: ElementType] = [
        "float64": .float64, "float32": .float32, "float16": .float16, "bfloat16": .bfloat16,
        "int64": .int64, "int32": .int32, "int16": .int16, "int8": .int8, "uint8": .uint8,
        "uint16": .uint16, "uint32": .uint32, "uint64": .uint64, "bool": .boolean,
        "complex64": .complex64, "complex128": .complex128, "float8_e4m3fn": .float8E4M3,
        "float8_e5m2": .float8E5M2, "float8_e4m3fnuz": .float8E4M3FNUZ,
        "float8_e5m2fnuz": .float8E5M2FNUZ, "float8_e8m0fnu": .float8E8M0,
    ]

    private static let numpyFunctions: [String: PickleGlobal] = [
        "_reconstruct": .arrayReconstruct, "scalar": .scalar, "_frombuffer": .arrayFromBuffer,
    ]

    private static let numpyTypes: Set<String> = [
        "float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32",
        "uint16", "uint8", "bool_", "object_", "str_",
    ]

    private static let plainTypes: Set<String> = [
        "int", "float", "str", "bool", "list", "dict", "tuple", "bytes", "NoneType",
    ]

    static let scalers: Set<String> = ["StandardScaler", "MinMaxScaler"]

    /// As an error names it.
    var name: String {
        switch self {
        case .named(let name): name
        case .storage(let type): "a storage of \(type)"
        case .elementType(let type): "torch.\(type)"
        case .scaler(let name): "sklearn.preprocessing.\(name)"
        default: "\(self)"
        }
    }
}
