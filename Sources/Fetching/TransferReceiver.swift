// The end of a transfer on our side: bytes become blocks, and blocks go to a fill thread.
//
// It runs on the transfer thread, which all transfers share, or on a "xet" thread, so it does
// nothing but copy. Bytes come in any order, each once; a block is handed on when all of it is
// there. When too much has come that is not yet stored, it lets its transfer pause.

internal import Catalog
internal import ChunkStore
internal import HubAPI
internal import Platform
internal import Transport

/// Receives one attempt of one transfer.
final class TransferReceiver: ContentSink {
    /// A block of which a part is here.
    private struct Part {
        let buffer: BlockBuffer
        var byteCount = 0
    }

    private struct State {
        var fetch: FetchID?
        var isPaused = false
        var hasBegun = false
        /// The next byte, where they come in order.
        var position: Int64
        /// By where they begin, or the transfer where that is later.
        var parts: [Int64: Part] = [:]
        /// All that came, of a content that is proven before it is stored.
        var whole: [UInt8] = []

        /// Whether these are the first bytes that come.
        mutating func begin() -> Bool {
            defer { hasBegun = true }
            return !hasBegun
        }
    }

    private let fetcher: ContentFetcher
    private let content: ContentID
    private let number: ContentPlan.TransferNumber
    private let range: Range<Int64>
    private let isWhole: Bool
    private let state: Lock<State>

    init(
        fetcher: ContentFetcher, content: ContentID, number: ContentPlan.TransferNumber,
        range: Range<Int64>, isWhole: Bool
    ) {
        self.fetcher = fetcher
        self.content = content
        self.number = number
        self.range = range
        self.isWhole = isWhole
        state = Lock(
            State(
                position: range.lowerBound,
                whole: isWhole ? [UInt8](repeating: 0, count: range.count) : []))
    }

    /// The fetch has its name now; it may have paused before.
    func begin(_ fetch: FetchID) {
        let isPaused = state.withLock { state in
            state.fetch = fetch
            return state.isPaused
        }
        if isPaused { fetcher.pending.wait(self, fetcher.hub) }
    }

    /// Room has been made.
    func resume(_ hub: HubClient) {
        let fetch = state.withLock { state in
            state.isPaused = false
            return state.fetch
        }
        if let fetch { hub.resume(fetch) }
    }

    /// Bytes come over the network.
    func noteBeginning() {
        if state.withLock({ $0.begin() }) { fetcher.noteBeginning(content, number) }
    }

    func contentDidReceive(_ bytes: UnsafeRawBufferPointer) -> TransferDirective {
        let (isFirst, position) = state.withLock { state in
            (state.begin(), state.position)
        }
        if isFirst { fetcher.noteBeginning(content, number) }
        let directive = unsafe receive(bytes, at: position)
        if directive == .proceed { state.withLock { $0.position += Int64(bytes.count) } }
        return directive
    }

    /// Takes bytes of the range that have not come before.
    func receive(_ bytes: UnsafeRawBufferPointer, at offset: Int64) -> TransferDirective {
        if fetcher.pending.isFull {
            let isNamed = state.withLock { state in
                state.isPaused = true
                return state.fetch != nil
            }
            if isNamed { fetcher.pending.wait(self, fetcher.hub) }
            return .pause
        }
        for item in unsafe fill(bytes, at: offset) { fetcher.hand(item, number) }
        return .proceed
    }

    func contentDidFinish(_ result: Result<Void, HubError>) {
        if case .success = result, isWhole {
            let bytes = state.withLock { state in
                defer { state.whole = [] }
                return state.whole
            }
            fetcher.pending.add(bytes.count)
            return fetcher.hand(.whole(content, number, bytes), number)
        }
        for part in state.withLock({ $0.parts.values.map(\.buffer) }) { fetcher.blocks.give(part) }
        state.withLock { $0.parts = [:] }
        fetcher.hand(.end(content, number, result), number)
    }

    /// Adds bytes to their blocks; returns the blocks that became full.
    private func fill(_ bytes: UnsafeRawBufferPointer, at offset: Int64) -> [ContentFetcher.Work] {
        state.withLock { state in
            if isWhole {
                let start = Int(offset - range.lowerBound)
                state.whole.replaceSubrange(
                    start..<start + bytes.count, with: unsafe Array(bytes))
                return []
            }
            var full: [ContentFetcher.Work] = []
            var position = offset
            while position < offset + Int64(bytes.count) {
                let block = block(at: position)
                let end = min(block.upperBound, offset + Int64(bytes.count))
                var part =
                    state.parts.removeValue(forKey: block.lowerBound)
                    ?? Part(buffer: fetcher.blocks.take())
                unsafe copy(
                    bytes[Int(position - offset)..<Int(end - offset)],
                    to: part.buffer, from: Int(position - block.lowerBound))
                part.byteCount += Int(end - position)
                if part.byteCount == block.count {
                    fetcher.pending.add(block.count)
                    full.append(.block(content, number, block, part.buffer))
                } else {
                    state.parts[block.lowerBound] = part
                }
                position = end
            }
            return full
        }
    }

    private func copy(_ bytes: Slice<UnsafeRawBufferPointer>, to buffer: BlockBuffer, from: Int) {
        let target = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer.bytes[from..<from + bytes.count])
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes))
    }

    /// The block with a byte, cut to the transfer.
    private func block(at position: Int64) -> Range<Int64> {
        let each = Int64(ChunkStore.blockByteCount)
        let start = position / each * each
        return max(start, range.lowerBound)..<min(start + each, range.upperBound)
    }
}

/// Counts the bytes that have come and are not stored, and those who wait for fewer.
final class PendingBytes: Sendable {
    private struct State {
        var byteCount = 0
        var waiting: [TransferReceiver] = []
    }

    private let limitByteCount: Int
    private let state = Lock(State())

    init(limitByteCount: Int) {
        self.limitByteCount = limitByteCount
    }

    var isFull: Bool { state.withLock { $0.byteCount >= limitByteCount } }

    func add(_ byteCount: Int) {
        state.withLock { $0.byteCount += byteCount }
    }

    /// Has the receiver resumed when there is room; at once if there is by now.
    func wait(_ receiver: TransferReceiver, _ hub: HubClient) {
        let hasRoom = state.withLock { state in
            if state.byteCount * 2 < limitByteCount { return true }
            state.waiting.append(receiver)
            return false
        }
        if hasRoom { receiver.resume(hub) }
    }

    /// Bytes were stored; below half of the limit everyone goes on.
    func remove(_ byteCount: Int, _ hub: HubClient) {
        let resumed = state.withLock { state -> [TransferReceiver] in
            state.byteCount -= byteCount
            if state.byteCount * 2 >= limitByteCount { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for receiver in resumed { receiver.resume(hub) }
    }
}
