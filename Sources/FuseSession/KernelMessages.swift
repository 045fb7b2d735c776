// Counts of the kernel's messages by kind, for `status` and for the tests that count them.

internal import Telemetry

/// How many messages of each kind have come.
package final class KernelMessages: Sendable {
    /// Opcodes by number.
    ///
    /// Source: `enum fuse_opcode` in Linux' include/uapi/linux/fuse.h.
    private static let names: [Int: String] = [
        1: "LOOKUP", 2: "FORGET", 3: "GETATTR", 5: "READLINK", 14: "OPEN", 15: "READ",
        17: "STATFS", 18: "RELEASE", 22: "GETXATTR", 23: "LISTXATTR", 25: "FLUSH", 26: "INIT",
        27: "OPENDIR", 28: "READDIR", 29: "RELEASEDIR", 34: "ACCESS", 36: "INTERRUPT",
        38: "DESTROY", 39: "IOCTL", 40: "POLL", 42: "BATCH_FORGET", 44: "READDIRPLUS",
        46: "LSEEK", 52: "STATX",
    ]
    private static let opcodeMax = 64

    private let counters: [Counter]

    init() {
        counters = (0...KernelMessages.opcodeMax).map { _ in Counter() }
    }

    /// Such as `READ`.
    static func name(of opcode: UInt32) -> String { names[Int(opcode)] ?? "OTHER" }

    func count(_ opcode: UInt32) {
        counters[min(Int(opcode), KernelMessages.opcodeMax)].add()
    }

    /// The kinds that came at least once.
    package var counts: [String: Int64] {
        var counts: [String: Int64] = [:]
        for (opcode, counter) in counters.enumerated() where counter.value > 0 {
            counts[KernelMessages.names[opcode] ?? "OTHER", default: 0] += counter.value
        }
        return counts
    }
}
