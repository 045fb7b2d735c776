// The bytes of packs: a header page, then records. docs/FORMATS.md has the tables.
//
// A record describes itself: what it is, how long, how coded, and a checksum of its payload. The
// checksum of its header covers the pack's identity and the record's place too, so a record that
// was moved, or a pack that was swapped with another one, is seen to be damaged.

internal import Compression
internal import Hashing

/// Where a record is: the number of its pack and its offset there.
///
/// Never used twice.
struct RecordLocation: Hashable, Comparable, Sendable {
    /// `pack << 32 | offset`, as it stands in the index.
    let rawValue: Int64

    init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    init(pack: Int, offset: Int) {
        rawValue = Int64(pack) << 32 | Int64(offset)
    }

    var pack: Int { Int(rawValue >> 32) }
    var offset: Int { Int(rawValue & 0xffff_ffff) }

    static func < (left: RecordLocation, right: RecordLocation) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// What a record holds.
enum RecordKind: UInt8, Sendable {
    /// A chunk of contents.
    case chunk = 1
    /// A segment of a content's recipe.
    case recipe = 2
    /// Which blocks of a flat file are valid.
    case flatMap = 3
    /// Something small that the owner of the store gave to be kept.
    case metadata = 4
}

/// The first 64 bytes of a record.
struct RecordHeader: Equatable, Sendable {
    static let byteCount = 64
    private static let magic: UInt32 = 0x3152_464d  // "MFR1"
    /// Records start at multiples of this.
    static let alignment = 8
    /// The longest payload: a chunk that was stored raw, or a recipe segment, are far below.
    static let payloadByteCountMax = 1 << 20

    var kind: RecordKind
    var codec: ChunkCodec
    /// Bytes of the payload as it lies in the pack.
    var storedByteCount: Int
    /// Bytes of the payload decoded.
    var rawByteCount: Int
    /// Of a chunk its Xet hash; zero for others.
    var hash: Digest256
    /// XXH3-64 of the payload as it lies in the pack.
    var payloadChecksum: UInt64

    /// Bytes of the whole record, with its padding.
    var recordByteCount: Int { RecordHeader.recordByteCount(storedByteCount) }

    /// Bytes of a record with such a payload.
    static func recordByteCount(_ storedByteCount: Int) -> Int {
        (byteCount + storedByteCount + alignment - 1) / alignment * alignment
    }

    /// Writes the header of a record that is to lie at an offset of a pack.
    func write(into bytes: UnsafeMutableRawBufferPointer, salt: UInt64, offset: Int) {
        unsafe bytes.storeBytes(of: RecordHeader.magic.littleEndian, as: UInt32.self)
        unsafe bytes.storeBytes(of: kind.rawValue, toByteOffset: 4, as: UInt8.self)
        unsafe bytes.storeBytes(of: codec.rawValue, toByteOffset: 5, as: UInt8.self)
        unsafe bytes.storeBytes(of: 0, toByteOffset: 6, as: UInt16.self)
        unsafe bytes.storeBytes(
            of: UInt32(storedByteCount).littleEndian, toByteOffset: 8, as: UInt32.self)
        unsafe bytes.storeBytes(
            of: UInt32(rawByteCount).littleEndian, toByteOffset: 12, as: UInt32.self)
        let words = hash.words
        for (place, word) in [(16, words.0), (24, words.1), (32, words.2), (40, words.3)] {
            unsafe bytes.storeBytes(of: word.littleEndian, toByteOffset: place, as: UInt64.self)
        }
        unsafe bytes.storeBytes(
            of: payloadChecksum.littleEndian, toByteOffset: 48, as: UInt64.self)
        let sum = unsafe RecordHeader.checksum(UnsafeRawBufferPointer(bytes), salt, offset)
        unsafe bytes.storeBytes(of: sum.littleEndian, toByteOffset: 56, as: UInt64.self)
    }

    /// Reads the header of a record at an offset of a pack; nil if there is none, or a damaged one.
    init?(_ bytes: UnsafeRawBufferPointer, salt: UInt64, offset: Int) {
        guard bytes.count >= RecordHeader.byteCount,
            unsafe UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
                == RecordHeader.magic,
            unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 56, as: UInt64.self))
                == RecordHeader.checksum(bytes, salt, offset),
            let kind = unsafe RecordKind(rawValue: bytes[4]),
            let codec = unsafe ChunkCodec(rawValue: bytes[5])
        else { return nil }
        self.kind = kind
        self.codec = codec
        storedByteCount = unsafe Int(
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
        rawByteCount = unsafe Int(
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self)))
        hash = unsafe Digest256(
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)),
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 32, as: UInt64.self)),
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 40, as: UInt64.self)))
        payloadChecksum = unsafe UInt64(
            littleEndian: bytes.loadUnaligned(fromByteOffset: 48, as: UInt64.self))
        if storedByteCount > RecordHeader.payloadByteCountMax { return nil }
    }

    init(
        kind: RecordKind, codec: ChunkCodec, storedByteCount: Int, rawByteCount: Int,
        hash: Digest256, payloadChecksum: UInt64
    ) {
        self.kind = kind
        self.codec = codec
        self.storedByteCount = storedByteCount
        self.rawByteCount = rawByteCount
        self.hash = hash
        self.payloadChecksum = payloadChecksum
    }

    /// Whether it is the record that a recipe tells of.
    func isChunk(of entry: RecipeEntry) -> Bool {
        kind == .chunk && storedByteCount == entry.storedByteCount
            && rawByteCount == entry.rawByteCount
    }

    /// Of the first 56 bytes, the pack's salt and the offset.
    private static func checksum(
        _ bytes: UnsafeRawBufferPointer, _ salt: UInt64, _ offset: Int
    ) -> UInt64 {
        let own = unsafe xxh3(UnsafeRawBufferPointer(rebasing: bytes[..<56]))
        let place = (own, salt, UInt64(offset))
        return unsafe withUnsafeBytes(of: place) { unsafe xxh3($0) }
    }
}

/// The first page of a pack.
struct PackHeader: Equatable, Sendable {
    static let byteCount = 4_096
    static let version: UInt32 = 1
    /// "MFSPACK" and a zero.
    private static let magic: [UInt8] = Array("MFSPACK\0".utf8)

    let cacheID: CacheID
    let pack: Int

    /// What the headers of the pack's records are checked against.
    var salt: UInt64 {
        let bytes = cacheID.bytes + Array("pack".utf8)
        return rowChecksum(bytes[...], rowKey: Int64(pack))
    }

    /// The page: magic 8, version 4, zeros 4, cache 16, number 8, XXH3-64 of the 40 bytes, zeros.
    var bytes: [UInt8] {
        var bytes = PackHeader.magic
        appendNumber(UInt64(PackHeader.version), to: &bytes)
        bytes += cacheID.bytes
        appendNumber(UInt64(pack), to: &bytes)
        appendNumber(rowChecksum(bytes[...], rowKey: 0), to: &bytes)
        bytes += [UInt8](repeating: 0, count: PackHeader.byteCount - bytes.count)
        return bytes
    }

    init(cacheID: CacheID, pack: Int) {
        self.cacheID = cacheID
        self.pack = pack
    }

    /// Nil for a page that is damaged or no pack's.
    init?(_ bytes: [UInt8]) {
        guard PackHeader.isSound(bytes), Array(bytes[..<8]) == PackHeader.magic,
            littleEndian(bytes[8..<16]) == UInt64(PackHeader.version),
            let cacheID = CacheID(bytes: bytes[16..<32])
        else { return nil }
        self.cacheID = cacheID
        pack = Int(truncatingIfNeeded: littleEndian(bytes[32..<40]))
    }

    /// Whether a page is as it was written, by whatever version.
    static func isSound(_ bytes: [UInt8]) -> Bool {
        bytes.count >= 48
            && littleEndian(bytes[40..<48]) == rowChecksum(bytes[..<40], rowKey: 0)
    }
}

/// What tells the packs of one cache from those of another.
struct CacheID: Hashable, Sendable {
    let bytes: [UInt8]

    /// Takes exactly 16 bytes.
    init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.bytes = Array(bytes)
    }

    /// One that no other cache has.
    static func random() -> CacheID {
        var generator = SystemRandomNumberGenerator()
        var bytes: [UInt8] = []
        for _ in 0..<2 { appendNumber(generator.next(), to: &bytes) }
        guard let made = CacheID(bytes: bytes) else { preconditionFailure("16 bytes were made") }
        return made
    }
}
