// Readers: answered from the store, or joined to what is fetched until it comes or their time ends.

internal import Catalog
internal import ChunkStore
internal import HubAPI
internal import Platform
internal import Synchronization
internal import Telemetry
internal import Transport

extension ContentFetcher {
    func read(
        _ content: Content, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) -> Bool {
        if !mayServe(content) { return false }
        if holdsMemory.load(ordering: .relaxed) {
            return unsafe readWithMemory(content, offset, buffer)
        }
        guard unsafe readStore(content, offset, buffer) else { return false }
        goAhead(of: offset..<offset + Int64(buffer.count), content.id)
        return true
    }

    /// Fills the buffer from the store, if all of it is there.
    func readStore(
        _ content: Content, _ offset: Int64, _ buffer: UnsafeMutableRawBufferPointer
    ) -> Bool {
        let failureCount = store.counters.checksumFailures.value
        do throws(StoreError) {
            let outcome = try unsafe store.read(
                content.hash, size: content.sizeBytes, at: offset, into: buffer)
            if outcome == .bytes(buffer.count) { return true }
            if store.counters.checksumFailures.value > failureCount {
                noteWound(content, offset..<offset + Int64(buffer.count))
            }
            return false
        } catch {
            log.error("the cache cannot be read", ["error": "\(error)"])
            return false
        }
    }

    /// A reader that finds everything there still moves its window.
    private func goAhead(of range: Range<Int64>, _ id: ContentID) {
        let actions = state.withLock { state -> [ContentPlan.Action] in
            if state.isClosed { return [] }
            return state.active[id]?.readHit(range) ?? []
        }
        carryOut(actions, id)
    }

    private enum Admission {
        /// The content was forgotten in the meantime: prepare again.
        case again
        case refused(FetchError)
        case admitted([ContentPlan.Action], alarm: MonotonicInstant?, Touch)
    }

    /// What a read means to the planner.
    private enum Touch {
        case first, ofRest, other
    }

    /// - Parameter readsAhead: whether it is a reader's, who is likely to go on.
    func request(
        _ id: ContentID, _ range: Range<Int64>, insists: Bool, _ ticket: Fetcher.Ticket,
        readsAhead: Bool = true, deadline: MonotonicInstant,
        _ completion: @escaping Fetcher.Completion
    ) {
        while true {
            let prepared: Prepared
            do throws(FetchError) {
                prepared = try prepare(id, range, insists: insists)
            } catch {
                return completion(.failure(error))
            }
            let waiter = Waiter(content: id, completion: completion)
            let admission = admit(
                waiter, ticket, range, prepared, insists: insists, readsAhead: readsAhead, deadline)
            switch admission {
            case .again: continue
            case .refused(let error): return completion(.failure(error))
            case .admitted(let actions, let alarm, let touch):
                if let alarm { setAlarm(alarm) }
                carryOut(actions, id)
                switch touch {
                case .first: noteFirstTouch(id)
                case .ofRest: go()
                case .other: break
                }
                if prepared.awaitsProof { proveIfComplete(prepared.content) }
                return
            }
        }
    }

    private func admit(
        _ waiter: Waiter, _ ticket: Fetcher.Ticket, _ range: Range<Int64>, _ prepared: Prepared,
        insists: Bool, readsAhead: Bool, _ deadline: MonotonicInstant
    ) -> Admission {
        let now = scheduling.now
        let id = waiter.content
        // What the store cannot keep has to be read soon, or it is fetched for nothing.
        let readsAhead =
            readsAhead && options.prefetch != .nothing && !holdsMemory.load(ordering: .relaxed)
        return state.withLock { state in
            if state.isClosed { return .refused(.stopped) }
            let isFirst = state.active[id] == nil
            if isFirst {
                guard let fresh = prepared.active else { return .again }
                state.active[id] = fresh
            }
            if let sources = prepared.sources { state.active[id]?.replace(sources: sources) }
            if let refusal = state.active[id]?.currentRefusal(of: range, at: now) {
                return .refused(refusal)
            }
            state.waiters[ticket.number] = waiter
            let alarm = state.deadlines.add(ticket.number, until: deadline)
            let actions =
                prepared.awaitsProof
                ? state.active[id]?.readProven(lost: prepared.missing, waiter: ticket.number)
                : state.active[id]?.read(
                    range, lost: insists ? prepared.missing : [], waiter: ticket.number,
                    readsAhead: readsAhead)
            let touch: Touch =
                !readsAhead
                ? .other
                : isFirst
                    ? .first
                    : ContentFetcher.noteMiss(id, at: now, &state) ? .ofRest : .other
            return .admitted(actions ?? [], alarm: alarm, touch)
        }
    }

    func cancel(_ ticket: Fetcher.Ticket) {
        state.withLock { state in
            guard let waiter = state.waiters.removeValue(forKey: ticket.number) else { return }
            state.deadlines.remove(ticket.number)
            state.active[waiter.content]?.cancel(ticket.number)
        }
        go()
    }

    // MARK: Deadlines

    func setAlarm(_ instant: MonotonicInstant) {
        alarms.at(instant) { [self] in ring(instant) }
    }

    private func ring(_ instant: MonotonicInstant) {
        let now = scheduling.now
        let (late, absences, next) = state.withLock {
            state -> ([Waiter], [TransportError], MonotonicInstant?) in
            let (expired, next) = state.deadlines.ring(instant, at: now)
            var late: [Waiter] = []
            var absences: [TransportError] = []
            for number in expired {
                guard let waiter = state.waiters.removeValue(forKey: number) else { continue }
                late.append(waiter)
                if let cause = state.active[waiter.content]?.expire(number, at: now) {
                    absences.append(cause)
                }
            }
            return (late, absences, next)
        }
        if let next { setAlarm(next) }
        if let cause = absences.first { hub.noteUnreachable(cause) }
        for waiter in late { waiter.completion(.failure(.hub(.deadline))) }
        go()
    }

    // MARK: What a plan begins with

    struct Prepared {
        let content: Content
        /// Whether the reader is served only when the whole was proven.
        let awaitsProof: Bool
        /// Nil when the content is being read already.
        var active: ActiveContent?
        /// Sources that were looked up again; nil when that was not needed.
        var sources: [Catalog.Source]?
        let missing: [Range<Int64>]
    }

    /// Everything that a plan needs from the catalog and the store, gathered without the lock.
    func prepare(
        _ id: ContentID, _ range: Range<Int64>, insists: Bool
    ) throws(FetchError) -> Prepared {
        let (isKnown, needsSources) = state.withLock { state in
            (state.active[id] != nil, state.active[id]?.needsSources ?? true)
        }
        let content: Content?
        let sources: [Catalog.Source]?
        do throws(CatalogError) {
            content = try catalog.content(id)
            sources = needsSources ? try catalog.sources(of: id) : nil
        } catch {
            throw .catalog(error)
        }
        guard let content else { throw .noSource }
        let awaitsProof = !mayServe(content)
        if awaitsProof && content.sizeBytes > store.sizeLimitBytes {
            reportTooLarge(content)
            throw .tooLarge
        }
        let isWholeWanted = !isKnown || awaitsProof
        let wanted = isWholeWanted ? 0..<content.sizeBytes : insists ? range : 0..<0
        var missing = store.missingRanges(content.hash, size: content.sizeBytes, in: wanted)
        if awaitsProof { missing = notHeld(missing, of: id) }
        if isKnown {
            return Prepared(
                content: content, awaitsProof: awaitsProof, active: nil, sources: sources,
                missing: missing)
        }
        var present = RangeSet()
        present.insert(0..<content.sizeBytes)
        for gap in missing { present.remove(gap) }
        // What is touched there is wanted whole, so it may come at once; not at the cost of what
        // is in use.
        let isLikelyWeights =
            range.lowerBound == 0 && !range.isEmpty && !awaitsProof && options.prefetch == .auto
            && (sources ?? []).contains { ContentFetcher.isNamedLikeWeights($0.path) }
            && store.hasIdleRoom(
                for: min(content.sizeBytes, ContentPlan.openingByteCountMax))
        let plan = ContentPlan(
            sizeBytes: content.sizeBytes,
            unitByteCount: ContentFetcher.isFetchedWhole(content)
                ? max(1, content.sizeBytes) : Int64(ChunkStore.blockByteCount),
            present: present, readsAhead: options.prefetch != .nothing,
            openingByteCount: isLikelyWeights
                ? ContentPlan.openingByteCountMax : ContentPlan.windowByteCountMin)
        guard
            let active = ActiveContent(
                content, plan: plan, sources: sources ?? [], pace: firstPace(of: content))
        else { throw .noSource }
        return Prepared(
            content: content, awaitsProof: awaitsProof, active: active, sources: nil,
            missing: missing.filter { $0.overlaps(range) })
    }

    /// Through Xet all that may be on its way is so from the begin: the end of a request costs a
    /// chunk that may come twice there, and a small file is here before anything is known.
    private func firstPace(of content: Content) -> LinePace {
        if ContentFetcher.xetHash(of: content) == nil || hub.configuration.disablesXet {
            return LinePace(byteCountMax: ContentPlan.sharedByteCountMax)
        }
        let byteCount = ContentPlan.sharedByteCountMaxInXet
        return LinePace(startByteCount: byteCount, byteCountMax: byteCount)
    }
}
