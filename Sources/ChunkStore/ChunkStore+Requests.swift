// What people ask of a whole cache: many pins at once, and a rebuild at the next start.

internal import Database
package import Hashing
internal import Platform

extension ChunkStore {
    /// Pins contents, or lets them go again, all in one commit.
    package func setPinned(
        _ contents: [(hash: ContentHash, size: Int64)], _ isPinned: Bool
    ) throws(StoreError) {
        let names = contents.map { ContentKey(hash: $0.hash, size: $0.size).pinName }
        if isPinned {
            try keep(
                names.map { MetadataItem(kind: ChunkStore.pinKind, key: $0, payload: []) })
        } else {
            try forget(ChunkStore.pinKind, keys: names)
        }
    }

    /// Has the next opening of a cache set its index aside and make another from the packs.
    package static func requestRebuild(directory: String) throws(StoreError) {
        do throws(Errno) {
            _ = try DiskFiles().open(damageMark(directory), create: true)
        } catch {
            throw StoreError(error)
        }
    }
}
