// The worker's program: which file it is, and how it is started.
//
// The file that was started stays open, so that a worker which dies is followed by the same
// program whatever is installed meanwhile. Another one comes only when it is asked for.

internal import Glibc
internal import Platform
internal import Settings

/// What is started again and again.
struct WorkerProgram: ~Copyable {
    /// Above the descriptors that a worker is given.
    private static let descriptorMin: CInt = 16

    private let path: String
    private let arguments: [String]
    private let environment: [String]
    private var proven: FileDescriptor
    /// What was installed meanwhile, and was started once.
    private var candidate: FileDescriptor?
    /// The first worker's orders, if it has any.
    private var order: FileDescriptor?

    /// - Parameters:
    ///   - path: of the program's file.
    ///   - arguments: the words after the program's name.
    ///   - order: what the first worker has as descriptor 3; owned from here on.
    init(
        path: String, arguments: [String], order: consuming FileDescriptor?
    ) throws(Errno) {
        self.path = path
        self.arguments = arguments
        self.order = order
        var values = Environment.process.values
        for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] { values[name] = nil }
        values[KeeperLink.variable] = "\(KeeperLink.descriptor)"
        values[KeeperLink.programVariable] = path
        environment = Environment(values).entries
        proven = try WorkerProgram.open(path)
    }

    private static func open(_ path: String) throws(Errno) -> FileDescriptor {
        try FileDescriptor.open(path, O_RDONLY).duplicate(from: descriptorMin)
    }

    /// Starts a worker.
    ///
    /// - Parameter socket: becomes its descriptor for the keeper; stays the caller's.
    mutating func start(
        _ program: Succession.Program, socket: CInt
    ) throws(Errno) -> ChildProcess {
        candidate = program == .installed ? try? WorkerProgram.open(path) : nil
        let file = candidate?.rawValue ?? proven.rawValue
        let child = try ChildProcess(
            "/proc/self/fd/\(file)", arguments, name: "modelfs", environment: environment,
            descriptors: [0, 1, 2, order?.rawValue ?? -1, socket], isSessionLeader: true)
        // Who gave the order sees the end of the worker that has it.
        order = nil
        return child
    }

    /// What was started last is what is started from now on.
    mutating func settle() {
        if let file = candidate.take() { proven = file }
    }
}
