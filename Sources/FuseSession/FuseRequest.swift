// One message of the kernel that wants an answer, and the forms that an answer can have.
//
// A request is answered exactly once, on any thread. libfuse frees it with the answer, so nothing
// may touch it after that; `Operation` sees to the "once".

internal import CFuse3
internal import Catalog
internal import FileSystem
internal import Glibc
internal import Platform

/// A request of the kernel, as libfuse hands it out.
@safe
struct FuseRequest: @unchecked Sendable {
    // Sendable because libfuse allows an answer from any thread, and there is one answer only.
    private let handle: fuse_req_t

    init(_ handle: fuse_req_t) {
        unsafe self.handle = handle
    }

    func reply(_ error: Errno) {
        _ = unsafe fuse_reply_err(handle, error.rawValue)
    }

    /// Success without anything to say.
    func replyDone() {
        _ = unsafe fuse_reply_err(handle, 0)
    }

    /// The kernel forgets a node; there is nothing to free, and no answer.
    func replyNothing() {
        unsafe fuse_reply_none(handle)
    }

    func reply(_ entry: Entry, as owner: Ownership) {
        var parameters = fuse_entry_param(entry, as: owner)
        _ = unsafe fuse_reply_entry(handle, &parameters)
    }

    func reply(_ attributes: Attributes, seconds: Double, as owner: Ownership) {
        var status = stat(attributes, as: owner)
        _ = unsafe fuse_reply_attr(handle, &status, seconds)
    }

    func reply(_ bytes: UnsafeRawBufferPointer) {
        _ = unsafe fuse_reply_buf(
            handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
    }

    func reply(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe reply($0) }
    }

    func replyLink(_ target: [UInt8]) {
        let terminated = target + [0]
        unsafe terminated.withUnsafeBytes { bytes in
            _ = unsafe fuse_reply_readlink(
                handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
        }
    }

    func reply(_ statistics: Statistics) {
        var status = statvfs()
        let block = UInt(Statistics.blockByteCount)
        status.f_bsize = block
        status.f_frsize = block
        status.f_blocks = UInt(statistics.limitBytes) / block
        status.f_bfree = UInt(max(0, statistics.limitBytes - statistics.usedBytes)) / block
        status.f_bavail = status.f_bfree
        status.f_files = UInt(statistics.contentCount)
        status.f_namemax = 255
        _ = unsafe fuse_reply_statfs(handle, &status)
    }

    /// An extended attribute's value, or its size when the caller asked for that alone.
    func reply(attribute value: [UInt8], bufferByteCount: Int) {
        if bufferByteCount == 0 {
            _ = unsafe fuse_reply_xattr(handle, value.count)
        } else if value.count > bufferByteCount {
            reply(.outOfRange)
        } else {
            reply(value)
        }
    }

    /// Packs names until the kernel's buffer is full.
    ///
    /// - Returns: how many of them went in.
    func reply(
        listing: [ListedEntry], byteCountMax: Int, withAttributes: Bool, as owner: Ownership
    ) -> Int {
        var count = 0
        var buffer = [CChar](repeating: 0, count: byteCountMax)
        let used = unsafe buffer.withUnsafeMutableBufferPointer { buffer -> Int in
            guard let base = buffer.baseAddress else { return 0 }
            var used = 0
            for entry in listing {
                let name = (entry.name + [0]).map { CChar(bitPattern: $0) }
                let left = byteCountMax - used
                let needed: Int
                if withAttributes {
                    var parameters = fuse_entry_param(listed: entry, as: owner)
                    needed = unsafe fuse_add_direntry_plus(
                        handle, base + used, left, name, &parameters, off_t(entry.nextOffset))
                } else {
                    var status = stat(listed: entry, as: owner)
                    needed = unsafe fuse_add_direntry(
                        handle, base + used, left, name, &status, off_t(entry.nextOffset))
                }
                if needed > left { break }
                used += needed
                count += 1
            }
            return used
        }
        unsafe buffer.withUnsafeBytes { bytes in
            unsafe reply(UnsafeRawBufferPointer(rebasing: bytes[..<used]))
        }
        return count
    }

    /// Has the registry told when the reader gives up; at once, if it already has.
    ///
    /// The request must not be answered before this returns, since libfuse holds a lock of it here.
    func watchInterrupt(_ token: UInt) {
        unsafe fuse_req_interrupt_func(
            handle,
            { _, data in InterruptRegistry.shared.interrupt(UInt(bitPattern: data)) },
            UnsafeMutableRawPointer(bitPattern: token))
    }
}

/// To whom all files of a mount belong.
package struct Ownership: Sendable {
    package let user: UInt32
    package let group: UInt32

    package init(user: UInt32, group: UInt32) {
        self.user = user
        self.group = group
    }
}

extension stat {
    /// What `readdir` tells of an inode that it does not know, as libfuse itself does.
    private static let unknownInode: UInt = 0xFFFF_FFFF
    /// What `cp` and others take for their buffers: the unit of the store.
    private static let preferredByteCount = 131_072

    init(_ attributes: Attributes, as owner: Ownership) {
        self.init()
        st_ino = UInt(attributes.node.rawValue)
        switch attributes.kind {
        case .directory: st_mode = S_IFDIR | 0o555
        case .file: st_mode = S_IFREG | 0o444
        case .link: st_mode = S_IFLNK | 0o777
        }
        st_nlink = UInt(attributes.linkCount)
        st_uid = owner.user
        st_gid = owner.group
        st_size = Int(attributes.sizeBytes)
        // In units of 512 bytes, of the full size: `du` shows what a copy would take.
        st_blocks = Int((attributes.sizeBytes + 511) / 512)
        st_blksize = stat.preferredByteCount
        let time = timespec(
            tv_sec: Int(attributes.modifiedNanoseconds / 1_000_000_000),
            tv_nsec: Int(attributes.modifiedNanoseconds % 1_000_000_000))
        st_mtim = time
        st_ctim = time
        st_atim = time
    }

    init(listed: ListedEntry, as owner: Ownership) {
        if let attributes = listed.entry?.attributes {
            self.init(attributes, as: owner)
            return
        }
        self.init()
        st_ino = stat.unknownInode
        switch listed.kind {
        case .directory: st_mode = S_IFDIR
        case .file: st_mode = S_IFREG
        case .link: st_mode = S_IFLNK
        }
    }
}

extension fuse_entry_param {
    init(_ entry: Entry, as owner: Ownership) {
        self.init()
        entry_timeout = entry.nameSeconds
        // A node of 0 with a timeout lets the kernel remember that there is no such name.
        guard let attributes = entry.attributes else { return }
        ino = attributes.node.rawValue
        attr = stat(attributes, as: owner)
        attr_timeout = entry.attributeSeconds
    }

    /// With a node of 0 where there are no attributes: the kernel then asks when it needs them.
    init(listed: ListedEntry, as owner: Ownership) {
        if let entry = listed.entry {
            self.init(entry, as: owner)
        } else {
            self.init()
            attr = stat(listed: listed, as: owner)
        }
    }
}

/// Who is to be told when the kernel interrupts a request.
///
/// libfuse keeps a pointer for each request and may follow it while the answer is on its way, so
/// it is given a number instead, which means nothing once the request is answered.
final class InterruptRegistry: Sendable {
    static let shared = InterruptRegistry()

    private struct Entry {
        /// Nil while the request is not yet armed.
        var action: (@Sendable () -> Void)?
        var isInterrupted = false
    }

    private struct State {
        var last: UInt = 0
        var entries: [UInt: Entry] = [:]
    }

    private let state = Lock(State())

    /// A number for a request that is going to wait.
    func reserve() -> UInt {
        state.withLock { state in
            state.last += 1
            state.entries[state.last] = Entry()
            return state.last
        }
    }

    /// From now on an interrupt acts.
    ///
    /// - Returns: whether there was one before, which is the caller's to act on.
    func arm(_ token: UInt, _ action: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            state.entries[token]?.action = action
            return state.entries[token]?.isInterrupted ?? false
        }
    }

    func remove(_ token: UInt) {
        state.withLock { $0.entries[token] = nil }
    }

    func interrupt(_ token: UInt) {
        let action = state.withLock { state in
            state.entries[token]?.isInterrupted = true
            return state.entries[token]?.action
        }
        action?()
    }

    /// How many requests wait.
    var count: Int { state.withLock { $0.entries.count } }
}
