// The kernel's messages, one function each: unpack, attempt, answer.
//
// What is not in the table libfuse answers with ENOSYS, which the kernel remembers.

internal import CFuse3
internal import Catalog
internal import FileSystem
internal import Glibc
internal import Platform

extension MountContext {
    /// How many requests the kernel may have under way in the background (readahead), and from
    /// which number on it calls the mount congested: three quarters of it.
    private static let backgroundCountMax: UInt32 = 256

    /// The table that libfuse calls.
    static var operations: fuse_lowlevel_ops {
        var table = fuse_lowlevel_ops()
        unsafe table.`init` = { _, connection in
            guard let connection = unsafe connection else { return }
            unsafe MountContext.configure(&connection.pointee)
        }
        unsafe table.lookup = { request, parent, name in
            guard let request = unsafe request, let name = unsafe name else { return }
            let bytes = unsafe Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
            unsafe MountContext.of(request)?.lookup(FuseRequest(request), parent, bytes)
        }
        unsafe table.forget = { request, node, count in
            guard let request = unsafe request else { return }
            unsafe MountContext.of(request)?.forget(node, count)
            unsafe FuseRequest(request).replyNothing()
        }
        unsafe table.forget_multi = { request, count, nodes in
            guard let request = unsafe request, let nodes = unsafe nodes else { return }
            for index in 0..<count {
                let node = unsafe nodes[index]
                unsafe MountContext.of(request)?.forget(node.ino, node.nlookup)
            }
            unsafe FuseRequest(request).replyNothing()
        }
        unsafe table.getattr = { request, node, _ in
            guard let request = unsafe request else { return }
            unsafe MountContext.of(request)?.getAttributes(FuseRequest(request), node)
        }
        unsafe table.readlink = { request, node in
            guard let request = unsafe request else { return }
            unsafe MountContext.of(request)?.readLink(FuseRequest(request), node)
        }
        unsafe table.open = { request, _, _ in
            // Remembered by the kernel: no further OPEN or RELEASE is sent.
            if let request = unsafe request { unsafe FuseRequest(request).reply(.notImplemented) }
        }
        unsafe table.opendir = { request, _, _ in
            if let request = unsafe request { unsafe FuseRequest(request).reply(.notImplemented) }
        }
        unsafe table.read = { request, node, size, offset, _ in
            guard let request = unsafe request else { return }
            unsafe MountContext.of(request)?.read(FuseRequest(request), node, size, Int64(offset))
        }
        addListings(&table)
        return table
    }

    private static func addListings(_ table: inout fuse_lowlevel_ops) {
        unsafe table.readdir = { request, node, size, offset, _ in
            guard let request = unsafe request else { return }
            unsafe MountContext.of(request)?.list(
                FuseRequest(request), node, size, Int64(offset), withAttributes: false)
        }
        unsafe table.readdirplus = { request, node, size, offset, _ in
            guard let request = unsafe request else { return }
            unsafe MountContext.of(request)?.list(
                FuseRequest(request), node, size, Int64(offset), withAttributes: true)
        }
        unsafe table.statfs = { request, _ in
            guard let request = unsafe request else { return }
            unsafe MountContext.of(request)?.statistics(FuseRequest(request))
        }
        unsafe table.getxattr = { request, node, name, size in
            guard let request = unsafe request, let name = unsafe name else { return }
            let text = unsafe String(cString: name)
            unsafe MountContext.of(request)?.getAttribute(FuseRequest(request), node, text, size)
        }
        unsafe table.listxattr = { request, node, size in
            guard let request = unsafe request else { return }
            unsafe MountContext.of(request)?.listAttributes(FuseRequest(request), node, size)
        }
    }

    /// What is agreed with the kernel when the mount begins.
    private static func configure(_ connection: inout fuse_conn_info) {
        // The macros are plain numbers to Swift.
        let wanted = UInt32(
            FUSE_CAP_READDIRPLUS | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPLICIT_INVAL_DATA
                | FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT | FUSE_CAP_PARALLEL_DIROPS
                | FUSE_CAP_ASYNC_READ)
        let refused = UInt32(
            FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ
                | FUSE_CAP_WRITEBACK_CACHE)
        connection.want = (connection.want | (connection.capable & wanted)) & ~refused
        connection.max_background = backgroundCountMax
        connection.congestion_threshold = backgroundCountMax / 4 * 3
    }

    private func lookup(_ request: FuseRequest, _ parent: fuse_ino_t, _ name: [UInt8]) {
        let parent = node(parent)
        answer(request) { [fileSystem] context in
            fileSystem.lookup(parent, name, context)
        } reply: { [owner, known] entry in
            if let node = entry.attributes?.node { known.add(CollectionOfOne(node)) }
            request.reply(entry, as: owner)
        }
    }

    private func forget(_ number: fuse_ino_t, _ count: UInt64) {
        known.forget(node(number), count: count)
    }

    private func getAttributes(_ request: FuseRequest, _ number: fuse_ino_t) {
        let node = node(number)
        answer(request) { [fileSystem] context in
            fileSystem.attributes(of: node, context)
        } reply: { [owner] found in
            request.reply(found.attributes, seconds: found.seconds, as: owner)
        }
    }

    private func readLink(_ request: FuseRequest, _ number: fuse_ino_t) {
        let node = node(number)
        answer(request) { [fileSystem] _ in
            fileSystem.target(of: node)
        } reply: { target in
            request.replyLink(target)
        }
    }

    private struct FilledBuffer: Sendable {
        let buffer: PooledBuffer
        let count: Int
        /// Whether nothing had to be waited for.
        let wasStored: Bool
    }

    private func read(
        _ request: FuseRequest, _ number: fuse_ino_t, _ size: Int, _ offset: Int64
    ) {
        let node = node(number)
        let wanted = min(size, BufferPool.bufferByteCount)
        answer(request) { [fileSystem, buffers, pusher] context in
            let buffer = buffers.take()
            let outcome = unsafe fileSystem.read(
                node, at: offset, into: buffer.prefix(wanted), context)
            switch outcome {
            case .done(let count):
                let isFirst = context.attemptCount == 0
                return .done(FilledBuffer(buffer: buffer, count: count, wasStored: isFirst))
            case .failed(let error): return .failed(error)
            case .lacks(let need, let seconds):
                pusher.cancel(node)
                return .lacks(need, withinSeconds: seconds)
            }
        } reply: { [pusher] filled in
            unsafe request.reply(UnsafeRawBufferPointer(filled.buffer.prefix(filled.count)))
            if filled.wasStored && filled.count > 0 {
                pusher.noteRead(node, offset..<offset + Int64(filled.count))
            }
        }
    }

    private func list(
        _ request: FuseRequest, _ number: fuse_ino_t, _ size: Int, _ offset: Int64,
        withAttributes: Bool
    ) {
        let node = node(number)
        answer(request) { [fileSystem] context in
            fileSystem.list(node, from: offset, withAttributes: withAttributes, context)
        } reply: { [owner, known] listing in
            let count = request.reply(
                listing: listing, byteCountMax: size, withAttributes: withAttributes, as: owner)
            if withAttributes {
                known.add(listing.prefix(count).compactMap { $0.entry?.attributes?.node })
            }
        }
    }

    private func statistics(_ request: FuseRequest) {
        answer(request) { [fileSystem] _ in
            fileSystem.statistics()
        } reply: { statistics in
            request.reply(statistics)
        }
    }

    private func getAttribute(
        _ request: FuseRequest, _ number: fuse_ino_t, _ name: String, _ size: Int
    ) {
        let node = node(number)
        answer(request) { [fileSystem] _ in
            fileSystem.extendedAttribute(node, name)
        } reply: { value in
            request.reply(attribute: value, bufferByteCount: size)
        }
    }

    private func listAttributes(_ request: FuseRequest, _ number: fuse_ino_t, _ size: Int) {
        let node = node(number)
        answer(request) { [fileSystem] _ in
            fileSystem.extendedAttributeNames(node)
        } reply: { names in
            let list = names.flatMap { [UInt8]($0.utf8) + [0 as UInt8] }
            request.reply(attribute: list, bufferByteCount: size)
        }
    }
}
