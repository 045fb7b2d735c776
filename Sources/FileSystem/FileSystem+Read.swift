// Reading bytes: from the store at once, or what is lacking.

package import Catalog
internal import ChunkStore
internal import Fetching

extension FileSystem {
    /// Reads a file's bytes into `buffer`, which is filled unless the file ends before.
    ///
    /// - Returns: how many bytes; 0 at the end of the file and beyond it.
    package func read(
        _ id: NodeID, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer,
        _ context: AttemptContext
    ) -> Outcome<Int> {
        attempt { () throws(Detour) in
            let content = try content(id)
            if offset < 0 || offset >= content.sizeBytes { return 0 }
            let end = min(offset + Int64(buffer.count), content.sizeBytes)
            if context.attemptCount == 0 { noteRead(content.id, offset..<end) }
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<Int(end - offset)])
            if unsafe fetcher.read(content, at: offset, into: target) { return target.count }
            for insists in [false, true] {
                let need = Need.bytes(content.id, offset..<end, insists: insists)
                if let error = context.failures[need] { throw .failed(try meaning(error, content)) }
            }
            if context.attemptCount >= FileSystem.readAttemptCountMax {
                throw .failed(.unavailable)
            }
            throw .lacks(
                .bytes(content.id, offset..<end, insists: context.attemptCount > 0),
                withinSeconds: nil)
        }
    }

    /// A content's length; nil for a node that is no content of this database.
    package func sizeBytes(of id: NodeID) -> Int64? {
        (try? content(id))?.sizeBytes
    }

    /// Fills a buffer with bytes that are in the store, or up to the content's end.
    ///
    /// Nothing is fetched. It counts as a touch, since it is done in a reader's place.
    ///
    /// - Returns: how many bytes; nil when one of them is not here, or none may be served before
    ///   all are proven.
    package func storedBytes(
        _ id: NodeID, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) -> Int? {
        guard let content = try? content(id), fetcher.mayServe(content),
            case .bytes(let count) = try? unsafe store.read(
                content.hash, size: content.sizeBytes, at: offset, into: buffer)
        else { return nil }
        if count > 0 { noteRead(content.id, offset..<offset + Int64(count)) }
        return count
    }

    /// Whether all of a range is in the store.
    package func isStored(_ id: NodeID, _ range: Range<Int64>) -> Bool {
        guard let content = try? content(id) else { return false }
        return store.missingRanges(content.hash, size: content.sizeBytes, in: range).isEmpty
    }

    /// A reader must never be told that the file itself is missing, for its name was found: a
    /// repository that is no longer shown is one that this user may no longer read.
    private func meaning(
        _ error: FetchError, _ content: Content
    ) throws(Detour) -> FileSystemError {
        let meaning = FileSystemError(error)
        if meaning != .notFound { return meaning }
        let sources = try ask { () throws(CatalogError) in try catalog.sources(of: content.id) }
        for source in sources {
            let known = try ask { () throws(CatalogError) in
                try catalog.repository(source.repository)
            }
            if let known, known.isPrivate || known.isGated { return .accessDenied }
        }
        return .unavailable
    }

    /// How often bytes may vanish between their arrival and their reading, by eviction or a
    /// failing disk, before the read is given up.
    private static let readAttemptCountMax = 8
}
