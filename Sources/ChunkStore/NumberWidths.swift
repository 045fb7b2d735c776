// How wide the numbers of a content are, place by place: told by its directory if it is a weight
// file (module Weights), which lies in the content itself. That spares the encoder most trials.

internal import Compression
internal import Platform
internal import Weights

/// The widths of the numbers in a content.
struct NumberWidths {
    /// Contents below this size are tried as they come.
    private static let contentByteCountMin: Int64 = 1 << 20
    /// Directories above this size are not read: 4 MiB tell of some 30,000 tensors.
    private static let directoryByteCountMax: Int64 = 4 << 20

    private var extents: [(bytes: Range<Int64>, width: ElementWidth?)] = []
    /// The extent asked for last: places are asked for in order.
    private var next = 0

    /// Nothing is known.
    init() {}

    /// Looks for a directory in a content of the store, as far as it is there.
    init(_ store: ChunkStore, _ key: ContentKey) {
        let source = CachedBytes(store: store, key: key)
        guard key.size >= NumberWidths.contentByteCountMin,
            case .done(let layout?) = try? WeightFile.parse(
                source, limit: NumberWidths.directoryByteCountMax)
        else { return }
        extents = layout.extents.map { ($0.bytes, $0.type.map { ElementWidth($0.element) }) }
    }

    /// The width of the numbers at a place; nil if it is not known.
    ///
    /// Never asked for a place before the last.
    mutating func width(at place: Int64) -> ElementWidth? {
        while next < extents.count && extents[next].bytes.upperBound <= place { next += 1 }
        if next == extents.count || extents[next].bytes.lowerBound > place { return nil }
        return extents[next].width
    }

    /// The bytes of a content that are in the store.
    private struct CachedBytes: ByteSource {
        let store: ChunkStore
        let key: ContentKey

        var sizeBytes: Int64 { key.size }

        func bytes(in range: Range<Int64>) -> [UInt8]? {
            // What tells a directory's end may lie, so the length is looked at before it is made.
            if range.count > NumberWidths.directoryByteCountMax { return nil }
            var bytes = [UInt8](repeating: 0, count: range.count)
            let outcome = unsafe bytes.withUnsafeMutableBytes {
                unsafe try? store.readQuietly(key, at: range.lowerBound, into: $0)
            }
            return outcome == .bytes(range.count) ? bytes : nil
        }
    }
}

extension ElementWidth {
    fileprivate init(_ element: ElementType) {
        switch element {
        case .quantized: self = .one
        default:
            let bitCount = element.block.bitCount / element.block.elementCount
            self = bitCount < 16 ? .one : bitCount < 32 ? .two : .four
        }
    }
}
