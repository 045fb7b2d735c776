// Contents through Xet: which way a fetch takes, and what is done when chunks came wrong.
//
// A content whose chunks do not give its hash loses those in doubt, and no others. They are fetched
// again and compared: a chunk with the same name as before is right, the others are fetched once
// more. When that leads nowhere the content comes over plain HTTP for a while. In the end the log
// names each chunk that had come wrong.

internal import Catalog
internal import ChunkStore
internal import Hashing
internal import HubAPI
internal import Platform
internal import Telemetry
internal import Xet

extension ContentFetcher {
    /// Contents whose doubts are remembered.
    static let doubtCountMax = 64

    /// Starts a fetch: through Xet where the Hub names the file's hash.
    func fetch(
        _ request: ContentRequest, of content: Content, _ receiver: TransferReceiver
    ) -> FetchID {
        guard let hash = ContentFetcher.xetHash(of: content) else {
            return hub.fetch(request, sink: receiver)
        }
        return hub.fetchXet(
            request, hash: hash, sink: XetReceiver(self, content, request.bytes, receiver))
    }

    static func xetHash(of content: Content) -> XetHash? {
        content.xetHash.flatMap { XetHash(text: $0) }
    }

    /// Whether chunks of a content are being fetched again to be compared.
    func isInDoubt(_ id: ContentID) -> Bool {
        doubts.withLock { $0[id] != nil }
    }

    /// What came of a content was wrong; it may have come through Xet.
    func distrustXet(_ content: Content) {
        guard let hash = ContentFetcher.xetHash(of: content) else { return }
        xetChunks.forget(XetLedger.Source(content))
        hub.distrustXet(of: hash)
    }

    /// Drops the chunks of a wrong content that are in doubt, and has them fetched again.
    ///
    /// - Returns: false if no chunk is left in doubt: the content is wrong for another reason.
    func fetchDoubtful(_ content: Content) throws(StoreError) -> Bool {
        guard
            let doubtful = try store.doubtfulChunks(of: content.hash, size: content.sizeBytes)
        else { return false }
        let open = doubts.withLock { doubts in
            if doubts.count >= ContentFetcher.doubtCountMax && doubts[content.id] == nil {
                return [IdentifiedChunk]?.none
            }
            return doubts[content.id, default: ChunkDoubt()].note(doubtful)
        }
        guard let open else { return false }
        let lost = try store.dropChunks(open, of: content.hash, size: content.sizeBytes)
        xetChunks.forget(XetLedger.Source(content))
        damaged.add()
        let name = state.withLock { $0.active[content.id]?.name }
        log.warning(
            "the chunks of a file do not give its Xet hash; those in doubt are fetched again",
            [
                "file": name ?? content.hash.hex, "chunks": "\(open.count)",
                "xorbs": "\(Set(open.map(\.xorb)).count)",
            ])
        let observer = damageObserver.withLock { $0 }
        observer?(content.id, lost)
        let actions = state.withLock { $0.active[content.id]?.foundDoubtful(lost) ?? [] }
        carryOut(actions, content.id)
        return true
    }

    /// Names the chunks that had come wrong, now that the content is here and right.
    func settleDoubts(_ content: Content) {
        guard let doubt = doubts.withLock({ $0.removeValue(forKey: content.id) }) else { return }
        for chunk in doubt.forms {
            guard let bytes = stored(content, at: chunk.fileOffset, chunk.byteCount),
                XetHash.chunk(bytes) != chunk.hash
            else { continue }
            wrongXetChunks.add()
            log.error(
                "a chunk came wrong through Xet; the file is right now",
                ["xorb": "\(chunk.xorb)", "chunk": "\(chunk.index)"])
        }
    }

    /// Bytes of a content that are in the store; nil if not all of them are.
    func stored(_ content: Content, at offset: Int64, _ byteCount: Int) -> [UInt8]? {
        stored(XetLedger.Source(content), at: offset, byteCount)
    }

    /// As above, of a content that the catalog need not know.
    func stored(_ source: XetLedger.Source, at offset: Int64, _ byteCount: Int) -> [UInt8]? {
        guard offset >= 0, offset + Int64(byteCount) <= source.sizeBytes else { return nil }
        // Not cleared first: what is read fills it, or it is not used.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            let outcome = unsafe try? store.read(
                source.hash, size: source.sizeBytes, at: offset,
                into: UnsafeMutableRawBufferPointer(buffer))
            count = outcome == .bytes(byteCount) ? byteCount : 0
        }
        return bytes.count == byteCount ? bytes : nil
    }
}

extension XetLedger.Source {
    init(_ content: Content) {
        self.init(hash: content.hash, sizeBytes: content.sizeBytes)
    }
}
