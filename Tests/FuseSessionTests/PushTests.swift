// What is pushed, in which order and how much of it: windows, gaps, queues, budgets.

import Catalog
import Platform
import TestSupport
import Testing

@testable import FuseSession

private let mib: Int64 = 1 << 20
private let node = NodeID.file(ContentID(row: 1), epoch: 1)
private let other = NodeID.file(ContentID(row: 2), epoch: 1)

private func instant(_ seconds: Double) -> MonotonicInstant {
    MonotonicInstant(nanoseconds: 1) + seconds
}

@Suite struct ReadStreamTests {
    private var streams = ReadStreams()
    private let size = 1 << 30 as Int64

    /// The READs of a reader that goes from `start` to `end`, and what they lead to.
    private mutating func go(_ start: Int64, _ end: Int64) -> [Range<Int64>] {
        var extents: [Range<Int64>] = []
        for offset in stride(from: start, to: end, by: Int(mib)) {
            extents += streams.read(node, offset..<min(offset + mib, end), sizeBytes: size)
        }
        return extents
    }

    @Test mutating func aReaderInOrderGetsAWindowWithAGap() {
        #expect(go(0, 3 * mib) == [])
        let first = go(3 * mib, 4 * mib)
        let gap = 10 * mib
        let block = ReadStreams.gapByteCount
        #expect(first == [6 * mib..<gap, gap + block..<14 * mib])
        #expect(go(4 * mib, 6 * mib) == [], "the kernel's own readahead is no sign")
        let second = streams.read(node, gap..<gap + block, sizeBytes: size)
        #expect(second == [14 * mib..<22 * mib, 22 * mib + block..<30 * mib], "twice as long")
    }

    @Test mutating func windowsGrowToTheirLimitAndEndWithTheContent() {
        var extents = go(0, 4 * mib)
        var longest: Int64 = 0
        while let last = extents.last, last.upperBound < size {
            longest = max(longest, last.upperBound - extents[0].lowerBound)
            let gap = extents[0].upperBound
            extents = streams.read(node, gap..<last.lowerBound, sizeBytes: size)
            #expect(extents.first?.lowerBound == last.upperBound, "nothing is left out")
        }
        #expect(longest == ReadStreams.windowByteCountMax)
        #expect(extents.last?.upperBound == size)
        #expect(go(size - 2 * mib, size) == [])
    }

    @Test mutating func jumpsPushNothing() {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<1_000 {
            let offset = Int64(random.next() % UInt64(size >> 12)) << 12
            let range = offset..<min(size, offset + 4096)
            #expect(streams.read(node, range, sizeBytes: size) == [])
        }
    }

    @Test mutating func readersThatTakeTurnsAreTwoStreams() {
        var found: [Range<Int64>] = []
        for step in 0..<4 {
            for start in [0, 512 * mib] {
                found += streams.read(
                    node, start + Int64(step) * mib..<start + Int64(step + 1) * mib,
                    sizeBytes: size)
            }
        }
        #expect(found.map(\.lowerBound).contains(6 * mib))
        #expect(found.map(\.lowerBound).contains(518 * mib))
    }
}

@Suite struct PushQueueTests {
    private var queue = PushQueue()

    private mutating func drain() -> [PushQueue.Piece] {
        var pieces: [PushQueue.Piece] = []
        while let piece = queue.next() { pieces.append(piece) }
        return pieces
    }

    @Test mutating func piecesEndAtWholeNumbersAndReadersComeFirst() {
        queue.add(other, [5..<10], isUrgent: false)
        queue.add(node, [mib / 2..<2 * mib + 3, 0..<0, 0..<4], isUrgent: true)
        #expect(
            drain() == [
                .init(node: node, range: mib / 2..<mib), .init(node: node, range: mib..<2 * mib),
                .init(node: node, range: 2 * mib..<2 * mib + 3), .init(node: node, range: 0..<4),
                .init(node: other, range: 5..<10),
            ])
    }

    @Test mutating func whatAReaderHasPassedOrComesToNextIsSkipped() {
        queue.add(node, [0..<mib, mib..<9 * mib, 20 * mib..<21 * mib], isUrgent: true)
        queue.add(other, [mib..<2 * mib], isUrgent: true)
        queue.skip(node, mib / 2..<3 * mib / 2)
        #expect(
            drain().map(\.range.lowerBound) == [11 * mib / 2] + (6..<9).map { $0 * mib } + [
                20 * mib, mib,
            ])
    }

    @Test mutating func ofAPlanOnlyWhatWasReadIsLeftOut() {
        queue.add(node, [10 * mib..<18 * mib, 0..<8 * mib], isUrgent: false)
        queue.add(other, [0..<mib], isUrgent: false)
        #expect(queue.hasPlan(node) && queue.hasPlan(other))
        queue.skip(node, 12 * mib..<13 * mib)
        queue.skip(node, 0..<mib)
        #expect(
            drain().map(\.range) == [
                10 * mib..<11 * mib, 11 * mib..<12 * mib, 17 * mib..<18 * mib, 5 * mib..<6 * mib,
                6 * mib..<7 * mib, 7 * mib..<8 * mib, 0..<mib,
            ])
        #expect(!queue.hasPlan(node))
    }

    @Test mutating func aPlanBeginsBehindWhatItsReaderIsAt() {
        queue.add(other, [0..<mib], isUrgent: false)
        queue.plan(node, [8 * mib..<9 * mib, 0..<7 * mib], reading: 0..<mib)
        #expect(
            drain() == [
                .init(node: other, range: 0..<mib), .init(node: node, range: 8 * mib..<9 * mib),
                .init(node: node, range: 5 * mib..<6 * mib),
                .init(node: node, range: 6 * mib..<7 * mib),
            ])
    }

    @Test mutating func whatIsCancelledIsGoneAndTheQueueIsBounded() {
        queue.add(node, [0..<1], isUrgent: true)
        queue.add(node, [1..<2], isUrgent: false)
        queue.add(other, [2..<3], isUrgent: false)
        queue.cancel(node)
        #expect(drain().map(\.node) == [other])
        queue.add(node, (0..<10_000).map { $0..<$0 + 1 }, isUrgent: false)
        #expect(drain().count == PushQueue.extentCountMax)
    }
}

@Suite struct PushBudgetTests {
    private let small = MemoryRoom(totalByteCount: 128 * mib, availableByteCount: 100 * mib)
    private let large = MemoryRoom(totalByteCount: 64 << 30, availableByteCount: 32 << 30)
    private var budget = PushBudget()

    private mutating func pushAll(_ rooms: [MemoryRoom], from seconds: Double) -> Int64 {
        var count: Int64 = 0
        for step in 0..<100_000 {
            let now = instant(seconds + Double(step) / 1e5)
            if budget.needsMeasure(at: now) { budget.measure(rooms, at: now) }
            if !budget.take(mib, at: now) { break }
            count += 1
        }
        return count
    }

    @Test mutating func theTightestRoomDecides() {
        // 100 MiB, less an eighth of 128.
        #expect(pushAll([large, small], from: 0) == 84)
        #expect(pushAll([large, small], from: 5) == 0, "what was pushed is still wanted")
        #expect(pushAll([large, small], from: 60) == 84, "and is old after a pause")
    }

    @Test mutating func shortMemoryStopsIt() {
        #expect(pushAll([], from: 0) == 0, "nothing is known")
        #expect(pushAll([large], from: 2) == (32 << 10) - 1024)
        let short = MemoryRoom(totalByteCount: 64 << 30, availableByteCount: 1 << 30)
        #expect(pushAll([large, short], from: 100) == 0)
    }
}
