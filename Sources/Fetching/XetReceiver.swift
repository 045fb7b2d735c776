// The end of a transfer through Xet: bytes go the way of all bytes, names into the ledger, and
// chunks that another content has are read from the store: where they were seen last, or else by
// their hash.
//
// Called on the Hub client's "xet" threads, which may wait for the disk.

internal import Catalog
internal import ChunkStore
internal import HubAPI
internal import Transport
internal import Xet

/// Receives one attempt of one transfer.
final class XetReceiver: XetSink {
    private let fetcher: ContentFetcher
    private let content: Content
    private let receiver: TransferReceiver

    init(_ fetcher: ContentFetcher, _ content: Content, _ receiver: TransferReceiver) {
        self.fetcher = fetcher
        self.content = content
        self.receiver = receiver
    }

    func contentDidReceive(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64
    ) -> TransferDirective {
        unsafe receiver.receive(bytes, at: offset)
    }

    func contentDidFinish(_ result: Result<Void, HubError>) {
        receiver.contentDidFinish(result)
    }

    func contentDidIdentify(_ chunk: IdentifiedChunk) {
        fetcher.xetChunks.add(chunk, of: content)
    }

    func hasChunk(_ xorb: XetHash, _ index: Int) -> Bool {
        guard let place = fetcher.xetChunks.place(xorb, index) else { return false }
        let range = place.fileOffset..<place.fileOffset + Int64(place.byteCount)
        let isThere = fetcher.store.missingRanges(
            place.content.hash, size: place.content.sizeBytes, in: range
        ).isEmpty
        // Another content may have it, whichever way that came.
        let isHere =
            isThere || fetcher.store.hasChunk(place.hash.digest, byteCount: place.byteCount)
        if !isHere { fetcher.xetChunks.forgetPlace(xorb, index) }
        return isHere
    }

    func localChunk(_ xorb: XetHash, _ index: Int) -> [UInt8]? {
        guard let place = fetcher.xetChunks.place(xorb, index) else { return nil }
        if let bytes = fetcher.stored(place.content, at: place.fileOffset, place.byteCount),
            XetHash.chunk(bytes) == place.hash
        {
            return bytes
        }
        if let bytes = fetcher.store.chunk(place.hash.digest, byteCount: place.byteCount) {
            return bytes
        }
        fetcher.xetChunks.forgetPlace(xorb, index)
        return nil
    }
}
