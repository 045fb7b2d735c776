// BLAKE3 of a stream: what has come is folded into subtrees, one for each bit of their number.
//
// The last leaf is always kept back, because only the end tells whether it is the root; so a
// subtree is folded only when at least a byte follows it.

/// A BLAKE3 hash under way.
package struct Blake3Hasher {
    private let start: Blake3.Start
    private let lanes: Int
    /// Chaining values of complete subtrees, the largest first: one for each bit of `leafCount`.
    private var subtrees: [SIMD8<UInt32>] = []
    private var leafCount: UInt64 = 0
    /// The leaf that is kept back: empty only before the first byte.
    private var pending: [UInt8] = []

    /// Begins a plain hash.
    package init() {
        self.init(start: .plain, lanes: Blake3.widestLanes)
    }

    /// Begins a keyed hash.
    package init(key: Digest256) {
        self.init(start: Blake3.Start(key: key), lanes: Blake3.widestLanes)
    }

    init(start: Blake3.Start, lanes: Int) {
        self.start = start
        self.lanes = lanes
        pending.reserveCapacity(Blake3.leafByteCount)
    }

    /// Takes the next bytes, as many as there are.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        let leafSize = Blake3.leafByteCount
        var offset = 0
        if !pending.isEmpty {
            offset = min(leafSize - pending.count, bytes.count)
            unsafe pending.append(contentsOf: bytes[..<offset])
            if offset == bytes.count { return }
            let chain = unsafe pending.withUnsafeBytes {
                unsafe Blake3.leaf($0, start: start, counter: leafCount)
            }
            fold(chain, leaves: 1)
            pending.removeAll(keepingCapacity: true)
        }
        while bytes.count - offset > leafSize {
            // The largest subtree that can stand here: a power of two that divides its place.
            var leaves = Blake3.mostLeaves
            while leaves * leafSize >= bytes.count - offset
                || leafCount & UInt64(leaves - 1) != 0
            {
                leaves /= 2
            }
            let part = unsafe UnsafeRawBufferPointer(
                rebasing: bytes[offset..<(offset + leaves * leafSize)])
            let chain =
                if leaves == 1 {
                    unsafe Blake3.leaf(part, start: start, counter: leafCount)
                } else {
                    unsafe Blake3.subtree(part, start: start, firstLeaf: leafCount, lanes: lanes)
                }
            fold(chain, leaves: leaves)
            offset += leaves * leafSize
        }
        unsafe pending.append(contentsOf: bytes[offset...])
    }

    /// Takes the next bytes from an array.
    package mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe update($0) }
    }

    /// The hash of all that was given.
    ///
    /// The stream may go on afterwards.
    package func finish() -> Digest256 {
        unsafe pending.withUnsafeBytes { bytes in
            if subtrees.isEmpty {
                return Digest256(
                    unsafe Blake3.leaf(
                        bytes, start: start, counter: 0, lastFlags: Blake3.Flags.root))
            }
            var chain = unsafe Blake3.leaf(bytes, start: start, counter: leafCount)
            for index in subtrees.indices.reversed() {
                chain = Blake3.parent(
                    subtrees[index], chain, start: start,
                    lastFlags: index == 0 ? Blake3.Flags.root : 0)
            }
            return Digest256(chain)
        }
    }

    /// Adds a complete subtree after those that are there, and merges equal ones, which leaves as
    /// many as `leafCount` has bits set.
    ///
    /// None of them is the root, since a byte follows.
    private mutating func fold(_ chain: SIMD8<UInt32>, leaves: Int) {
        subtrees.append(chain)
        leafCount += UInt64(leaves)
        while subtrees.count > leafCount.nonzeroBitCount, let right = subtrees.popLast(),
            let left = subtrees.popLast()
        {
            subtrees.append(Blake3.parent(left, right, start: start))
        }
    }
}
