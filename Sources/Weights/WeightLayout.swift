// What a weight file holds: named extents, most of them tensors, at known places of the file.
//
// A layout is found by the parsers of this module from the bytes at a file's ends. Every range in
// it was checked to lie within the file, and no two of them overlap. It says nothing of values.

/// How the file is built.
package enum WeightFormat: String, Equatable, Sendable {
    case safetensors
    case gguf
    /// A zip archive with `data.pkl` in it, as `torch.save` writes it.
    case torchArchive
    /// The pickle stream that `torch.save` wrote before archives.
    case torchStream
    case numpyArray
    /// A zip archive of arrays, as `numpy.savez` writes it.
    case numpyArchive
    case hdf5
}

/// The type of a tensor's values.
package struct TensorType: Equatable, Sendable {
    /// What one value is.
    package let element: ElementType
    /// The outermost dimension first; empty for a single value.
    package let shape: [Int64]

    package init(element: ElementType, shape: [Int64]) {
        self.element = element
        self.shape = shape
    }

    /// The product of the shape; nil when a dimension is negative or it does not fit.
    package var elementCount: Int64? {
        var product: Int64 = 1
        for dimension in shape {
            let (next, overflows) = product.multipliedReportingOverflow(by: dimension)
            if overflows || dimension < 0 { return nil }
            product = next
        }
        return product
    }

    /// How many bytes the values take; nil when that is no whole number of blocks or does not fit.
    package var byteCount: Int64? {
        guard let count = elementCount else { return nil }
        let block = element.block
        if count % block.elementCount != 0 { return nil }
        let (bits, overflows) = (count / block.elementCount).multipliedReportingOverflow(
            by: block.bitCount)
        return overflows || bits % 8 != 0 ? nil : bits / 8
    }
}

/// A named part of a weight file.
package struct WeightExtent: Equatable, Sendable {
    /// A tensor's name, or an archive member's.
    package let name: String
    /// Where it lies in the file.
    ///
    /// That of an archive's member has the member's own header at its beginning; `ZipDirectory`
    /// tells the exact place.
    package let bytes: Range<Int64>
    /// Nil where the file's directory does not tell what it is.
    package let type: TensorType?

    package init(name: String, bytes: Range<Int64>, type: TensorType?) {
        self.name = name
        self.bytes = bytes
        self.type = type
    }
}

/// The places of everything in a weight file.
package struct WeightLayout: Equatable, Sendable {
    package let format: WeightFormat
    /// Where the bytes lie that told the layout.
    package let directory: Range<Int64>
    /// In the order of the file; empty where it has to be read from its beginning to its end.
    package let extents: [WeightExtent]

    package init(format: WeightFormat, directory: Range<Int64>, extents: [WeightExtent]) {
        self.format = format
        self.directory = directory
        self.extents = extents
    }

    /// The extent that a byte of the file belongs to; nil for none.
    package func extent(at offset: Int64) -> WeightExtent? {
        var low = 0
        var high = extents.count
        while low < high {
            let middle = (low + high) / 2
            if extents[middle].bytes.upperBound <= offset {
                low = middle + 1
            } else {
                high = middle
            }
        }
        guard low < extents.count, extents[low].bytes.contains(offset) else { return nil }
        return extents[low]
    }
}
