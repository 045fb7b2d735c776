// OPEN and RELEASE, where they are answered: each content in the mode that `OpenModes` allows.
//
// The answers are written to the device by hand, since libfuse 3.14 cannot say passthrough. A
// content whose flat file is complete and proven is registered with the kernel at its first open
// and let go of after its last close; everything else is read through the page cache, whose pages
// stay from open to open. Nothing here waits but for the local disk.
//
// There is one lock, and no call to the kernel, the store or the catalog under it.

internal import CShims
internal import Catalog
internal import FileSystem
internal import Glibc
internal import Platform

/// The open files of a mount, where the kernel tells of them.
final class FileOpens: Sendable {
    /// Decisions are remembered for `status`, the newest last.
    private static let decisionCountMax = 100

    /// How a content was opened.
    private struct Decision {
        let node: NodeID
        let mode: OpenMode
        /// What was in the way of passthrough.
        let obstacle: WhyNotFlat?
    }

    private struct State: ~Copyable {
        var modes: OpenModes
        var records: OpenRecords
        var decisions: [Decision] = []
    }

    private let fileSystem: FileSystem
    private let device: CInt
    /// Has the kernel drop the pages of a content, without waiting for it.
    private let dropPages: @Sendable (NodeID) -> Void
    private let state: Lock<State>
    /// Nil where it cannot be set.
    private let readahead = Lock<Readahead?>(nil)

    /// - Parameters:
    ///   - device: the connection's descriptor, which somebody else owns; INIT is answered.
    ///   - resuming: whether the kernel's open files are those that an earlier process noted.
    /// - Throws: what is in the way.
    init(
        _ fileSystem: FileSystem, device: CInt, _ options: PassthroughOptions, resuming: Bool,
        dropPages: @escaping @Sendable (NodeID) -> Void
    ) throws(PassthroughRefusal) {
        self.fileSystem = fileSystem
        self.device = device
        self.dropPages = dropPages
        do throws(Errno) {
            let probe = try FileDescriptor.open(options.probePath, O_RDONLY)
            FileOpens.close(try FileOpens.register(probe, device), device)
        } catch {
            throw PassthroughRefusal(error == .notPermitted ? .notPrivileged : .refused(error))
        }
        var records: OpenRecords
        do throws(Errno) {
            records = try OpenRecords(path: options.recordPath, resuming: resuming)
        } catch {
            throw PassthroughRefusal(.noRecords(error))
        }
        var modes = OpenModes()
        for record in records.all() { modes.resume(record.node, record.mode, count: record.count) }
        state = Lock(State(modes: modes, records: records))
    }

    /// An OPEN has come; it is answered now, or with another one of the same content.
    func open(_ node: NodeID, _ unique: UInt64) {
        fileSystem.noteOpen(node)
        let action = state.withLock { state in
            let action = state.modes.open(node, request: unique)
            if case .reply(let mode) = action {
                state.records.note(node, mode, count: state.modes.count(node))
            }
            return action
        }
        switch action {
        case .reply(let mode): answer(unique, node, mode)
        case .wait: break
        case .decide: decide(node)
        }
    }

    /// Files that are not all here when they are opened are read ahead less, from now on.
    func shorten(_ readahead: Readahead) {
        self.readahead.withLock { $0 = readahead }
    }

    /// A RELEASE has come.
    func release(_ node: NodeID, _ unique: UInt64) {
        // Before it is noted: what was not answered comes to a successor once more, which would
        // count it down twice.
        _ = write(KernelAnswer.plain(unique, nil))
        forget(node)
    }

    /// Whether the kernel reads a content by itself, so that its own pages are of no use.
    func isReadByKernel(_ node: NodeID) -> Bool {
        switch state.withLock({ $0.modes.mode(node) }) {
        case .passthrough: true
        case .cached, nil: false
        }
    }

    /// What is open, then what was open lately.
    func list() -> [FileReading] {
        let countMax = FileOpens.decisionCountMax
        let (open, decisions) = state.withLock { state in
            (state.modes.list(countMax: countMax), state.decisions)
        }
        var obstacles: [NodeID: WhyNotFlat] = [:]
        for decision in decisions { obstacles[decision.node] = decision.obstacle }
        let openNodes = Set(open.map(\.node))
        let closed = decisions.reversed().filter { !openNodes.contains($0.node) }
        let all = open.map { ($0.node, $0.mode, $0.count) } + closed.map { ($0.node, $0.mode, 0) }
        return all.prefix(countMax).compactMap { node, mode, count in
            guard let place = fileSystem.place(of: node) else { return nil }
            return FileReading(
                name: place.name, otherPlaceCount: place.otherCount, isByKernel: mode != .cached,
                obstacle: mode == .cached ? obstacles[node] : nil, openCount: count)
        }
    }

    // MARK: The first open of a content

    private func decide(_ node: NodeID) {
        let decision: Decision
        do throws(FileSystemError) {
            decision = try choose(node)
        } catch {
            let refused = state.withLock { $0.modes.failed(node) }
            for unique in refused { _ = write(KernelAnswer.plain(unique, Errno(error))) }
            return
        }
        let (waiting, hadPages) = state.withLock { state in
            let waiting = state.modes.decided(node, decision.mode)
            state.records.note(node, decision.mode, count: waiting.count)
            let hadPages = state.decisions.last { $0.node == node }?.mode == .cached
            state.decisions.removeAll { $0.node == node }
            if state.decisions.count >= FileOpens.decisionCountMax { state.decisions.removeFirst() }
            state.decisions.append(decision)
            return (waiting, hadPages)
        }
        for unique in waiting { answer(unique, node, decision.mode) }
        if decision.mode != .cached { fileSystem.noteReadByKernel(node) }
        // What was read the other way would stay in memory beside the file's own pages.
        if decision.mode != .cached && hadPages { dropPages(node) }
    }

    private func choose(_ node: NodeID) throws(FileSystemError) -> Decision {
        switch try fileSystem.flatState(of: node) {
        case .notReady(let obstacle):
            return Decision(node: node, mode: .cached, obstacle: obstacle)
        case .proven(let file):
            do throws(Errno) {
                let number = try FileOpens.register(file, device)
                return Decision(node: node, mode: .passthrough(backingID: number), obstacle: nil)
            } catch {
                // Such as ENOMEM: it is read the other way until everybody has closed it.
                return Decision(node: node, mode: .cached, obstacle: .unreadable)
            }
        }
    }

    private func answer(_ unique: UInt64, _ node: NodeID, _ mode: OpenMode) {
        if mode == .cached { setReadahead(for: node) }
        // An OPEN whose program is gone takes no answer, and sends no RELEASE.
        if !write(KernelAnswer.opened(unique, mode)) { forget(node) }
    }

    /// Before the kernel gives it to the file that is being opened.
    private func setReadahead(for node: NodeID) {
        guard let readahead = readahead.withLock({ $0 }) else { return }
        let isIncomplete = fileSystem.isIncomplete(node)
        // Where that fails it stays as it was, which costs some speed.
        try? readahead.set(
            kibibytes: isIncomplete ? Readahead.shortKiB : Readahead.usualKiB)
    }

    private func forget(_ node: NodeID) {
        let unused = state.withLock { state -> OpenMode? in
            let unused = state.modes.release(node)
            if let mode = state.modes.mode(node) {
                state.records.note(node, mode, count: state.modes.count(node))
            } else {
                state.records.remove(node)
            }
            return unused
        }
        if case .passthrough(let number) = unused { FileOpens.close(number, device) }
    }

    // MARK: The device

    private static func register(
        _ file: borrowing FileDescriptor, _ device: CInt
    ) throws(Errno) -> UInt32 {
        let number = file.rawValue
        return UInt32(try retryingOnInterrupt { modelfs_fuse_backing_open(device, number) })
    }

    private static func close(_ backingID: UInt32, _ device: CInt) {
        // It fails for a number that is not there, which is as good.
        _ = modelfs_fuse_backing_close(device, backingID)
    }

    /// - Returns: whether the kernel took it.
    private func write(_ answer: [UInt8]) -> Bool {
        unsafe answer.withUnsafeBytes { bytes in
            unsafe Glibc.write(device, bytes.baseAddress, bytes.count) == bytes.count
        }
    }
}
