// BLAKE3: plain and keyed hashes of 32 bytes, of a buffer or of a stream.
//
// Written after the specification (BLAKE3-team, "BLAKE3: one function, fast everywhere"). Of its
// modes, the derivation of keys and the extended output are left out: nothing here needs them.
//
// The buffers that matter are chunks of 8 to 128 KiB. Their leaves of 1 KiB are compressed in
// parallel lanes, and so is each level of the tree above them (`Blake3+Tree.swift`); single
// blocks are compressed in Swift (`Blake3+Compress.swift`). The lanes are C, in CShims. Measured
// for keyed hashes of 128 KiB on one core of an AMD EPYC with AVX-512, in GB/s:
//
//     Swift, SIMD4<UInt32>, baseline x86-64 (lanes only)   0.46  rotations become scalar code
//     Swift, the same, for x86-64-v3 (lanes only)          2.3   for a whole program, so not for us
//     C, 4 lanes, baseline x86-64, with the tree           1.8
//     C, 8 lanes, AVX2, with the tree                      3.7
//     C, 16 lanes, AVX-512, with the tree                  9.1
//     the official implementation (PyPI blake3, AVX-512)   8.9

/// The functions of BLAKE3 on whole buffers.
package enum Blake3 {
    /// The plain hash of a buffer.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> Digest256 {
        unsafe digest(of: bytes, start: .plain, lanes: widestLanes)
    }

    /// The plain hash of bytes in an array.
    package static func hash(_ bytes: [UInt8]) -> Digest256 {
        unsafe bytes.withUnsafeBytes { unsafe hash($0) }
    }

    /// The keyed hash of a buffer: as good as a hash of its own for each key.
    package static func keyedHash(_ key: Digest256, _ bytes: UnsafeRawBufferPointer) -> Digest256 {
        unsafe digest(of: bytes, start: Start(key: key), lanes: widestLanes)
    }

    /// The keyed hash of bytes in an array.
    package static func keyedHash(_ key: Digest256, _ bytes: [UInt8]) -> Digest256 {
        unsafe bytes.withUnsafeBytes { unsafe keyedHash(key, $0) }
    }
}

extension Blake3 {
    /// The length of a block: what one compression takes in.
    static let blockByteCount = 64

    /// The length of a leaf of the tree, which the specification calls a chunk.
    static let leafByteCount = 1024

    /// Domain flags of the compression function (specification, table 3).
    enum Flags {
        static let leafStart: UInt32 = 1
        static let leafEnd: UInt32 = 2
        static let parent: UInt32 = 4
        static let root: UInt32 = 8
        static let keyed: UInt32 = 16
    }

    /// What a mode begins with: the first chaining value, and a flag in every compression.
    struct Start: Sendable {
        let chain: SIMD8<UInt32>
        let flags: UInt32

        static let plain = Start(
            chain: [
                0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A,
                0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19,
            ], flags: 0)

        init(chain: SIMD8<UInt32>, flags: UInt32) {
            self.chain = chain
            self.flags = flags
        }

        init(key: Digest256) {
            let words = key.words
            self.init(
                chain: [
                    UInt32(truncatingIfNeeded: words.0), UInt32(words.0 >> 32),
                    UInt32(truncatingIfNeeded: words.1), UInt32(words.1 >> 32),
                    UInt32(truncatingIfNeeded: words.2), UInt32(words.2 >> 32),
                    UInt32(truncatingIfNeeded: words.3), UInt32(words.3 >> 32),
                ], flags: Flags.keyed)
        }
    }
}

extension Digest256 {
    /// The root's chaining value as a digest.
    init(_ chain: SIMD8<UInt32>) {
        self.init(
            UInt64(chain[0]) | UInt64(chain[1]) << 32, UInt64(chain[2]) | UInt64(chain[3]) << 32,
            UInt64(chain[4]) | UInt64(chain[5]) << 32, UInt64(chain[6]) | UInt64(chain[7]) << 32)
    }
}
