// What the kernel may read by itself: the flat file of a content that is complete and proven.

package import Catalog
internal import ChunkStore
internal import HubAPI
package import Platform

/// Whether a content lies in a file as the kernel could read it.
package enum FlatState: ~Copyable, Sendable {
    /// All of it, and it was proven: this file.
    case proven(FileDescriptor)
    case notReady(WhyNotFlat)
}

/// What keeps a content from being read by the kernel itself.
package enum WhyNotFlat: String, Equatable, Sendable {
    /// It has no bytes.
    case empty
    /// Not all of it is here.
    case incomplete
    /// Its hash was not checked yet.
    case unproven
    /// It lies compressed, in packs.
    case packed
    /// Its file or the index cannot be read.
    case unreadable
}

extension FileSystem {
    /// The flat file of a content, or what it lacks.
    ///
    /// Waits for the local disk at most.
    ///
    /// - Throws: `stale` or `isDirectory` for a node that is no content of this database.
    package func flatState(of id: NodeID) throws(FileSystemError) -> FlatState {
        let content = try known(id)
        if content.sizeBytes == 0 { return .notReady(.empty) }
        do throws(StoreError) {
            let file = try store.provenFile(content.hash, size: content.sizeBytes)
            if let file { return .proven(file) }
        } catch {
            return .notReady(.unreadable)
        }
        let state = store.state(of: content.hash, size: content.sizeBytes)
        if !state.isComplete { return .notReady(.incomplete) }
        guard case .proven = state.verification else { return .notReady(.unproven) }
        return .notReady(.packed)
    }

    /// The kernel reads a content by itself from now on: its file is looked through soon.
    package func noteReadByKernel(_ id: NodeID) {
        guard let content = try? known(id) else { return }
        store.scrubSoon(content.hash, size: content.sizeBytes)
        noteKernelReads(content)
    }

    /// An open is a use, as a lookup is.
    package func noteOpen(_ id: NodeID) {
        if id.isFile && id.epoch == catalog.epoch { noteUse(of: ContentID(row: id.row)) }
    }

    /// One place where a content stands, such as `org/name/model.safetensors`; nil if none is
    /// known.
    package func name(of id: NodeID) -> String? {
        if !id.isFile || id.epoch != catalog.epoch { return nil }
        let sources = try? catalog.sources(of: ContentID(row: id.row), countMax: 1)
        return sources?.first.map { "\($0.repository.name)/\($0.path)" }
    }

    private func known(_ id: NodeID) throws(FileSystemError) -> Content {
        do throws(Detour) {
            return try content(id)
        } catch {
            if case .failed(let error) = error { throw error }
            throw .unavailable
        }
    }
}
