// A replay: what an earlier run has touched is made ready in the same order, on the "planner"
// thread.
//
// What is missing is put in line, content by content. Of what lies flat and proven, which the
// kernel may read by itself, it is told to read the pages, some at a time, so that the line does
// not wait.

internal import Catalog
internal import ChunkStore
internal import Glibc
internal import Platform
internal import Telemetry

extension ContentFetcher {
    /// What the kernel is told to read before the line is looked at again: 64 MiB are a tenth of a
    /// second of a fast disk.
    private static let adviceByteCountMax: Int64 = 64 << 20
    /// The kernel takes no more of one advice than its readahead, which is 128 KiB at least.
    private static let adviceStepByteCount: Int64 = 128 << 10
    /// Pages for a replay take no more than this share of what is available.
    private static let memoryShare: Int64 = 2

    func replay(_ trace: TouchTrace) {
        if options.prefetch == .auto { planner.send(.replay(trace)) }
    }

    func carryOut(_ trace: TouchTrace) {
        fetchMissing(of: trace)
        var extents: [TouchTrace.Extent] = []
        for extent in trace.extents {
            let most = ContentFetcher.adviceByteCountMax
            for start in stride(
                from: extent.bytes.lowerBound, to: extent.bytes.upperBound, by: Int(most))
            {
                let end = min(start + most, extent.bytes.upperBound)
                extents.append(TouchTrace.Extent(content: extent.content, bytes: start..<end))
            }
        }
        guard ContentFetcher.hasMemory(for: trace.byteCount) else {
            log.info("no memory for the pages of what was used before")
            return
        }
        advise(extents, from: 0)
    }

    func advise(_ extents: [TouchTrace.Extent], from first: Int) {
        var byteCount: Int64 = 0
        for index in first..<extents.count {
            if byteCount >= ContentFetcher.adviceByteCountMax {
                planner.send(.advise(extents, index: index))
                return
            }
            byteCount += advise(extents[index])
        }
    }

    /// Puts what is missing in line, as one group in the order of the trace.
    private func fetchMissing(of trace: TouchTrace) {
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

    /// Has the kernel read the pages of what lies flat; how many bytes those are.
    private func advise(_ extent: TouchTrace.Extent) -> Int64 {
        guard let content = (try? catalog.content(extent.content)) ?? nil,
            let file = (try? store.provenFile(content.hash, size: content.sizeBytes)) ?? nil
        else { return 0 }
        let range = extent.bytes.clamped(to: 0..<content.sizeBytes)
        let step = ContentFetcher.adviceStepByteCount
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Int(step)) {
            _ = posix_fadvise(
                file.rawValue, Int(start), Int(min(step, range.upperBound - start)),
                CInt(POSIX_FADV_WILLNEED))
        }
        return Int64(range.count)
    }

    /// Whether the machine has room for so many bytes of pages.
    private static func hasMemory(for byteCount: Int64) -> Bool {
        guard let file = try? FileDescriptor.open("/proc/meminfo", O_RDONLY),
            let bytes = try? file.readBytes(countMax: 4096)
        else { return false }
        let text = String(decoding: bytes, as: UTF8.self)
        for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            let digits = line.drop { !$0.isNumber }.prefix { $0.isNumber }
            return byteCount <= (Int64(digits) ?? 0) * 1024 / memoryShare
        }
        return false
    }
}
