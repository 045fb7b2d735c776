// What the kernel may read by itself: the flat file of a content that is complete and proven.

package import Catalog
internal import ChunkStore
internal import Hashing
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

    /// Whether something of a content is still to come.
    package func isIncomplete(_ id: NodeID) -> Bool {
        guard let content = try? known(id) else { return false }
        return !store.state(of: content.hash, size: content.sizeBytes).isComplete
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

    /// The newest place where a content stands, such as `org/name@v1/model.safetensors`, and in how
    /// many others it is known to stand, at most a few; nil if none is known.
    package func place(of id: NodeID) -> (name: String, otherCount: Int)? {
        if !id.isFile || id.epoch != catalog.epoch { return nil }
        return place(of: ContentID(row: id.row))
    }

    /// The same of a content.
    package func place(of id: ContentID) -> (name: String, otherCount: Int)? {
        let sources = (try? catalog.sources(of: id)) ?? []
        guard let source = sources.first else { return nil }
        let revision = revisionName(of: source)
        let name = "\(source.repository.name)@\(revision)/\(source.path)"
        return (name, sources.count - 1)
    }

    /// A branch or tag that stands on the commit of a source, else the beginning of its id.
    private func revisionName(of source: Catalog.Source) -> String {
        let commit = try? catalog.commit(source.commit, in: source.repository)
        let names = commit.flatMap { try? catalog.refNames(of: $0) } ?? []
        let name = names.first { !$0.isEmpty }.flatMap { RevisionName($0) }
        return name?.pathComponent ?? String(source.commit.hex.prefix(12))
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
