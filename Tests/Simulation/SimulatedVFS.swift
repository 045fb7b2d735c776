// The simulated disk below SQLite: a VFS for each process, with its locks and shared memory.
//
// Every connection to a file is in one process, so locks are counters beside the file. No other
// thread runs in the middle of an operation: SQLite may hold a lock of its own then.

import CSQLite3
import Glibc
import Platform
import TestSupport

/// The locks on a database, and the memory that its connections share.
final class DatabaseLocks {
    /// Level by connection; 0 none, 1 shared, 2 reserved, 3 pending, 4 exclusive, as SQLite's.
    var levels: [ObjectIdentifier: Int32] = [:]
    /// Of each of the eight places: who has it alone, and who shares it.
    var owners = [ObjectIdentifier?](repeating: nil, count: 8)
    var sharers = [Set<ObjectIdentifier>](repeating: [], count: 8)
    var regions: [UnsafeMutableRawPointer] = []

    deinit {
        for region in regions { region.deallocate() }
    }

    func lock(_ id: ObjectIdentifier, _ level: Int32) -> Bool {
        let others = levels.filter { $0.key != id }.values
        let highest = others.max() ?? 0
        switch level {
        case SQLITE_LOCK_SHARED:
            if highest >= SQLITE_LOCK_PENDING { return false }
        case SQLITE_LOCK_RESERVED:
            if highest >= SQLITE_LOCK_RESERVED { return false }
        default:
            if highest >= SQLITE_LOCK_RESERVED { return false }
            if highest > SQLITE_LOCK_NONE {
                levels[id] = SQLITE_LOCK_PENDING
                return false
            }
        }
        levels[id] = max(level, levels[id] ?? 0)
        return true
    }

    func lockShared(_ id: ObjectIdentifier, _ places: Range<Int>, _ flags: Int32) -> Bool {
        if flags & SQLITE_SHM_UNLOCK != 0 {
            for place in places {
                sharers[place].remove(id)
                if owners[place] == id { owners[place] = nil }
            }
            return true
        }
        for place in places {
            if let owner = owners[place], owner != id { return false }
            if flags & SQLITE_SHM_EXCLUSIVE != 0, !sharers[place].subtracting([id]).isEmpty {
                return false
            }
        }
        for place in places {
            if flags & SQLITE_SHM_EXCLUSIVE != 0 {
                owners[place] = id
            } else {
                sharers[place].insert(id)
            }
        }
        return true
    }

    func forget(_ id: ObjectIdentifier) {
        levels[id] = nil
        _ = lockShared(id, 0..<8, SQLITE_SHM_UNLOCK)
    }
}

/// Extended result codes, which are macros that Swift does not import.
private enum Failure {
    static let read = SQLITE_IOERR | 1 << 8
    static let shortRead = SQLITE_IOERR | 2 << 8
    static let write = SQLITE_IOERR | 3 << 8
    static let fsync = SQLITE_IOERR | 4 << 8
    static let truncate = SQLITE_IOERR | 6 << 8
    static let fstat = SQLITE_IOERR | 7 << 8
    static let unlock = SQLITE_IOERR | 8 << 8
    static let delete = SQLITE_IOERR | 10 << 8
    static let access = SQLITE_IOERR | 13 << 8
    static let checkreservedlock = SQLITE_IOERR | 14 << 8
    static let lock = SQLITE_IOERR | 15 << 8
    static let shmlock = SQLITE_IOERR | 20 << 8
    static let shmmap = SQLITE_IOERR | 21 << 8
    static let deleteNoent = SQLITE_IOERR | 23 << 8
}

/// An open file of a database.
private final class DatabaseHandle {
    let mount: SimulatedMount
    let node: SimulatedDisk.Node
    let path: String
    /// Of the time when it was opened: after the end of its process there are others.
    let locks: DatabaseLocks
    /// Whether the next synchronization is its folder's too, as that of a journal or a log that
    /// was just opened is on Unix: with its name, the removal of an older journal is on the disk.
    var synchronizesFolder: Bool

    init(
        _ mount: SimulatedMount, _ node: SimulatedDisk.Node, _ path: String, _ flags: Int32
    ) {
        self.mount = mount
        self.node = node
        self.path = path
        locks = node.locks
        let journals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL
        synchronizesFolder = flags & SQLITE_OPEN_CREATE != 0 && flags & journals != 0
    }

    func synchronize() {
        node.synchronize()
        guard synchronizesFolder, let slash = path.lastIndex(of: "/") else { return }
        synchronizesFolder = false
        mount.disk.synchronizeNames(in: String(path[..<slash]))
    }

    var id: ObjectIdentifier { ObjectIdentifier(self) }

    /// What SQLite is told of an operation.
    func attempt(_ failure: Int32, writes: Bool = false, _ body: () throws(Errno) -> Int32) -> Int32
    {
        do throws(Errno) {
            try mount.begin(writes: writes, yields: false)
            return try body()
        } catch {
            if error == .noSpace { return SQLITE_FULL }
            return error == .readOnly ? SQLITE_READONLY : failure
        }
    }
}

/// What SQLite has of an open file.
private struct DatabaseFile {
    var base: sqlite3_file
    var handle: UnsafeMutableRawPointer?
}

private func handle(_ file: UnsafeMutablePointer<sqlite3_file>?) -> DatabaseHandle? {
    guard let file else { return nil }
    let pointer = UnsafeMutableRawPointer(file).assumingMemoryBound(to: DatabaseFile.self)
    return pointer.pointee.handle.map {
        Unmanaged<DatabaseHandle>.fromOpaque($0).takeUnretainedValue()
    }
}

private func mount(_ vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> SimulatedMount? {
    vfs?.pointee.pAppData.map { Unmanaged<SimulatedMount>.fromOpaque($0).takeUnretainedValue() }
}

/// A process's VFS, registered as long as it lives.
final class SimulatedVFS {
    let name: String
    private let vfs: UnsafeMutablePointer<sqlite3_vfs>
    private let nameBytes: UnsafeMutablePointer<CChar>
    private static let lastNumber = Lock(0)

    /// - Parameter mount: kept by its owner as long as this lives.
    init(_ mount: SimulatedMount) {
        let number = SimulatedVFS.lastNumber.withLock { last in
            last += 1
            return last
        }
        name = "simulated-\(number)"
        nameBytes = strdup(name)
        vfs = .allocate(capacity: 1)
        vfs.initialize(to: sqlite3_vfs())
        vfs.pointee.iVersion = 2
        vfs.pointee.szOsFile = Int32(MemoryLayout<DatabaseFile>.size)
        vfs.pointee.mxPathname = 1024
        vfs.pointee.zName = UnsafePointer(nameBytes)
        vfs.pointee.pAppData = Unmanaged.passUnretained(mount).toOpaque()
        vfs.pointee.xOpen = openFile
        vfs.pointee.xDelete = deleteFile
        vfs.pointee.xAccess = accessFile
        vfs.pointee.xFullPathname = fullPath
        vfs.pointee.xRandomness = randomBytes
        vfs.pointee.xSleep = sleepMicroseconds
        vfs.pointee.xCurrentTimeInt64 = currentTime
        vfs.pointee.xGetLastError = { _, _, _ in 0 }
        let status = sqlite3_vfs_register(vfs, 0)
        precondition(status == SQLITE_OK)
    }

    deinit {
        sqlite3_vfs_unregister(vfs)
        vfs.deallocate()
        free(nameBytes)
    }
}

// MARK: Of the VFS

private func openFile(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ name: sqlite3_filename?,
    _ file: UnsafeMutablePointer<sqlite3_file>?, _ flags: Int32,
    _ outFlags: UnsafeMutablePointer<Int32>?
) -> Int32 {
    guard let mount = mount(vfs), let file else { return SQLITE_CANTOPEN }
    file.pointee.pMethods = nil
    guard let name else { return SQLITE_CANTOPEN }
    let path = String(cString: name)
    do throws(Errno) {
        try mount.begin(yields: false)
        let node = try mount.disk.node(path, create: flags & SQLITE_OPEN_CREATE != 0)
        let handle = DatabaseHandle(mount, node, path, flags)
        let pointer = UnsafeMutableRawPointer(file).assumingMemoryBound(to: DatabaseFile.self)
        pointer.pointee.handle = Unmanaged.passRetained(handle).toOpaque()
        file.pointee.pMethods = methods
        outFlags?.pointee = flags
        return SQLITE_OK
    } catch {
        return SQLITE_CANTOPEN
    }
}

private func deleteFile(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ name: UnsafePointer<CChar>?, _ sync: Int32
) -> Int32 {
    guard let mount = mount(vfs), let name else { return Failure.delete }
    let path = String(cString: name)
    do throws(Errno) {
        try mount.begin(writes: true, yields: false)
        try mount.disk.remove(path)
        if sync != 0, let slash = path.lastIndex(of: "/") {
            mount.disk.synchronizeNames(in: String(path[..<slash]))
        }
        return SQLITE_OK
    } catch {
        return error == .noEntry ? Failure.deleteNoent : Failure.delete
    }
}

private func accessFile(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ name: UnsafePointer<CChar>?, _ flags: Int32,
    _ result: UnsafeMutablePointer<Int32>?
) -> Int32 {
    guard let mount = mount(vfs), let name else { return Failure.access }
    let isThere = (try? mount.disk.node(String(cString: name), create: false)) != nil
    result?.pointee = isThere ? 1 : 0
    return SQLITE_OK
}

private func fullPath(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ name: UnsafePointer<CChar>?, _ count: Int32,
    _ out: UnsafeMutablePointer<CChar>?
) -> Int32 {
    guard let name, let out, strlen(name) < Int(count) else { return SQLITE_CANTOPEN }
    strcpy(out, name)
    return SQLITE_OK
}

private func randomBytes(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ count: Int32, _ out: UnsafeMutablePointer<CChar>?
) -> Int32 {
    guard let mount = mount(vfs), let out else { return 0 }
    for index in 0..<Int(count) {
        out[index] = CChar(truncatingIfNeeded: mount.disk.random.next())
    }
    return count
}

private func sleepMicroseconds(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ microseconds: Int32
) -> Int32 {
    mount(vfs)?.disk.threads.sleep(seconds: Double(microseconds) / 1e6)
    return microseconds
}

private func currentTime(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ out: UnsafeMutablePointer<sqlite3_int64>?
) -> Int32 {
    // Milliseconds of the Julian day, whose count began 2,440,587.5 days before 1970.
    let milliseconds = (mount(vfs)?.disk.threads.wallNanoseconds ?? 0) / 1_000_000
    out?.pointee = milliseconds + 210_866_760_000_000
    return SQLITE_OK
}

// MARK: Of a file

/// The same for every file; allocated once, since SQLite keeps its address.
private nonisolated(unsafe) let methods: UnsafePointer<sqlite3_io_methods> = {
    // Never changed after this.
    let table = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
    table.initialize(to: sqlite3_io_methods())
    table.pointee.iVersion = 2
    table.pointee.xClose = { file in
        guard let file else { return SQLITE_OK }
        let pointer = UnsafeMutableRawPointer(file).assumingMemoryBound(to: DatabaseFile.self)
        if let opaque = pointer.pointee.handle {
            let handle = Unmanaged<DatabaseHandle>.fromOpaque(opaque).takeRetainedValue()
            handle.locks.forget(handle.id)
            pointer.pointee.handle = nil
        }
        return SQLITE_OK
    }
    table.pointee.xRead = { file, out, count, offset in
        guard let handle = handle(file), let out else { return Failure.read }
        return handle.attempt(Failure.read) { () throws(Errno) in
            let buffer = UnsafeMutableRawBufferPointer(start: out, count: Int(count))
            let read = handle.node.read(into: buffer, at: Int(offset))
            if read == buffer.count { return SQLITE_OK }
            buffer[read...].initializeMemory(as: UInt8.self, repeating: 0)
            return Failure.shortRead
        }
    }
    table.pointee.xWrite = { file, bytes, count, offset in
        guard let handle = handle(file), let bytes else { return Failure.write }
        return handle.attempt(Failure.write, writes: true) { () throws(Errno) in
            try handle.mount.disk.checkRoom()
            let buffer = UnsafeRawBufferPointer(start: bytes, count: Int(count))
            handle.node.apply(.write(Int(offset), Array(buffer)))
            return SQLITE_OK
        }
    }
    table.pointee.xTruncate = { file, size in
        guard let handle = handle(file) else { return Failure.truncate }
        return handle.attempt(Failure.truncate, writes: true) { () throws(Errno) in
            handle.node.apply(.truncate(Int(size)))
            return SQLITE_OK
        }
    }
    table.pointee.xSync = { file, _ in
        guard let handle = handle(file) else { return Failure.fsync }
        return handle.attempt(Failure.fsync) { () throws(Errno) in
            handle.synchronize()
            return SQLITE_OK
        }
    }
    table.pointee.xFileSize = { file, out in
        guard let handle = handle(file) else { return Failure.fstat }
        out?.pointee = sqlite3_int64(handle.node.bytes.count)
        return SQLITE_OK
    }
    table.pointee.xLock = { file, level in
        guard let handle = handle(file) else { return Failure.lock }
        return handle.locks.lock(handle.id, level) ? SQLITE_OK : SQLITE_BUSY
    }
    table.pointee.xUnlock = { file, level in
        guard let handle = handle(file) else { return Failure.unlock }
        handle.locks.levels[handle.id] = level == SQLITE_LOCK_NONE ? nil : level
        return SQLITE_OK
    }
    table.pointee.xCheckReservedLock = { file, out in
        guard let handle = handle(file) else { return Failure.checkreservedlock }
        out?.pointee = handle.locks.levels.values.contains { $0 >= SQLITE_LOCK_RESERVED } ? 1 : 0
        return SQLITE_OK
    }
    table.pointee.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
    table.pointee.xSectorSize = { _ in 4096 }
    table.pointee.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE }
    table.pointee.xShmMap = { file, index, size, extend, out in
        guard let handle = handle(file), let out else { return Failure.shmmap }
        while handle.locks.regions.count <= Int(index) {
            if extend == 0 {
                out.pointee = nil
                return SQLITE_OK
            }
            let region = UnsafeMutableRawPointer.allocate(byteCount: Int(size), alignment: 4096)
            memset(region, 0, Int(size))
            handle.locks.regions.append(region)
        }
        out.pointee = handle.locks.regions[Int(index)]
        return SQLITE_OK
    }
    table.pointee.xShmLock = { file, offset, count, flags in
        guard let handle = handle(file) else { return Failure.shmlock }
        let places = Int(offset)..<Int(offset + count)
        return handle.locks.lockShared(handle.id, places, flags) ? SQLITE_OK : SQLITE_BUSY
    }
    table.pointee.xShmBarrier = { _ in }
    table.pointee.xShmUnmap = { file, isLast in
        guard let handle = handle(file) else { return SQLITE_OK }
        _ = handle.locks.lockShared(handle.id, 0..<8, SQLITE_SHM_UNLOCK)
        return SQLITE_OK
    }
    return UnsafePointer(table)
}()
