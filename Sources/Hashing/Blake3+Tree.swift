// BLAKE3's tree over a buffer: leaves in parallel lanes, then level upon level of parents.
//
// Pairing neighbours level by level, with an odd node carried up as it is, gives the tree of the
// specification, whose left subtrees are as large a power of two as can be.
//
// Scratch memory is the chaining values of one level, 32 bytes a leaf, so buffers beyond
// `mostLeaves` go through `Blake3Hasher`, which cuts them into subtrees.

internal import CShims

extension Blake3 {
    /// How many inputs the processor compresses side by side: 16, 8 or 4.
    static let widestLanes = Int(modelfs_blake3_lane_count())

    /// Leaves of one tree in memory: 256 KiB of input, 8 KiB of chaining values.
    static let mostLeaves = 256

    /// The hash of a whole buffer.
    static func digest(
        of bytes: UnsafeRawBufferPointer, start: Start, lanes: Int
    ) -> Digest256 {
        if bytes.count <= leafByteCount {
            return Digest256(
                unsafe leaf(bytes, start: start, counter: 0, lastFlags: Flags.root))
        }
        if bytes.count > mostLeaves * leafByteCount {
            var hasher = Blake3Hasher(start: start, lanes: lanes)
            unsafe hasher.update(bytes)
            return hasher.finish()
        }
        return unsafe withLevels(over: bytes, start: start, firstLeaf: 0, lanes: lanes) {
            Digest256(parent($0, $1, start: start, lastFlags: Flags.root))
        }
    }

    /// The chaining value of a subtree of two leaves or more that is not the root.
    static func subtree(
        _ bytes: UnsafeRawBufferPointer, start: Start, firstLeaf: UInt64, lanes: Int
    ) -> SIMD8<UInt32> {
        unsafe withLevels(over: bytes, start: start, firstLeaf: firstLeaf, lanes: lanes) {
            parent($0, $1, start: start)
        }
    }

    /// Builds the tree over more than one leaf, up to the two children of its top.
    private static func withLevels<Result>(
        over bytes: UnsafeRawBufferPointer, start: Start, firstLeaf: UInt64, lanes: Int,
        _ body: (SIMD8<UInt32>, SIMD8<UInt32>) -> Result
    ) -> Result {
        let leafCount = (bytes.count + leafByteCount - 1) / leafByteCount
        precondition(leafCount >= 2 && leafCount <= mostLeaves)
        // The last call of a level writes all its lanes, so the space is a multiple of them.
        let capacity = (leafCount + lanes - 1) / lanes * lanes
        return unsafe withUnsafeTemporaryAllocation(of: SIMD8<UInt32>.self, capacity: capacity) {
            var level = unsafe Level(nodes: $0, start: start, lanes: lanes)
            unsafe level.fill(from: bytes, firstLeaf: firstLeaf)
            while level.count > 2 { level.pair() }
            return unsafe body(level.nodes[0], level.nodes[1])
        }
    }
}

/// The chaining values of one level of the tree, from left to right.
@safe
private struct Level {
    // Borrowed from `withLevels`, which outlives this value.
    let nodes: UnsafeMutableBufferPointer<SIMD8<UInt32>>
    let start: Blake3.Start
    let lanes: Int
    var count = 0

    init(nodes: UnsafeMutableBufferPointer<SIMD8<UInt32>>, start: Blake3.Start, lanes: Int) {
        unsafe self.nodes = nodes
        self.start = start
        self.lanes = lanes
    }

    /// Writes the leaves of a buffer, of which the last may be short.
    mutating func fill(from bytes: UnsafeRawBufferPointer, firstLeaf: UInt64) {
        let leafSize = Blake3.leafByteCount
        let fullCount = bytes.count / leafSize
        var done = 0
        while done < fullCount {
            let used = min(lanes, fullCount - done)
            let group = unsafe UnsafeRawBufferPointer(
                rebasing: bytes[(done * leafSize)..<((done + used) * leafSize)])
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[(fullCount * leafSize)...])
            if used < lanes, rest.count > 0 {
                unsafe leavesWithTail(group, rest, at: done, counter: firstLeaf + UInt64(done))
                count = fullCount + 1
                return
            }
            unsafe leaves(group, at: done, counter: firstLeaf + UInt64(done))
            done += used
        }
        count = fullCount
        if bytes.count > fullCount * leafSize {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[(fullCount * leafSize)...])
            unsafe nodes[fullCount] = Blake3.leaf(
                rest, start: start, counter: firstLeaf + UInt64(fullCount))
            count += 1
        }
    }

    /// Replaces the level by its parents, in place: a call reads all of its nodes before it
    /// writes, and writes no further than it has read, except over the odd node.
    mutating func pair() {
        let pairs = count / 2
        let odd = unsafe nodes[count - 1]
        var done = 0
        while done < pairs {
            let used = min(lanes, pairs - done)
            let children = unsafe UnsafeRawBufferPointer(
                UnsafeMutableBufferPointer(rebasing: nodes[(2 * done)..<(2 * (done + used))]))
            unsafe run(
                children, blocks: 1, at: done, counter: 0, counterStep: 0,
                flags: start.flags | Blake3.Flags.parent, firstFlags: 0, lastFlags: 0)
            done += used
        }
        if count % 2 == 1 { unsafe nodes[pairs] = odd }
        count = pairs + count % 2
    }

    /// Compresses at most as many full leaves as there are lanes.
    private func leaves(_ bytes: UnsafeRawBufferPointer, at index: Int, counter: UInt64) {
        unsafe run(
            bytes, blocks: Blake3.leafByteCount / Blake3.blockByteCount, at: index,
            counter: counter, counterStep: 1, flags: start.flags,
            firstFlags: Blake3.Flags.leafStart, lastFlags: Blake3.Flags.leafEnd)
    }

    /// Compresses fewer full leaves than lanes, and in the next lane the short leaf after them.
    ///
    /// The lane of the short leaf runs over zeros to the end; its chaining value is taken after
    /// the last block but one, and the last one, with its length and flag, follows by itself.
    private func leavesWithTail(
        _ bytes: UnsafeRawBufferPointer, _ tail: UnsafeRawBufferPointer, at index: Int,
        counter: UInt64
    ) {
        let leafSize = Blake3.leafByteCount
        let used = bytes.count / leafSize
        let tailBlocks = (tail.count - 1) / Blake3.blockByteCount
        var chain = start.chain
        unsafe withUnsafeTemporaryAllocation(byteCount: leafSize, alignment: 64) { padded in
            unsafe padded.initializeMemory(as: UInt8.self, repeating: 0)
            unsafe padded.copyMemory(from: tail)
            unsafe run(
                bytes, extra: UnsafeRawPointer(padded.baseAddress),
                blocks: leafSize / Blake3.blockByteCount, at: index, counter: counter,
                counterStep: 1, flags: start.flags, firstFlags: Blake3.Flags.leafStart,
                lastFlags: Blake3.Flags.leafEnd, tailBlocks: tailBlocks, tailChain: &chain)
        }
        var flags = start.flags | Blake3.Flags.leafEnd
        if tailBlocks == 0 { flags |= Blake3.Flags.leafStart }
        let rest = unsafe UnsafeRawBufferPointer(
            rebasing: tail[(tailBlocks * Blake3.blockByteCount)...])
        unsafe nodes[index + used] = Blake3.lastBlock(
            rest, chain: chain, counter: counter + UInt64(used), flags: flags)
    }

    /// One call of the lanes: inputs of equal length that lie one after the other in `bytes`,
    /// then `extra` if given; lanes left over repeat the last one, and what they give is
    /// written after the results and not used.
    private func run(
        _ bytes: UnsafeRawBufferPointer, extra: UnsafeRawPointer? = nil, blocks: Int,
        at index: Int, counter: UInt64, counterStep: UInt64, flags: UInt32, firstFlags: UInt32,
        lastFlags: UInt32, tailBlocks: Int = 0,
        tailChain: UnsafeMutablePointer<SIMD8<UInt32>>? = nil
    ) {
        let inputSize = blocks * Blake3.blockByteCount
        let inputCount = bytes.count / inputSize
        guard let base = bytes.baseAddress else { return }
        unsafe withUnsafeTemporaryAllocation(of: UnsafePointer<UInt8>?.self, capacity: lanes) {
            for lane in 0..<lanes {
                let input =
                    if lane < inputCount {
                        unsafe base + lane * inputSize
                    } else {
                        unsafe extra ?? base + (inputCount - 1) * inputSize
                    }
                unsafe $0[lane] = input.assumingMemoryBound(to: UInt8.self)
            }
            let inputs = $0.baseAddress
            var key = start.chain
            unsafe withUnsafePointer(to: &key) { key in
                unsafe modelfs_blake3_lanes(
                    CInt(lanes), inputs, blocks,
                    UnsafeRawPointer(key).assumingMemoryBound(to: UInt32.self), counter,
                    counterStep, flags, firstFlags, lastFlags,
                    words(nodes.baseAddress.map { unsafe $0 + index }), inputCount, tailBlocks,
                    words(tailChain))
            }
        }
    }

    /// A vector's memory as the words that C sees.
    private func words(
        _ vector: UnsafeMutablePointer<SIMD8<UInt32>>?
    ) -> UnsafeMutablePointer<UInt32>? {
        unsafe UnsafeMutableRawPointer(vector)?.assumingMemoryBound(to: UInt32.self)
    }
}
