// Packing chunks into a xorb.
//
// A xorb is closed when the next chunk would take it beyond 64 MiB of decoded bytes or 8,192
// chunks, as the official client does; packed and with headers, one that does not compress is
// therefore a little longer than 64 MiB.

package import Compression

/// A xorb under way, in memory.
package struct XorbWriter: Sendable {
    /// The decoded bytes of a xorb at most.
    package static let mostBytes = 64 << 20

    /// The chunks so far, as they go over the wire: headers and payloads, no footer.
    package private(set) var content: [UInt8] = []
    private var nodes: [MerkleNode] = []
    private var packedEnds: [UInt32] = []
    private var unpackedEnds: [UInt32] = []

    /// An empty xorb.
    package init() {
        // Room for the longest one, so that it is never moved; what is not used costs no memory.
        content.reserveCapacity(Self.mostBytes + ChunkStream.mostChunks * ChunkHeader.byteCount)
    }

    /// How many chunks there are.
    package var chunkCount: Int { nodes.count }

    /// Whether a chunk of that many bytes still belongs in here.
    package func hasRoom(for byteCount: Int) -> Bool {
        nodes.count < ChunkStream.mostChunks
            && Int(unpackedEnds.last ?? 0) + byteCount <= Self.mostBytes
    }

    /// Encodes and adds a chunk for which there is room.
    ///
    /// - Parameter hash: the chunk's name, which the caller has computed to look for it.
    /// - Returns: its index in the xorb.
    @discardableResult
    package mutating func add(
        _ chunk: UnsafeRawBufferPointer, hash: XetHash, policy: CompressionPolicy,
        scratch: borrowing CodecScratch
    ) throws(XetError) -> Int {
        precondition(hasRoom(for: chunk.count))
        let start = content.count
        // An array, since adding it is one copy even where nothing is optimised.
        content += [UInt8](repeating: 0, count: ChunkHeader.byteCount + chunk.count)
        let header = try unsafe content.withUnsafeMutableBufferPointer { bytes throws(XetError) in
            try unsafe ChunkHeader.encode(
                chunk,
                into: UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(bytes)[start...]),
                policy: policy, scratch: scratch)
        }
        content.removeLast(content.count - start - header.packedByteCount)
        nodes.append(MerkleNode(hash: hash, byteCount: UInt64(chunk.count)))
        packedEnds.append(UInt32(content.count))
        unpackedEnds.append((unpackedEnds.last ?? 0) + UInt32(chunk.count))
        return nodes.count - 1
    }

    /// The footer for what was added; nil if that is nothing.
    ///
    /// Its hash is the xorb's name.
    package func footer() -> XorbFooter? {
        guard let hash = MerkleTree.root(of: nodes) else { return nil }
        return XorbFooter(
            hash: hash, chunkHashes: nodes.map(\.hash), packedEnds: packedEnds,
            unpackedEnds: unpackedEnds)
    }
}
