// Files that the kernel reads by itself: looked through in the background, and healed in place.

internal import Catalog
internal import ChunkStore
internal import Fetching
internal import Hashing
internal import Platform
internal import Telemetry

extension TreeBackend {
    /// What the kernel reads by itself is looked through in the background, and healed.
    func watchFlatFiles() {
        let isFirst = mounts.withLock { mounts in
            defer { mounts.hasScrub = true }
            return !mounts.hasScrub
        }
        if !isFirst { return }
        do throws(StoreError) {
            try store.startScrub { [weak self] hash, size, range in
                self?.heal(hash, size, range)
            }
        } catch {
            log.warning(
                "files that the kernel reads by itself are not looked through",
                ["error": "\(error)"])
        }
    }

    /// Has a damaged part fetched again, into the file that the kernel may have open.
    private func heal(_ hash: ContentHash, _ sizeBytes: Int64, _ range: Range<Int64>) {
        let name = Catalog.ContentName(hash: hash, sizeBytes: sizeBytes)
        guard let id = (try? catalog.contentID(of: name)) ?? nil else { return }
        // Nobody is waiting for it, so it may take as long as any read.
        _ = fetcher.request(
            .bytes(id, range, insists: true), withinSeconds: nil
        ) { [log] result in
            if case .failure(let error) = result {
                log.error(
                    """
                    a damaged part of a file could not be fetched again, and whoever has the file \
                    open may read wrong bytes there
                    """,
                    ["content": hash.hex, "offset": "\(range.lowerBound)", "error": "\(error)"])
            }
        }
    }
}
