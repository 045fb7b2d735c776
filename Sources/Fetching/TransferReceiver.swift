// The end of a transfer on our side: bytes become blocks, and blocks go to a fill thread.
//
// It runs on the transfer thread, which all transfers share, so it does nothing but copy. When too
// much has come that is not yet stored, it lets its transfer pause.

internal import Catalog
internal import ChunkStore
internal import HubAPI
internal import Platform
internal import Transport

/// Receives one attempt of one transfer.
final class TransferReceiver: ContentSink {
    private struct State {
        var fetch: FetchID?
        var isPaused = false
        /// The bytes of the block that is being filled.
        var buffer: [UInt8] = []
        /// Where the block that is being filled begins.
        var start: Int64
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
        state = Lock(State(start: range.lowerBound))
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

    func contentDidReceive(_ bytes: UnsafeRawBufferPointer) -> TransferDirective {
        if fetcher.pending.isFull {
            let isNamed = state.withLock { state in
                state.isPaused = true
                return state.fetch != nil
            }
            if isNamed { fetcher.pending.wait(self, fetcher.hub) }
            return .pause
        }
        for item in unsafe fill(bytes) { fetcher.hand(item, number) }
        return .proceed
    }

    func contentDidFinish(_ result: Result<Void, HubError>) {
        if case .success = result, isWhole {
            let bytes = state.withLock { state in
                defer { state.buffer = [] }
                return state.buffer
            }
            fetcher.pending.add(bytes.count)
            return fetcher.hand(.whole(content, number, bytes), number)
        }
        fetcher.hand(.end(content, number, result), number)
    }

    /// Adds bytes to the block that is being filled; returns the blocks that became full.
    private func fill(_ bytes: UnsafeRawBufferPointer) -> [ContentFetcher.Work] {
        state.withLock { state in
            if isWhole {
                if state.buffer.isEmpty { state.buffer.reserveCapacity(range.count) }
                unsafe state.buffer.append(contentsOf: bytes)
                return []
            }
            var full: [ContentFetcher.Work] = []
            var rest = unsafe bytes[...]
            while unsafe !rest.isEmpty {
                let end = blockEnd(after: state.start)
                let wanted = Int(end - state.start) - state.buffer.count
                if state.buffer.isEmpty { state.buffer.reserveCapacity(wanted) }
                let part = unsafe rest.prefix(wanted)
                unsafe state.buffer.append(contentsOf: part)
                unsafe rest = rest.dropFirst(part.count)
                if state.start + Int64(state.buffer.count) == end {
                    fetcher.pending.add(state.buffer.count)
                    full.append(.block(content, number, state.start..<end, state.buffer))
                    state.start = end
                    state.buffer = []
                }
            }
            return full
        }
    }

    private func blockEnd(after start: Int64) -> Int64 {
        let block = Int64(ChunkStore.blockByteCount)
        return min((start / block + 1) * block, range.upperBound)
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
