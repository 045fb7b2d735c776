// What was touched in which order: recorded for the next start, replayed from the one before.

package import Catalog
internal import ChunkStore
internal import Fetching
internal import Platform

extension FileSystem {
    /// The touches of this run, and the traces of the runs before of what it has touched.
    struct Touches {
        var recorder = TouchRecorder()
        var earlier: [CommitID: TouchTrace] = [:]
        /// Revisions that were mounted and whose pages are being read.
        var mounted: Set<CommitID> = []
    }

    /// Mounted revisions that are remembered; of one beyond, pages are read at its first touch.
    private static let mountedCountMax = 1_024

    /// A revision was mounted by itself: of what was touched of it before, the pages that the
    /// kernel gives to readers by itself are read, before anybody asks for them.
    ///
    /// Nothing is fetched before somebody touches it.
    package func noteMounted(_ commit: CommitID) {
        let isNew = touches.withLock { touches in
            touches.earlier[commit] == nil
                && touches.mounted.count < FileSystem.mountedCountMax
                && touches.mounted.insert(commit).inserted
        }
        if isNew, let trace = (try? catalog.trace(of: commit)) ?? nil {
            fetcher.readPages(of: trace)
        }
    }

    /// A content was looked up in a revision.
    func noteFound(_ content: ContentID, in commit: CommitID) {
        touches.withLock { $0.recorder.found(content, in: commit) }
    }

    /// Bytes of a content are being read.
    func noteRead(_ content: ContentID, _ range: Range<Int64>) {
        guard let touch = touches.withLock({ $0.recorder.read(content, range) }) else { return }
        if touch.isFirstOfRevision { replay(touch.commit) }
        if touch.isFirstOfContent { planPages(of: content, range, touch.commit) }
    }

    /// A content was opened, and the kernel reads on by itself.
    func noteKernelReads(_ content: Content) {
        fetcher.noteKernelReads(content.id)
        noteRead(content.id, 0..<content.sizeBytes)
    }

    /// Has somebody told of what a reader of a content is going to touch, in this order, and of
    /// what it reads at the moment.
    ///
    /// It is called on the thread that answers the kernel, and must not wait.
    package func observePlans(
        _ observer: @escaping @Sendable (ContentID, [Range<Int64>], Range<Int64>) -> Void
    ) {
        planObserver.withLock { $0 = observer }
    }

    /// The kernel takes no pages of a node that it does not know, so a content's are planned when
    /// somebody begins to read it.
    private func planPages(
        of content: ContentID, _ reading: Range<Int64>, _ commit: CommitID
    ) {
        let trace = touches.withLock { $0.earlier[commit] }
        let extents = trace?.extents.filter { $0.content == content }.map(\.bytes) ?? []
        if extents.isEmpty { return }
        let observer = planObserver.withLock { $0 }
        observer?(content, extents, reading)
    }

    /// The first touch of a revision since the start: what was touched before follows.
    private func replay(_ commit: CommitID) {
        guard let trace = (try? catalog.trace(of: commit)) ?? nil else { return }
        let isRead = touches.withLock { touches in
            touches.earlier[commit] = trace
            return touches.mounted.contains(commit)
        }
        if !isRead { fetcher.readPages(of: trace) }
        fetcher.fetch(trace)
    }

    /// Keeps what was touched since the last time; to be called now and then, and at the end.
    package func keepTraces() {
        let (changed, earlier) = touches.withLock { touches in
            (touches.recorder.takeChanged(), touches.earlier)
        }
        if changed.isEmpty { return }
        // Without them the next start is slower, and that is all.
        try? catalog.record(changed, earlier: earlier, at: store.scheduling.wallTime)
    }
}
