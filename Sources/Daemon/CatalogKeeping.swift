// The catalog's records in the packs: put there when they change, taken from there when the
// catalog is lost.
//
// The packs are what a cache cannot do without; both databases can be made anew from them. A
// record of its own tells which catalog the records belong to, so that a catalog that meets a
// store without them has all of it kept.

internal import Catalog
internal import ChunkStore
internal import Glibc
internal import Platform
internal import Telemetry

/// The functions that keep a catalog's records in a store, and open one from them.
enum CatalogKeeping {
    /// The kind of the one item that names the catalog; others are `CatalogRecord.Kind`.
    private static let identityKind: UInt8 = 5
    private static let identityKey = Array("epoch".utf8)
    /// Records taken at once; a tree of 10,000 files has about a megabyte.
    private static let recordCountMax = 16
    /// Larger databases are not read whole at each start: this much takes a tenth of a second.
    private static let checkedByteCountMax: Int64 = 64 << 20

    /// Opens the catalog; one that is missing or damaged is made anew from the store's items.
    ///
    /// - Returns: the catalog, and whether it was made anew.
    static func open(
        _ path: String, _ store: ChunkStore, _ log: Log
    ) throws(CatalogError) -> (catalog: Catalog, isRebuilt: Bool) {
        let mark = Catalog.damageMark(path)
        let hasMark = unsafe access(mark, F_OK) == 0
        let exists = unsafe access(path, F_OK) == 0
        if !hasMark && (exists || !hasItems(store)) {
            if let catalog = try openSound(path, log) {
                checkIdentity(catalog, store, log)
                return (catalog, false)
            }
        }
        log.error(
            "the catalog is damaged, missing or of another version; it is made anew from the packs",
            ["catalog": path, "kept": "\(path).damaged"])
        // Until it is made it is as bad as damaged.
        Catalog.markDamaged(path)
        for suffix in ["-wal", "-shm"] { _ = unsafe unlink(path + suffix) }
        if unsafe rename(path, "\(path).damaged") != 0 && Errno.current != .noEntry {
            throw .unavailable("\(path) cannot be set aside: \(Errno.current)")
        }
        let catalog = try Catalog(path: path, log: log)
        do throws(CatalogError) {
            try restore(catalog, store, log)
        } catch {
            catalog.close()
            throw error
        }
        _ = unsafe unlink(mark)
        return (catalog, true)
    }

    /// Nil when it is damaged.
    private static func openSound(_ path: String, _ log: Log) throws(CatalogError) -> Catalog? {
        var status = stat()
        let size = unsafe stat(path, &status) == 0 ? Int64(status.st_size) : 0
        let catalog: Catalog
        do throws(CatalogError) { catalog = try Catalog(path: path, log: log) } catch {
            if error == .damaged { return nil }
            throw error
        }
        if size > checkedByteCountMax || catalog.isSound() { return catalog }
        catalog.close()
        return nil
    }

    private static func hasItems(_ store: ChunkStore) -> Bool {
        var count = 0
        try? store.forEachItem(identityKind) { _ in count += 1 }
        return count > 0
    }

    private static func restore(
        _ catalog: Catalog, _ store: ChunkStore, _ log: Log
    ) throws(CatalogError) {
        var count = 0
        var leftOutCount = 0
        for kind in CatalogRecord.Kind.allCases {
            var records: [CatalogRecord] = []
            do throws(StoreError) {
                try store.forEachItem(kind.rawValue) { item in
                    records.append(
                        CatalogRecord(kind: kind, key: item.key, payload: item.payload))
                }
            } catch {
                log.error("the catalog's records cannot be read", ["error": "\(error)"])
            }
            for record in records {
                if try catalog.restore(record) { count += 1 } else { leftOutCount += 1 }
            }
        }
        try catalog.confirmRestored()
        keepIdentity(catalog, store, log)
        log.info(
            "the catalog was made anew",
            ["records": "\(count)", "unreadable": "\(leftOutCount)"])
    }

    /// A store that belongs to another catalog, or to none, gets all of this one's records.
    private static func checkIdentity(_ catalog: Catalog, _ store: ChunkStore, _ log: Log) {
        var isKnown = false
        try? store.forEachItem(identityKind) { item in
            isKnown = isKnown || item.payload == identity(catalog)
        }
        if isKnown { return }
        try? catalog.markAllUnkept()
        keepIdentity(catalog, store, log)
    }

    private static func identity(_ catalog: Catalog) -> [UInt8] {
        [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: catalog.epoch >> UInt32($0)) }
    }

    private static func keepIdentity(_ catalog: Catalog, _ store: ChunkStore, _ log: Log) {
        let item = MetadataItem(
            kind: identityKind, key: identityKey, payload: identity(catalog))
        do throws(StoreError) { try store.keep([item]) } catch {
            log.warning("the catalog's records cannot be kept", ["error": "\(error)"])
        }
    }

    /// Puts what has changed into the store.
    ///
    /// - Returns: whether all of it is there.
    static func keepChanges(_ catalog: Catalog, _ store: ChunkStore, _ log: Log) -> Bool {
        while true {
            guard let records = try? catalog.unkeptRecords(countMax: recordCountMax)
            else { return false }
            if records.isEmpty { return true }
            do throws(StoreError) {
                let items = records.compactMap { unkept in
                    unkept.record.payload.map {
                        MetadataItem(
                            kind: unkept.record.kind.rawValue, key: unkept.record.key, payload: $0)
                    }
                }
                if !items.isEmpty { try store.keep(items) }
                for unkept in records where unkept.record.payload == nil {
                    try store.forget(unkept.record.kind.rawValue, key: unkept.record.key)
                }
            } catch {
                log.warning("the catalog's records cannot be kept", ["error": "\(error)"])
                return false
            }
            if (try? catalog.confirmKept(records)) == nil { return false }
        }
    }
}
