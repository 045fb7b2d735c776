// The bytes of the few messages that libfuse 3.14 cannot say: it knows nothing of passthrough.
//
// Offsets are those of Linux' include/uapi/linux/fuse.h, protocol 7.40, in the byte order of the
// machine. Nothing here talks to the kernel.

internal import Glibc
internal import Platform

/// The head of a message from the kernel: `struct fuse_in_header`.
struct MessageHead: Equatable {
    static let byteCount = 40

    let opcode: UInt32
    /// What the answer names.
    let unique: UInt64
    let node: UInt64

    /// Nil for fewer bytes than a head has.
    init?(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count < MessageHead.byteCount { return nil }
        opcode = unsafe bytes.load(fromByteOffset: 4, as: UInt32.self)
        unique = unsafe bytes.load(fromByteOffset: 8, as: UInt64.self)
        node = unsafe bytes.load(fromByteOffset: 16, as: UInt64.self)
    }
}

/// Kinds of messages that are treated here.
enum Opcode {
    static let open: UInt32 = 14
    static let release: UInt32 = 18
    static let initialize: UInt32 = 26
}

/// Numbers that are laid out one after the other.
struct WireBytes {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ number: UInt16) { appendBytes(of: number) }
    mutating func append(_ number: UInt32) { appendBytes(of: number) }
    mutating func append(_ number: UInt64) { appendBytes(of: number) }

    private mutating func appendBytes(of number: some FixedWidthInteger) {
        var number = number
        unsafe withUnsafeBytes(of: &number) { unsafe bytes.append(contentsOf: $0) }
    }
}

/// Answers as they are written to the device: `struct fuse_out_header` and what follows it.
enum KernelAnswer {
    static let headByteCount = 16
    /// FOPEN_KEEP_CACHE: pages of earlier opens stay; refused together with passthrough.
    private static let keepCache: UInt32 = 1 << 1
    /// FOPEN_NOFLUSH: closing a descriptor sends nothing.
    private static let noFlush: UInt32 = 1 << 5
    /// FOPEN_PASSTHROUGH.
    private static let passthrough: UInt32 = 1 << 7

    /// An OPEN's success: `struct fuse_open_out`.
    static func opened(_ unique: UInt64, _ mode: OpenMode) -> [UInt8] {
        var wire = head(unique, byteCount: headByteCount + 16, error: nil)
        wire.append(UInt64(0))
        switch mode {
        case .cached:
            wire.append(keepCache | noFlush)
            wire.append(UInt32(0))
        case .passthrough(let backingID):
            wire.append(passthrough | noFlush)
            wire.append(backingID)
        }
        return wire.bytes
    }

    /// Any message's failure, or a success that has nothing to say.
    static func plain(_ unique: UInt64, _ error: Errno?) -> [UInt8] {
        head(unique, byteCount: headByteCount, error: error).bytes
    }

    /// FUSE_NOTIFY_RESEND: what an earlier process took and did not answer comes again.
    static var resend: [UInt8] {
        // A notification has no request, and its code in place of the error.
        var wire = WireBytes()
        wire.append(UInt32(headByteCount))
        wire.append(UInt32(7))
        wire.append(UInt64(0))
        return wire.bytes
    }

    /// The head of FUSE_NOTIFY_STORE: pages of a node, which follow.
    static func store(_ node: UInt64, at offset: Int64, byteCount: Int) -> [UInt8] {
        var wire = WireBytes()
        wire.append(UInt32(headByteCount + 24 + byteCount))
        wire.append(UInt32(4))
        wire.append(UInt64(0))
        wire.append(node)
        wire.append(UInt64(offset))
        wire.append(UInt32(byteCount))
        wire.append(UInt32(0))
        return wire.bytes
    }

    private static func head(_ unique: UInt64, byteCount: Int, error: Errno?) -> WireBytes {
        var wire = WireBytes()
        wire.append(UInt32(byteCount))
        wire.append(UInt32(bitPattern: -(error?.rawValue ?? 0)))
        wire.append(unique)
        return wire
    }
}

/// The INIT exchange: what the kernel offers, and what is added to libfuse's answer.
enum InitExchange {
    /// FUSE_INIT_EXT: the second word of flags counts.
    private static let extended: UInt32 = 1 << 30
    /// FUSE_PASSTHROUGH, bit 37 of both words together.
    private static let passthrough: UInt32 = 1 << 5

    /// Places in `struct fuse_init_in`, behind the head.
    private enum Request {
        static let flags = MessageHead.byteCount + 12
        static let flags2 = MessageHead.byteCount + 16
    }

    /// Places in `struct fuse_init_out`, behind the head.
    private enum Reply {
        static let maxReadahead = KernelAnswer.headByteCount + 8
        static let flags = KernelAnswer.headByteCount + 12
        static let maxBackground = KernelAnswer.headByteCount + 16
        static let congestion = KernelAnswer.headByteCount + 18
        static let maxWrite = KernelAnswer.headByteCount + 20
        static let maxPages = KernelAnswer.headByteCount + 28
        static let flags2 = KernelAnswer.headByteCount + 32
        static let stackDepth = KernelAnswer.headByteCount + 36
        static let byteCount = KernelAnswer.headByteCount + 64
    }

    /// Whether the kernel can read files by itself.
    static func offersPassthrough(_ request: [UInt8]) -> Bool {
        guard let flags = number(request, at: Request.flags), flags & extended != 0,
            let flags2 = number(request, at: Request.flags2)
        else { return false }
        return flags2 & passthrough != 0
    }

    /// Takes the offer, in an answer that libfuse made.
    ///
    /// - Returns: nil for an answer of another form, which is left to go as it is.
    static func acceptingPassthrough(_ reply: [UInt8], stackDepth: UInt32) -> [UInt8]? {
        guard reply.count == Reply.byteCount, let flags = number(reply, at: Reply.flags),
            let flags2 = number(reply, at: Reply.flags2)
        else { return nil }
        var patched = reply
        set(&patched, at: Reply.flags, flags | extended)
        set(&patched, at: Reply.flags2, flags2 | passthrough)
        set(&patched, at: Reply.stackDepth, stackDepth)
        return patched
    }

    /// What was agreed on, as the answer tells it.
    static func settings(_ reply: [UInt8]) -> ConnectionSettings? {
        guard let readahead = number(reply, at: Reply.maxReadahead),
            let background = number(reply, at: Reply.maxBackground),
            let pages = number(reply, at: Reply.maxPages)
        else { return nil }
        return ConnectionSettings(
            readaheadByteCount: Int(readahead), backgroundCount: Int(background & 0xFFFF),
            congestionCount: Int(background >> 16),
            requestByteCount: Int(pages & 0xFFFF) * ConnectionSettings.pageByteCount)
    }

    private static func number(_ bytes: [UInt8], at offset: Int) -> UInt32? {
        guard bytes.count >= offset + 4 else { return nil }
        return unsafe bytes.withUnsafeBytes {
            unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        }
    }

    private static func set(_ bytes: inout [UInt8], at offset: Int, _ number: UInt32) {
        unsafe bytes.withUnsafeMutableBytes {
            unsafe $0.storeBytes(of: number, toByteOffset: offset, as: UInt32.self)
        }
    }
}

/// What a mount asked of the kernel in its INIT answer.
package struct ConnectionSettings: Equatable, Sendable {
    /// What the kernel counts requests in.
    static let pageByteCount = Int(getpagesize())

    /// The most that is read ahead; the device's own limit holds as well.
    package let readaheadByteCount: Int
    /// Requests that may be under way in the background.
    package let backgroundCount: Int
    /// From how many of them on the mount counts as congested.
    package let congestionCount: Int
    /// The longest request.
    package let requestByteCount: Int
}
