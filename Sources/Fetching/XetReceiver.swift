// The end of a transfer of a content in Xet: bytes go the way of all bytes, names into the ledger
// and, with the end, to the store, which proves the content by them. Chunks that another content
// has are read from the store: where they were seen last, or else by their hash.
//
// Bytes may come without names: all of them where Xet is disabled, the rest where it has failed.
//
// Called on the Hub client's "xet" threads, which may wait for the disk.

internal import Catalog
internal import ChunkStore
internal import HubAPI
internal import Platform
internal import Transport
internal import Xet

/// Receives one attempt of one transfer.
final class XetReceiver: XetSink {
    private struct State {
        /// Those of which bytes came, in the order in which they came.
        var chunks: [IdentifiedChunk] = []
        /// What came without names.
        var unnamed = RangeSet()
    }

    private let fetcher: ContentFetcher
    private let content: Content
    private let receiver: TransferReceiver
    /// Nil for a content that is proven whole before it is stored.
    private let delivery: DeliveryID?
    private let state = Lock(State())

    /// - Parameter range: what the transfer brings.
    init(
        _ fetcher: ContentFetcher, _ content: Content, _ range: Range<Int64>,
        _ receiver: TransferReceiver
    ) {
        self.fetcher = fetcher
        self.content = content
        self.receiver = receiver
        delivery =
            ContentFetcher.isFetchedWhole(content)
            ? nil
            : fetcher.store.beginDelivery(of: content.hash, size: content.sizeBytes, range)
    }

    func contentDidBegin() { receiver.noteBeginning() }

    func contentDidReceive(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, of chunk: IdentifiedChunk?
    ) -> TransferDirective {
        let directive = unsafe receiver.receive(bytes, at: offset)
        if directive != .proceed { return directive }
        let isNew = state.withLock { state in
            guard let chunk else {
                state.unnamed.insert(offset..<offset + Int64(bytes.count))
                return false
            }
            if state.chunks.last == chunk { return false }
            state.chunks.append(chunk)
            return true
        }
        if isNew, let chunk { fetcher.xetChunks.add(chunk, of: XetLedger.Source(content)) }
        return directive
    }

    func contentDidFinish(_ result: Result<Void, HubError>) {
        if let delivery {
            let state = state.withLock { $0 }
            fetcher.store.endDelivery(delivery, state.chunks, unnamed: state.unnamed.ranges)
        }
        receiver.contentDidFinish(result)
    }

    /// What is in doubt is compared with what the server sends, not with a copy of itself.
    var wantsFresh: Bool { fetcher.isInDoubt(content.id) }

    func hasChunk(_ xorb: XetHash, _ index: Int) -> Bool {
        if wantsFresh { return false }
        guard let place = place(xorb, index) else { return false }
        let range = place.fileOffset..<place.fileOffset + Int64(place.byteCount)
        let isThere = fetcher.store.missingRanges(
            place.source.hash, size: place.source.sizeBytes, in: range
        ).isEmpty
        // Another content may have it, whichever way that came.
        let isHere =
            isThere || fetcher.store.hasChunk(place.hash.digest, byteCount: place.byteCount)
        if !isHere { fetcher.xetChunks.forgetPlace(xorb, index) }
        return isHere
    }

    func localChunk(_ xorb: XetHash, _ index: Int) -> LocalChunk? {
        guard let place = place(xorb, index) else { return nil }
        if let bytes = fetcher.stored(place.source, at: place.fileOffset, place.byteCount),
            XetHash.chunk(bytes) == place.hash
        {
            return LocalChunk(hash: place.hash, bytes: bytes)
        }
        if let bytes = fetcher.store.chunk(place.hash.digest, byteCount: place.byteCount) {
            return LocalChunk(hash: place.hash, bytes: bytes)
        }
        fetcher.xetChunks.forgetPlace(xorb, index)
        return nil
    }

    private func place(_ xorb: XetHash, _ index: Int) -> XetLedger.Place? {
        let ledger = fetcher.xetChunks
        if let known = ledger.place(xorb, index) { return known }
        if !ledger.hasLearned(xorb) {
            for found in fetcher.store.chunks(ofXorb: xorb) {
                let source = XetLedger.Source(hash: found.content, sizeBytes: found.size)
                ledger.add(found.chunk, of: source)
            }
            // Not before: another plan of the same xorb would miss what is still being added.
            ledger.noteLearned(xorb)
        }
        return ledger.place(xorb, index)
    }
}
