// Transfers whose bytes lie in the official client's cache: read there on a thread of their own,
// and received like any other's.

internal import Catalog
internal import HubAPI
internal import Platform
internal import Telemetry
internal import Transport

extension ContentFetcher {
    /// What is read at once.
    private static let localPieceByteCount = 1 << 20
    /// How long it is remembered that a content is not there, in seconds.
    private static let absenceSeconds = 60.0
    /// While too much has come that is not stored yet, in seconds.
    private static let pauseSeconds = 0.002

    /// What is known of contents in the official client's cache.
    struct LocalKnowledge {
        /// Until when a content is not looked for.
        var absences = RecentCache<ContentID, MonotonicInstant>(costMax: 16_384)
        /// Contents that were wrong there.
        var wrong: Set<ContentID> = []
        /// Contents of which the log has told that they come from there.
        var told: Set<ContentID> = []
    }

    /// A transfer that may be served from there.
    struct LocalTransfer: Sendable {
        let attempt: ActiveContent.Attempt
        let number: ContentPlan.TransferNumber
    }

    /// Has a transfer looked for in the official client's cache.
    ///
    /// - Returns: false when it is not worth a look.
    func takeLocally(
        _ attempt: ActiveContent.Attempt, _ number: ContentPlan.TransferNumber
    ) -> Bool {
        guard clientCache != nil else { return false }
        let id = attempt.content.id
        let isWorthIt = localKnowledge.withLock { known in
            if known.wrong.contains(id) { return false }
            guard let until = known.absences.value(for: id) else { return true }
            return scheduling.now >= until
        }
        if isWorthIt { locals.send(LocalTransfer(attempt: attempt, number: number)) }
        return isWorthIt
    }

    /// Nothing more of a content is taken from there: it was not what its hash says.
    func distrustLocally(_ content: ContentID) {
        localKnowledge.withLock { known in
            if known.told.contains(content) { known.wrong.insert(content) }
        }
    }

    /// On the "local" thread: reads the transfer's bytes, or has the Hub asked.
    func perform(_ transfer: LocalTransfer) {
        let (attempt, number) = (transfer.attempt, transfer.number)
        let content = attempt.content
        let sources = (try? catalog.sources(of: content.id)) ?? []
        guard let file = clientCache?.open(content, in: sources.map(\.repository)) else {
            localKnowledge.withLock {
                $0.absences.insert(scheduling.now + ContentFetcher.absenceSeconds, for: content.id)
            }
            return ask(attempt, number)
        }
        let isNew = localKnowledge.withLock { $0.told.insert(content.id).inserted }
        if isNew {
            log.info(
                "bytes come from the official client's cache",
                ["file": "\(attempt.source.repository.name)/\(attempt.source.path)"])
        }
        let sink = receiver(attempt, number)
        if let failure = read(file, attempt.range, into: sink) {
            log.warning(
                "the official client's cache cannot be read; the Hub is asked",
                ["file": attempt.source.path, "error": "\(failure)"])
            localKnowledge.withLock { _ = $0.wrong.insert(content.id) }
            // What has come stays; the rest is asked for as after any other failure.
            return sink.contentDidFinish(.failure(.dataUnreachable(.closedEarly)))
        }
        sink.contentDidFinish(.success(()))
    }

    private func read(
        _ file: borrowing FileDescriptor, _ range: Range<Int64>, into sink: TransferReceiver
    ) -> Errno? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: ContentFetcher.localPieceByteCount, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        var offset = range.lowerBound
        while offset < range.upperBound {
            let wanted = Int(min(Int64(buffer.count), range.upperBound - offset))
            let room = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
            do throws(Errno) {
                if try unsafe file.read(into: room, at: offset) < wanted { return .outOfRange }
            } catch {
                return error
            }
            let piece = UnsafeRawBufferPointer(room)
            while unsafe sink.receive(piece, at: offset) != .proceed {
                if state.withLock({ $0.isClosed }) { return nil }
                sleep(seconds: ContentFetcher.pauseSeconds)
            }
            localBytes.add(Int64(wanted))
            offset += Int64(wanted)
        }
        return nil
    }
}
