// The plan for one content: which bytes readers wait for, which are under way, what comes next.
//
// A pure state machine. It is told of reads, of arrivals, of failures and of the time, and returns
// what is to be done; `ContentFetcher` does it. It never looks at a clock, a file or a socket.
//
// Every byte is under way at most once, however many readers ask. Reads that follow each other
// open a window ahead of the reader, which is some times as long as what was read in order, up to
// `windowByteCountMax`; a reader elsewhere starts a window of its own, so several readers of one
// file are several streams.

package import Platform

/// The reads and transfers of one content.
package struct ContentPlan: Sendable {
    /// A transfer under way, known by a number of the plan's own.
    package typealias TransferNumber = Int
    /// A reader that waits.
    package typealias WaiterID = UInt64

    /// What the owner of the plan has to do.
    package enum Action: Equatable, Sendable {
        /// Fetch these bytes; `isUrgent` when a reader waits for some of them.
        case start(TransferNumber, Range<Int64>, isUrgent: Bool)
        /// A reader now waits for bytes of this transfer.
        case promote(TransferNumber)
        /// All bytes of these readers are there.
        case wake([WaiterID])
    }

    private struct Transfer {
        let range: Range<Int64>
        /// What of it has not come; its parts come in any order.
        var missing: RangeSet
        var isUrgent: Bool
        var attempts: Int
    }

    private struct Stream {
        /// Where the next read of this stream begins.
        var next: Int64
        /// How much was read in order; what was skipped does not count.
        var readByteCount: Int64
        /// A count of the plan's reads at its last use; the stalest makes room for a new one.
        var lastUse: UInt64

        /// How far from here a read may be and still belong to it.
        var skipByteCount: Int64 {
            min(
                max(readByteCount * ContentPlan.skipGrowth, ContentPlan.touchByteCount),
                ContentPlan.skipByteCountMax)
        }
    }

    private struct Window {
        /// Cut at the end of the content.
        var range: Range<Int64>
        /// How long it would be if the content did not end.
        var fullByteCount: Int64
    }

    /// The content's length in bytes.
    package let sizeBytes: Int64
    /// Whether more is fetched than what readers ask for.
    package var readsAhead: Bool
    /// Whether all that is missing is fetched, a window at a time, until the content is whole.
    private var completes = false
    /// Whether readers wait for a proof of the whole, besides their bytes.
    private var awaitsProof = false
    private let unitByteCount: Int64
    /// The window of the very first read, if that is at the beginning.
    private let openingByteCount: Int64
    /// How much is on its way ahead of several readers together.
    private(set) var sharedByteCount: Int64
    /// The transfers that the first read has begun have numbers up to this.
    private var openingTransferMax = 0
    /// What is stored, as far as the plan was told.
    private var present: RangeSet
    private var waiters: [WaiterID: Range<Int64>] = [:]
    private var transfers: [TransferNumber: Transfer] = [:]
    private var underWay = RangeSet()
    private var streams: [Stream] = []
    /// Reads since the last one that belonged to a stream.
    private var loneReadCount = 0
    private var nextTransfer = 1
    /// Where the last read ended: the rest goes on from there.
    private var lastReadEnd: Int64 = 0
    /// What was read before in this order, and is fetched first of what nobody waits for.
    private var order: [Range<Int64>] = []
    private var readCount: UInt64 = 0

    /// Ahead of a reader that goes in order: eight transfers at full length.
    ///
    /// Transfers share the bandwidth, so the ones that follow the reader's are nearly done when
    /// his is. With one more begun whenever he has used one up, some are always on their way: at
    /// 200 MB/s a transfer lasts 80 ms, and a new one needs two round trips of 30 ms.
    package static let windowByteCountMax: Int64 = 128 << 20
    /// The window at the beginning of a file, whose first read is most likely the first of many
    /// in order: so much is on its way for 20 ms at 200 MB/s.
    package static let windowByteCountMin: Int64 = 4 << 20
    /// The same of a file that is likely a weight file, of which all is wanted: the first tensor is
    /// on its way together with the directory that says where it is.
    package static let openingByteCountMax: Int64 = 64 << 20
    /// Ahead of all readers of a file together, when there are several, however much the line holds
    /// (`LinePace`).
    ///
    /// What is on its way for one delays what another one comes to want: 48 MiB by a quarter of a
    /// second at 200 MB/s, where a window of 128 MiB for each of 16 readers is the whole file.
    package static let sharedByteCountMax: Int64 = 48 << 20
    /// The same through Xet, where bytes are asked for two round trips before they come.
    package static let sharedByteCountMaxInXet: Int64 = 96 << 20
    /// The shortest length that transfers are cut to: what the kernel asks for at once.
    package static let transferByteCountMin: Int64 = 1 << 20
    /// A stream counts as a reader's as long as it was used within so many reads.
    static let liveReadCount: UInt64 = 32
    /// What a single read elsewhere fetches at least: a few chunks, so that the read next to it
    /// asks for nothing.
    package static let touchByteCount: Int64 = 256 << 10
    /// A first read that is long brings as much again with it, and more, up to this: the kernel
    /// asks for more than a page where it expects to be asked for the rest, and what it asks for
    /// next would be a request of its own.
    private static let touchWindowByteCountMax: Int64 = 1 << 20
    private static let touchGrowth: Int64 = 4
    /// A window is so many times what its reader has read in order, so whoever ends early has
    /// asked for no more than that for nothing.
    ///
    /// The kernel's first reads are of 128, 256 and 512 KiB: they open 4, 8 and 16 MiB, so over
    /// 30 ms a reader waits no more than once for his window to open.
    package static let windowGrowth: Int64 = 32
    /// A transfer's longest range: long enough to hide its round trips many times over, short
    /// enough that a reader who waits for its end does not wait long.
    package static let transferByteCountMax: Int64 = 16 << 20
    /// How far a read may skip and still belong to its stream: so many times what was read in
    /// order, up to this.
    ///
    /// The kernel's READs of one readahead come in any order. Who has read a page and then reads
    /// another one some MiB away does not read in order.
    package static let skipByteCountMax: Int64 = 4 << 20
    private static let skipGrowth: Int64 = 4
    private static let streamCountMax = 16
    /// After so many reads in a row that followed no other, a read brings nothing with it.
    ///
    /// Who reads here and there makes no use of it, and over a network it is what bounds him.
    package static let loneReadCountMax = 8

    /// - Parameters:
    ///   - sizeBytes: the content's length.
    ///   - unitByteCount: transfers begin at a multiple of it, and end at one or at the end.
    ///   - present: what is stored already; a part of a unit counts as nothing.
    ///   - readsAhead: whether more is fetched than what readers ask for.
    ///   - openingByteCount: the window of the very first read, if that is at the beginning.
    ///   - sharedByteCount: how much is on its way ahead of several readers together.
    package init(
        sizeBytes: Int64, unitByteCount: Int64, present: RangeSet, readsAhead: Bool = true,
        openingByteCount: Int64 = windowByteCountMin, sharedByteCount: Int64 = sharedByteCountMax
    ) {
        self.sizeBytes = sizeBytes
        self.openingByteCount = openingByteCount
        self.sharedByteCount = sharedByteCount
        self.unitByteCount = unitByteCount
        self.present = present
        self.readsAhead = readsAhead
        for gap in present.gaps(in: 0..<sizeBytes) { self.present.remove(units(covering: gap)) }
    }

    /// Nobody waits and nothing is under way: the plan can be forgotten without loss of work.
    package var isIdle: Bool { waiters.isEmpty && transfers.isEmpty }

    /// Whether somebody waits for the whole, and nothing more is to come: it is there, or parts
    /// of it have gone again.
    package var awaitsNothing: Bool { awaitsProof && !waiters.isEmpty && transfers.isEmpty }

    /// Bytes that are still to come from transfers under way.
    package var underWayByteCount: Int64 { underWay.byteCount }

    /// The number of readers that wait.
    package var waiterCount: Int { waiters.count }

    /// Whether a transfer is one of those that the first read has begun.
    package func isOpening(_ number: TransferNumber) -> Bool { number <= openingTransferMax }

    /// Streams that were used lately, at least 1.
    private var liveStreamCount: Int64 {
        let since = readCount - min(readCount, ContentPlan.liveReadCount)
        return Int64(max(1, streams.count { $0.lastUse > since }))
    }

    /// How long a window may be: several readers share what is on its way.
    private var windowByteCountLimit: Int64 {
        let count = liveStreamCount
        return count == 1
            ? ContentPlan.windowByteCountMax : sharedByteCount / count
    }

    /// How long a transfer may be, a multiple of the unit: who comes to its middle waits for what
    /// is before that, at his share of the line.
    private var transferByteCountLimit: Int64 {
        let limit = min(
            max(windowByteCountLimit / 2, ContentPlan.transferByteCountMin),
            ContentPlan.transferByteCountMax)
        return max(limit / unitByteCount, 1) * unitByteCount
    }

    /// A reader wants `range`, and the store could not serve it.
    package mutating func read(_ range: Range<Int64>, waiter: WaiterID) -> [Action] {
        precondition(range.upperBound <= sizeBytes, "reads are cut at the end of the content")
        lastReadEnd = range.upperBound
        waiters[waiter] = range
        let missing = present.gaps(in: range)
        var actions = promoteTransfers(overlapping: missing)
        let window = advanceStream(range)
        if missing.contains(where: { !underWay.gaps(in: $0).isEmpty }) {
            // What is missing and what comes after it are one request where they touch.
            let end = max(range.upperBound, window?.range.upperBound ?? 0)
            for gap in present.gaps(in: range.lowerBound..<end) {
                actions += start(gap, wanted: missing)
            }
        } else if let window {
            actions += fill(window)
        }
        if readCount == 1 { openingTransferMax = nextTransfer - 1 }
        // The bytes may have arrived between the reader's look at the store and now.
        if missing.isEmpty { actions += wakeSatisfied() }
        return actions
    }

    /// A reader wants bytes that are served only when the whole was proven: it waits for all of it.
    package mutating func readProven(waiter: WaiterID) -> [Action] {
        let whole = 0..<sizeBytes
        waiters[waiter] = whole
        awaitsProof = true
        return promoteTransfers(overlapping: [whole]) + complete()
    }

    /// The whole was proven: who waits for that is served.
    package mutating func proven() -> [Action] {
        awaitsProof = false
        return wakeSatisfied()
    }

    /// Has all that is missing fetched.
    package mutating func complete() -> [Action] {
        completes = true
        return topUp()
    }

    /// Keeps as much under way as a window ahead of a reader has.
    private mutating func topUp() -> [Action] {
        if !completes { return [] }
        var actions: [Action] = []
        let wanted = Array(waiters.values)
        for gap in present.gaps(in: 0..<sizeBytes).flatMap({ underWay.gaps(in: $0) }) {
            let room = ContentPlan.windowByteCountMax - underWay.byteCount
            if room <= 0 { return actions }
            let end = min(gap.upperBound, gap.lowerBound + room)
            actions += start(gap.lowerBound..<end, wanted: wanted)
        }
        if transfers.isEmpty { completes = false }
        return actions
    }

    /// A read was answered from the store; keeps the window ahead of its stream filled.
    package mutating func readHit(_ range: Range<Int64>) -> [Action] {
        lastReadEnd = range.upperBound
        guard let window = advanceStream(range) else { return [] }
        return fill(window)
    }

    /// How much is to be on its way ahead of several readers together, from now on.
    package mutating func share(_ byteCount: Int64) {
        sharedByteCount = byteCount
    }

    /// What is fetched first of what nobody waits for.
    package mutating func setOrder(_ ranges: [Range<Int64>]) {
        order = ranges.map { $0.clamped(to: 0..<sizeBytes) }
    }

    /// Begins one transfer of what nobody waits for: in the order that was set, and then, if all
    /// of it is wanted, on from the last read to the end, and from the beginning.
    ///
    /// - Returns: nil when all is there or under way, or enough for several readers is: then the
    ///   end of something that is under way is the time to ask again.
    package mutating func startRest(wantsAll: Bool = true) -> Action? {
        if hasEnoughUnderWay { return nil }
        while let part = order.first {
            if let action = startFirst(of: part) { return action }
            // What is under way may fail; then who reads it asks for it.
            order.removeFirst()
        }
        if !wantsAll { return nil }
        let middle = min(lastReadEnd, sizeBytes)
        return startFirst(of: middle..<sizeBytes) ?? startFirst(of: 0..<middle)
    }

    /// Whether several readers share what is under way, and it is as much as they may.
    package var hasEnoughUnderWay: Bool {
        liveStreamCount > 1 && underWay.byteCount >= sharedByteCount
    }

    private mutating func startFirst(of part: Range<Int64>) -> Action? {
        for gap in present.gaps(in: part).flatMap({ underWay.gaps(in: $0) }) {
            // A gap that begins within a unit belongs to one that is there or under way.
            let end = min(gap.lowerBound + transferByteCountLimit, gap.upperBound)
            if let action = start(gap.lowerBound..<end, wanted: []).first { return action }
        }
        return nil
    }

    /// A reader gave up.
    ///
    /// Its transfers go on: the bytes are likely wanted again.
    ///
    /// - Returns: what it waited for.
    @discardableResult
    package mutating func cancel(_ waiter: WaiterID) -> Range<Int64>? {
        waiters.removeValue(forKey: waiter)
    }

    /// Bytes of a transfer were stored.
    ///
    /// Those of one transfer come in any order, each once; what comes late, of one that was given
    /// up, may be under way again and stays so.
    package mutating func arrived(_ number: TransferNumber, _ range: Range<Int64>) -> [Action] {
        present.insert(range)
        if var transfer = transfers[number] {
            underWay.remove(range.clamped(to: transfer.range))
            transfer.missing.remove(range)
            // Progress: what comes next may fail as often as the first part might have.
            transfer.attempts = 0
            transfers[number] = transfer
        }
        return wakeSatisfied()
    }

    /// A transfer ended with all of its bytes.
    package mutating func finished(_ number: TransferNumber) -> [Action] {
        guard let transfer = transfers.removeValue(forKey: number) else { return [] }
        for gap in transfer.missing.ranges { underWay.remove(gap) }
        // Nothing should be left. If something is, nobody may wait for it in vain.
        return (transfer.missing.isEmpty ? [] : startForWaiters()) + topUp()
    }

    /// What a transfer still has to bring, as one range; nil when it has ended.
    package func remaining(of number: TransferNumber) -> Range<Int64>? {
        transfers[number].map(ContentPlan.remaining)
    }

    private static func remaining(of transfer: Transfer) -> Range<Int64> {
        let end = transfer.range.upperBound
        let missing = transfer.missing.ranges
        return (missing.first?.lowerBound ?? end)..<(missing.last?.upperBound ?? end)
    }

    /// Stored bytes turned out wrong or were evicted; who waits for them is served anew.
    ///
    /// What is left of their units is lost with them: a content that is proven before it is served
    /// is one unit, and a part of it proves nothing.
    package mutating func lost(_ range: Range<Int64>) -> [Action] {
        present.remove(units(covering: range))
        return startForWaiters()
    }

    private mutating func startForWaiters() -> [Action] {
        if awaitsProof { return waiters.isEmpty ? [] : complete() }
        var actions: [Action] = []
        for wanted in waiters.values.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            for gap in present.gaps(in: wanted) { actions += start(gap, wanted: [gap]) }
        }
        return actions
    }

    /// What a failed transfer still has to bring, and how often it was tried without progress.
    package mutating func failed(
        _ number: TransferNumber
    ) -> (remaining: Range<Int64>, attempts: Int, hasWaiters: Bool)? {
        guard var transfer = transfers[number] else { return nil }
        transfer.attempts += 1
        transfers[number] = transfer
        let hasWaiters = waiters.values.contains { transfer.missing.intersects($0) }
        return (ContentPlan.remaining(of: transfer), transfer.attempts, hasWaiters)
    }

    /// A transfer is given up; its bytes may be asked for again.
    ///
    /// - Returns: the readers whose bytes will not come; they are told by the caller.
    package mutating func abandoned(_ number: TransferNumber) -> [WaiterID] {
        guard let transfer = transfers.removeValue(forKey: number) else { return [] }
        for gap in transfer.missing.ranges { underWay.remove(gap) }
        // What comes next would fail likewise; the next reader begins anew.
        completes = false
        let failed = waiters.filter { transfer.missing.intersects($0.value) }.keys.sorted()
        for waiter in failed { waiters[waiter] = nil }
        return failed
    }

    /// The content cannot be had: its readers are told by the caller.
    package mutating func dismissWaiters() -> [WaiterID] {
        completes = false
        defer { waiters = [:] }
        return waiters.keys.sorted()
    }

    private mutating func wakeSatisfied() -> [Action] {
        if awaitsProof { return [] }
        let ready = waiters.filter { present.gaps(in: $0.value).isEmpty }.keys.sorted()
        for waiter in ready { waiters[waiter] = nil }
        return ready.isEmpty ? [] : [.wake(ready)]
    }

    /// Fills the window ahead of a stream, but only when a transfer's length of it has been used
    /// up, or half of it: a step with every read would make a request for every read.
    private mutating func fill(_ window: Window) -> [Action] {
        let gaps = present.gaps(in: window.range).flatMap { underWay.gaps(in: $0) }
        let most = transferByteCountLimit
        let step = min(most, window.fullByteCount / 2)
        guard let first = gaps.first,
            first.lowerBound - window.range.lowerBound <= window.fullByteCount - step
        else { return [] }
        return gaps.flatMap { gap in
            // Whole transfers: what is left over comes with the next ones.
            let isLast = gap.upperBound == sizeBytes || gap.count < most
            let end = isLast ? gap.upperBound : gap.lowerBound + Int64(gap.count) / most * most
            return start(gap.lowerBound..<end, wanted: [])
        }
    }

    private mutating func promoteTransfers(overlapping ranges: [Range<Int64>]) -> [Action] {
        var actions: [Action] = []
        for number in transfers.keys.sorted() {
            guard let transfer = transfers[number], !transfer.isUrgent,
                ranges.contains(where: { transfer.missing.intersects($0) })
            else { continue }
            transfers[number]?.isUrgent = true
            actions.append(.promote(number))
        }
        return actions
    }

    /// Starts transfers for what of `range` is not under way, rounded out to whole units; those
    /// that bring some of `wanted` are urgent.
    private mutating func start(_ range: Range<Int64>, wanted: [Range<Int64>]) -> [Action] {
        var actions: [Action] = []
        let most = transferByteCountLimit
        for gap in underWay.gaps(in: units(covering: range)).flatMap({ present.gaps(in: $0) }) {
            var position = gap.lowerBound
            while position < gap.upperBound {
                let end = min(position + most, gap.upperBound)
                let number = nextTransfer
                nextTransfer += 1
                let isUrgent = wanted.contains { $0.overlaps(position..<end) }
                var missing = RangeSet()
                missing.insert(position..<end)
                transfers[number] = Transfer(
                    range: position..<end, missing: missing, isUrgent: isUrgent, attempts: 0)
                underWay.insert(position..<end)
                actions.append(.start(number, position..<end, isUrgent: isUrgent))
                position = end
            }
        }
        return actions
    }

    private func units(covering range: Range<Int64>) -> Range<Int64> {
        let lower = range.lowerBound / unitByteCount * unitByteCount
        let upper = (range.upperBound + unitByteCount - 1) / unitByteCount * unitByteCount
        return lower..<min(sizeBytes, upper)
    }

    /// Moves the stream that the read belongs to, or begins one.
    ///
    /// - Returns: what should be there or under way ahead of the reader; nil for nothing.
    private mutating func advanceStream(_ range: Range<Int64>) -> Window? {
        guard readsAhead else { return nil }
        readCount += 1
        let match = streams.firstIndex {
            range.lowerBound <= $0.next + $0.skipByteCount
                && range.upperBound + $0.skipByteCount >= $0.next
        }
        guard let index = match else {
            loneReadCount += 1
            if streams.count >= ContentPlan.streamCountMax,
                let stalest = streams.indices.min(by: {
                    streams[$0].lastUse < streams[$1].lastUse
                })
            {
                streams.remove(at: stalest)
            }
            streams.append(
                Stream(
                    next: range.upperBound, readByteCount: Int64(range.count),
                    lastUse: readCount))
            if range.lowerBound == 0 {
                return window(
                    from: 0, readCount == 1 ? openingByteCount : ContentPlan.windowByteCountMin)
            }
            if loneReadCount > ContentPlan.loneReadCountMax { return nil }
            return window(from: range.lowerBound, ContentPlan.touchWindow(of: range))
        }
        streams[index].lastUse = readCount
        // A read that waited comes once more, when its bytes are there.
        if range.upperBound <= streams[index].next { return nil }
        loneReadCount = 0
        let start = max(streams[index].next, range.lowerBound)
        streams[index].readByteCount += range.upperBound - start
        streams[index].next = range.upperBound
        let wanted = streams[index].readByteCount * ContentPlan.windowGrowth
        return window(
            from: streams[index].next,
            min(max(wanted, ContentPlan.touchByteCount), windowByteCountLimit))
    }

    /// How much a first read elsewhere brings.
    private static func touchWindow(of range: Range<Int64>) -> Int64 {
        let wanted = min(Int64(range.count) * touchGrowth, touchWindowByteCountMax)
        return max(wanted, touchByteCount)
    }

    private func window(from start: Int64, _ byteCount: Int64) -> Window? {
        if start >= sizeBytes { return nil }
        return Window(
            range: start..<min(start + byteCount, sizeBytes), fullByteCount: byteCount)
    }
}
