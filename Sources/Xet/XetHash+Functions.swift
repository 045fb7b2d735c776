// The hash functions of Xet: BLAKE3 with a key for each purpose, so that a chunk can never pass
// for a node. The keys are part of the format.

internal import Hashing

extension XetHash {
    /// The name of a chunk: a hash of its uncompressed bytes.
    package static func chunk(_ bytes: UnsafeRawBufferPointer) -> XetHash {
        XetHash(unsafe Blake3.keyedHash(Keys.data, bytes))
    }

    /// The name of a chunk whose bytes are in an array.
    package static func chunk(_ bytes: [UInt8]) -> XetHash {
        XetHash(Blake3.keyedHash(Keys.data, bytes))
    }

    /// The name of a node of the Merkle tree: a hash of a line for each child.
    package static func node(_ children: some Sequence<MerkleNode>) -> XetHash {
        var lines: [UInt8] = []
        for child in children {
            child.hash.appendText(to: &lines)
            lines += " : \(child.byteCount)\n".utf8
        }
        return XetHash(Blake3.keyedHash(Keys.node, lines))
    }

    /// The name of a file, from the root of the tree over its chunks: a hash of the root with a key
    /// of 32 zero bytes.
    ///
    /// An empty file, which has no root, is `zero`.
    package static func file(root: XetHash?) -> XetHash {
        guard let root else { return zero }
        return XetHash(Blake3.keyedHash(Digest256(0, 0, 0, 0), root.bytes))
    }

    /// What a shard tells of a term to prove it was seen: a hash of its chunks' hashes.
    package static func verification(_ chunks: some Sequence<XetHash>) -> XetHash {
        XetHash(Blake3.keyedHash(Keys.verification, chunks.flatMap(\.bytes)))
    }
}

/// The keys, as four little-endian words of their 32 bytes.
private enum Keys {
    // 6697f577 5b9550de 3135cbac a597181c 9de42110 9beb2b58 b4d0b04b 93adf229
    static let data = Digest256(
        0xde50_955b_77f5_9766, 0x1c18_97a5_accb_3531, 0x582b_eb9b_1021_e49d,
        0x29f2_ad93_4bb0_d0b4)
    // 017ec5c7 a5472996 fd946666 b48a02e6 5ddd536f 37c76dd2 f86352e6 4a53713f
    static let node = Digest256(
        0x9629_47a5_c7c5_7e01, 0xe602_8ab4_6666_94fd, 0xd26d_c737_6f53_dd5d,
        0x3f71_534a_e652_63f8)
    // 7f1857d6 ce56ed66 127ff913 e7a5c3f3 a4cd26d5 b5db49e6 4124987f 28fb94c3
    static let verification = Digest256(
        0x66ed_56ce_d657_187f, 0xf3c3_a5e7_13f9_7f12, 0xe649_dbb5_d526_cda4,
        0xc394_fb28_7f98_2441)
}
