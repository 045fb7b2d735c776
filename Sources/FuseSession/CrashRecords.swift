// Which requests were in work on a thread when the process crashed, in memory that outlives it.
//
// A request that crashes each process which takes it would keep the mount from everybody, since it
// comes again after each death. So a thread says what it works on, in two numbers of its own; when
// it gets SIGSEGV, SIGBUS, SIGILL, SIGABRT or SIGTRAP, a handler in the C shims notes them in a
// page of shared memory, which the keeper holds too. The successor finds the page, and answers what
// was noted twice with EIO. Who merely waits is on no thread, and has no part in a crash.
//
// Requests are known by the kernel's numbers, which a connection never gives twice, and connections
// by where they are mounted. Nothing here waits or allocates once it is made.

internal import CShims
internal import Glibc
package import Platform
package import Telemetry

/// The requests that crashed processes, of all mounts of a daemon.
@safe
package final class CrashRecords: @unchecked Sendable {
    // Sendable because `notes` never changes, and what it points to are atomics.

    /// A second time it was no accident.
    static let crashCountMax: UInt32 = 2
    /// The kernel marks what it sends again.
    ///
    /// Source: `FUSE_UNIQUE_RESEND` in Linux 6.9's include/uapi/linux/fuse.h.
    private static let resendBit: UInt64 = 1 << 63

    private let memory: FileDescriptor
    private let notes: UnsafeMutableRawPointer
    private let log: Log

    /// Empty ones.
    package convenience init(_ log: Log) throws(Errno) {
        let file = modelfs_memory_file()
        if file < 0 { throw .current }
        let memory = FileDescriptor(owning: file)
        try memory.truncate(to: Int64(MODELFS_CRASHES_BYTE_COUNT))
        try self.init(mapping: memory, log)
        unsafe modelfs_crashes_prepare(notes)
    }

    /// Those of an earlier process.
    ///
    /// - Throws: `invalidArgument` for memory of another form.
    package convenience init(
        takingOver memory: consuming FileDescriptor, _ log: Log
    ) throws(Errno) {
        if try memory.size() != Int64(MODELFS_CRASHES_BYTE_COUNT) {
            throw .invalidArgument
        }
        try self.init(mapping: memory, log)
        if unsafe modelfs_crashes_are_valid(notes) == 0 { throw .invalidArgument }
    }

    private init(mapping memory: consuming FileDescriptor, _ log: Log) throws(Errno) {
        let mapped = unsafe mmap(
            nil, MODELFS_CRASHES_BYTE_COUNT, PROT_READ | PROT_WRITE, MAP_SHARED,
            memory.rawValue, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { throw .current }
        unsafe notes = mapped
        self.memory = memory
        self.log = log
    }

    deinit {
        unsafe munmap(notes, MODELFS_CRASHES_BYTE_COUNT)
    }

    /// For whoever is to keep the memory; it stays this object's.
    package var descriptorNumber: CInt { memory.rawValue }

    /// From here on crashes of this process are noted.
    ///
    /// The handler needs the memory, so these records are kept until the process ends.
    package func watch() throws(Errno) {
        _ = unsafe Unmanaged.passRetained(self)
        let status = unsafe modelfs_crashes_watch(notes)
        if status != 0 { throw Errno(status) }
    }

    /// A connection begins whose requests have no history.
    func forget(_ connection: UInt64) {
        unsafe modelfs_crashes_forget(notes, connection)
    }

    /// A process crashed with this in work: what the handler does.
    func note(_ work: RequestWork, signal: CInt) {
        unsafe modelfs_crashes_note(notes, work.connection, work.request, signal)
    }

    /// What a thread that handles this message works on.
    static func work(_ head: MessageHead, _ connection: UInt64) -> RequestWork {
        RequestWork(connection: connection, request: head.unique & ~resendBit)
    }

    /// Whether a message came again after having crashed two processes.
    func refuses(_ head: MessageHead, _ connection: UInt64) -> Bool {
        if head.unique & CrashRecords.resendBit == 0 { return false }
        let request = head.unique & ~CrashRecords.resendBit
        let count = unsafe modelfs_crashes_count(notes, connection, request)
        return count >= CrashRecords.crashCountMax
    }

    /// Writes down that a message was answered with EIO.
    ///
    /// - Parameter file: which one it was about, where that is known.
    func tellRefusal(_ head: MessageHead, _ connection: UInt64, file: String?) {
        let request = head.unique & ~CrashRecords.resendBit
        let signal = unsafe modelfs_crashes_signal(notes, connection, request)
        log.error(
            "a request crashed the daemon twice and is answered with EIO; please report this",
            [
                "request": KernelMessages.name(of: head.opcode), "node": "\(head.node)",
                "file": file ?? "", "signal": Signals.name(of: signal),
            ])
    }

    /// A connection's number: the same for every process that goes on with it.
    ///
    /// By FNV-1a: there are few, and who took one for another would still need equal requests.
    static func connection(at mountpoint: String) -> UInt64 {
        // 0 stands for none.
        mountpoint.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 } | 1
    }
}

/// What a thread works on.
struct RequestWork: Equatable, Sendable {
    let connection: UInt64
    let request: UInt64

    /// That of the calling thread.
    static var current: RequestWork? {
        let request = modelfs_crashes_request()
        if request == 0 { return nil }
        return RequestWork(connection: modelfs_crashes_connection(), request: request)
    }

    /// Does something for the request, on the calling thread, which may be at work on another.
    func during<Result>(_ body: () -> Result) -> Result {
        let outer = RequestWork.current
        modelfs_crashes_work(connection, request)
        defer { modelfs_crashes_work(outer?.connection ?? 0, outer?.request ?? 0) }
        return body()
    }
}

/// A second stack of the calling thread, on which a crash is noted when the first is used up.
@safe
struct SecondStack: ~Copyable {
    private let stack: UnsafeMutableRawPointer?

    init() { unsafe stack = modelfs_crashes_second_stack() }

    /// To be let go of by the thread that made it.
    deinit {
        if let stack = unsafe stack { unsafe modelfs_crashes_free_stack(stack) }
    }
}
