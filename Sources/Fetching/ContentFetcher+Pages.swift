// Pages of flat files, which the kernel gives to readers by itself, on the "page in" thread.
//
// Two things are done here. What an earlier run has touched is read into memory, ahead of its
// readers (`PageReplay`). And the pages that our own writes left in memory are read anew once a
// content is proven: they came in pieces of 128 KiB and in any order, for which the kernel keeps
// small folios, and a mapping of those is touched at a tenth of the speed of one that was read in
// order. What is read anew also comes from where the disk has it.

internal import Catalog
internal import ChunkStore
internal import Glibc
internal import Platform
internal import Telemetry

extension ContentFetcher {
    enum PageTask: Sendable {
        /// The touches of an earlier run.
        case read(TouchTrace)
        /// A content that was just written and proven.
        case renew(Content)
    }

    /// Pages take no more than this share of the memory that is available.
    private static let memoryShare: Int64 = 2
    /// Contents that are remembered as opened; what is beyond is replayed beside its readers.
    private static let kernelReadCountMax = 65_536

    func perform(_ task: PageTask) {
        guard let nowhere = try? FileDescriptor.open("/dev/null", O_WRONLY) else { return }
        switch task {
        case .read(let trace):
            guard ContentFetcher.hasMemory(for: trace.byteCount) else {
                return log.info("no memory for the pages of what was used before")
            }
            replay(trace, into: nowhere)
        case .renew(let content):
            guard ContentFetcher.hasMemory(for: content.sizeBytes) else { return }
            guard let file = flatFile(of: content), (try? file.synchronizeData()) != nil
            else { return }
            file.forgetPages()
            readPages(of: content, 0..<content.sizeBytes, into: nowhere)
        }
    }

    private func replay(_ trace: TouchTrace, into nowhere: borrowing FileDescriptor) {
        var replay = PageReplay(trace, readaheadByteCount: readahead(for: trace))
        while let extent = replay.next(hasReader: { id in
            kernelReads.withLock { $0.contains(id) }
        }) {
            if pages.isClosed { return }
            guard let content = (try? catalog.content(extent.content)) ?? nil else { continue }
            readPages(of: content, extent.bytes, into: nowhere)
        }
    }

    /// That of the disk which the flat files are on.
    private func readahead(for trace: TouchTrace) -> Int64? {
        for extent in trace.extents {
            guard let content = (try? catalog.content(extent.content)) ?? nil,
                let file = flatFile(of: content)
            else { continue }
            return (try? file.device())?.readaheadByteCount
        }
        return nil
    }

    /// A content was opened, and the kernel reads on by itself.
    func noteKernelReads(_ id: ContentID) {
        kernelReads.withLock { reads in
            if reads.count < ContentFetcher.kernelReadCountMax { reads.insert(id) }
        }
    }

    private func readPages(
        of content: Content, _ range: Range<Int64>, into nowhere: borrowing FileDescriptor
    ) {
        guard let file = flatFile(of: content) else { return }
        let whole = range.clamped(to: 0..<content.sizeBytes)
        let step = PageReplay.stepByteCount
        for start in stride(from: whole.lowerBound, to: whole.upperBound, by: Int(step)) {
            if pages.isClosed { return }
            let part = start..<min(start + step, whole.upperBound)
            // Who reads it learns what is wrong with it.
            guard (try? file.readPages(part, into: nowhere)) == Int64(part.count) else { return }
        }
    }

    private func flatFile(of content: Content) -> FileDescriptor? {
        (try? store.provenFile(content.hash, size: content.sizeBytes)) ?? nil
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
