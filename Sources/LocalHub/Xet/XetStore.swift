// The Xet side of a root, for reading: what files are made of, and where chunks lie in xorbs.
//
// A xorb file is as the official client writes it: the chunks, then a footer that names them and
// tells where each ends. Records and footers never change; they are kept in memory by their size.

internal import Glibc
internal import Platform
package import Xet

/// Where the chunks of a xorb end.
struct XorbIndex: Sendable {
    /// In the file, headers included.
    let packedEnds: [UInt32]
    /// When all are decoded.
    let unpackedEnds: [UInt32]

    /// The bytes of the file that chunks take.
    func packedRange(of chunks: Range<Int>) -> Range<Int64> {
        let start = chunks.lowerBound == 0 ? 0 : packedEnds[chunks.lowerBound - 1]
        return Int64(start)..<Int64(packedEnds[chunks.upperBound - 1])
    }

    /// Where a chunk begins among the decoded bytes.
    func unpackedStart(of chunk: Int) -> Int64 {
        chunk == 0 ? 0 : Int64(unpackedEnds[chunk - 1])
    }
}

/// Reads records and xorbs.
///
/// Shared by all threads.
package final class XetStore: Sendable {
    /// Ends of chunks in memory: 8 bytes each, 32 MB, enough for the xorbs of some 256 GB.
    private static let endCountMax = 4_000_000
    /// Terms in memory: at 64 bytes each, 32 MB.
    private static let termCountMax = 500_000

    private struct State {
        var xorbs = RecentCache<XetHash, XorbIndex>(
            costMax: XetStore.endCountMax, cost: { $0.packedEnds.count + 10 })
        var files = RecentCache<XetHash, XetFileRecord>(
            costMax: XetStore.termCountMax, cost: { $0.terms.count + 10 })
    }

    private let root: HubRoot
    private let state = Lock(State())

    package init(_ root: HubRoot) {
        self.root = root
    }

    /// What a file is made of; nil if it is not known.
    package func file(_ hash: XetHash) throws(LocalHubError) -> XetFileRecord? {
        if let known = state.withLock({ $0.files.value(for: hash) }) { return known }
        let path = root.xetFilePath(hash)
        guard let bytes = try contents(of: path) else { return nil }
        guard let record = XetFileRecord(bytes: bytes) else { throw .damaged(path: path) }
        state.withLock { $0.files.insert(record, for: hash) }
        return record
    }

    /// Where the chunks of a xorb end.
    ///
    /// - Throws: `damaged` also if there is no such xorb: what is asked for is named in a record.
    func index(of xorb: XetHash) throws(LocalHubError) -> XorbIndex {
        if let known = state.withLock({ $0.xorbs.value(for: xorb) }) { return known }
        let footer = try Self.footer(of: root.xorbPath(xorb))
        guard footer.hash == xorb, let unpackedEnds = footer.unpackedEnds else {
            throw .damaged(path: root.xorbPath(xorb))
        }
        let index = XorbIndex(packedEnds: footer.packedEnds, unpackedEnds: unpackedEnds)
        state.withLock { $0.xorbs.insert(index, for: xorb) }
        return index
    }

    /// Opens a xorb; nil if there is none.
    func open(_ xorb: XetHash) throws(LocalHubError) -> FileDescriptor? {
        let path = root.xorbPath(xorb)
        do throws(Errno) {
            return try FileDescriptor.open(path, O_RDONLY)
        } catch {
            if error == .noEntry { return nil }
            throw .file(path: path, error)
        }
    }

    /// The footer at the end of a xorb's file.
    static func footer(of path: String) throws(LocalHubError) -> XorbFooter {
        let tail: [UInt8]
        let byteCount: Int64
        do throws(Errno) {
            let file = try FileDescriptor.open(path, O_RDONLY)
            byteCount = try file.size()
            if byteCount < 4 { throw .noEntry }
            // The last word says how much more there is to read.
            let word = try file.readBytes(countMax: 4, at: byteCount - 4)
            let length = word.reversed().reduce(0) { Int64($0) << 8 | Int64($1) } + 4
            let wanted = min(length, Int64(XorbFooter.mostBytes) + 4, byteCount)
            tail = try file.readBytes(countMax: Int(wanted), at: byteCount - wanted)
        } catch {
            if error == .noEntry { throw .damaged(path: path) }
            throw .file(path: path, error)
        }
        do throws(XetError) {
            return try XorbFooter(tail: tail, fileByteCount: UInt64(byteCount))
        } catch {
            throw .damaged(path: path)
        }
    }
}
