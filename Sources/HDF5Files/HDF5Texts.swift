// Attributes that are texts: names of layers and weights, a model's configuration.
//
// Texts have one length, filled up with zeros or spaces, or a length each; in the latter case the
// library allocates them, and they are given back to it here.

internal import CHDF5
internal import Glibc
internal import Weights

enum HDF5Texts {
    private static let textCountMax: Int64 = 65_536
    /// The configuration of a large network takes some hundred kilobytes.
    private static let byteCountMax = 16 << 20

    /// The texts of an attribute, one or many; nil when it has values of another type.
    static func read(_ attribute: hid_t) throws(WeightError) -> [String]? {
        guard let type = HDF5Handle(H5Aget_type(attribute)),
            let space = HDF5Handle(H5Aget_space(attribute))
        else { throw .malformed(reason: "an attribute of HDF5 that cannot be read") }
        if H5Tget_class(type.id) != H5T_STRING { return nil }
        let count = H5Sget_simple_extent_npoints(space.id)
        guard count >= 0, count <= textCountMax else { throw .tooManyEntries }
        if count == 0 { return [] }
        let isVariable = H5Tis_variable_str(type.id)
        if isVariable > 0 { return try variable(attribute, type.id, space.id, Int(count)) }
        let width = H5Tget_size(type.id)
        if isVariable < 0 || width == 0 || width > byteCountMax / Int(count) {
            throw .tooManyEntries
        }
        var bytes = [UInt8](repeating: 0, count: width * Int(count))
        let isRead = unsafe bytes.withUnsafeMutableBytes {
            unsafe H5Aread(attribute, type.id, $0.baseAddress) >= 0
        }
        guard isRead else { throw .malformed(reason: "an attribute of HDF5 that cannot be read") }
        return try (0..<Int(count)).map { (index) throws(WeightError) in
            var part = bytes[index * width..<(index + 1) * width].prefix { $0 != 0 }
            while part.last == 0x20 { part.removeLast() }
            return try text(Array(part))
        }
    }

    private static func variable(
        _ attribute: hid_t, _ type: hid_t, _ space: hid_t, _ count: Int
    ) throws(WeightError) -> [String] {
        guard let memoryType = HDF5Handle(H5Tcopy(modelfs_h5_c_string())) else {
            throw .unsupported(reason: "the library for HDF5 does not work")
        }
        H5Tset_size(memoryType.id, modelfs_h5_variable())
        H5Tset_cset(memoryType.id, H5Tget_cset(type))
        var pointers = unsafe [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
        let isRead = unsafe pointers.withUnsafeMutableBytes {
            unsafe H5Aread(attribute, memoryType.id, $0.baseAddress) >= 0
        }
        guard isRead else { throw .malformed(reason: "an attribute of HDF5 that cannot be read") }
        defer {
            _ = unsafe pointers.withUnsafeMutableBytes {
                unsafe H5Dvlen_reclaim(memoryType.id, space, modelfs_h5_default(), $0.baseAddress)
            }
        }
        return try (0..<count).map { (index) throws(WeightError) in
            guard let pointer = unsafe pointers[index] else { return "" }
            let length = unsafe strnlen(pointer, byteCountMax + 1)
            if length > byteCountMax { throw .tooManyEntries }
            return try text((0..<length).map { unsafe UInt8(bitPattern: pointer[$0]) })
        }
    }

    private static func text(_ bytes: [UInt8]) throws(WeightError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .malformed(reason: "a text of HDF5 that is no UTF-8")
        }
        return text
    }
}
