// A replay: what an earlier run has touched is made ready in the same order.
//
// What is missing is put in line, content by content, on the "planner" thread, at the first touch
// of a revision. Of what lies flat and proven, which the kernel may read by itself, the pages are
// read on the "page in" thread (ContentFetcher+Pages.swift), so that the line does not wait.

internal import Catalog
internal import ChunkStore
internal import Platform
internal import Telemetry

extension ContentFetcher {
    func fetch(_ trace: TouchTrace) {
        if options.prefetch == .auto { planner.send(.replay(trace)) }
    }

    func readPages(of trace: TouchTrace) {
        if options.prefetch == .auto && store.hotLimitBytes > 0 { pages.send(.read(trace)) }
    }

    /// Puts what is missing in line, as one group in the order of the trace.
    func fetchMissing(of trace: TouchTrace) {
        var group: [ContentID] = []
        var orders: [ContentID: [Range<Int64>]] = [:]
        for extent in trace.extents {
            if orders[extent.content] == nil { group.append(extent.content) }
            orders[extent.content, default: []].append(extent.bytes)
        }
        group = group.filter { id in
            guard let order = orders[id] else { return false }
            return prepareRest(id, order)
        }
        state.withLock { $0.rest.add(group: group) }
    }

    /// False when nothing of the extents is missing, or they cannot be fetched.
    private func prepareRest(_ id: ContentID, _ order: [Range<Int64>]) -> Bool {
        guard let content = (try? catalog.content(id)) ?? nil else { return false }
        let whole = 0..<content.sizeBytes
        let isMissing = order.contains { range in
            !store.missingRanges(
                content.hash, size: content.sizeBytes, in: range.clamped(to: whole)
            ).isEmpty
        }
        guard isMissing, let prepared = try? prepare(id, 0..<0, insists: false) else {
            return false
        }
        return state.withLock { state in
            if state.active[id] == nil, let fresh = prepared.active { state.active[id] = fresh }
            state.active[id]?.setOrder(order)
            return state.active[id] != nil
        }
    }
}
