// Contents through Xet: which way a fetch takes, and what chunks tell about a content.
//
// A content that was wrong comes over plain HTTP for a while. When it is then proven, the chunks
// that had come before are compared with it, so that the log names what the server had wrong.

internal import Catalog
internal import ChunkStore
internal import Hashing
internal import HubAPI
internal import Telemetry
internal import Xet

extension ContentFetcher {
    /// Starts a fetch: through Xet where the Hub names the file's hash.
    func fetch(
        _ request: ContentRequest, of content: Content, _ receiver: TransferReceiver
    ) -> FetchID {
        guard let hash = content.xetHash.flatMap({ XetHash(text: $0) }) else {
            return hub.fetch(request, sink: receiver)
        }
        return hub.fetchXet(
            request, hash: hash, sink: XetReceiver(self, content, receiver))
    }

    /// What came of a content was wrong; it may have come through Xet.
    func distrustXet(_ content: Content) {
        guard let hash = content.xetHash.flatMap({ XetHash(text: $0) }) else { return }
        let name = content.hash.hex
        if let found = xetChunks.fileHash(of: content), found != hash {
            log.warning("the chunks of a file do not give its Xet hash", ["content": name])
        }
        xetChunks.suspect(content.id)
        hub.distrustXet(of: hash)
    }

    /// Names the chunks that had come wrong, now that the content is here and right.
    func compareWithXet(_ content: Content) {
        guard let suspects = xetChunks.takeSuspects(of: content) else { return }
        for chunk in suspects {
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
        guard offset >= 0, offset + Int64(byteCount) <= content.sizeBytes else { return nil }
        var bytes = [UInt8](repeating: 0, count: byteCount)
        let outcome = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe try? store.read(
                content.hash, size: content.sizeBytes, at: offset, into: buffer)
        }
        return outcome == .bytes(byteCount) ? bytes : nil
    }
}
