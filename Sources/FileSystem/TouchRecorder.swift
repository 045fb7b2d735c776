// The order in which the contents of revisions were first touched since the start. Pure.
//
// A file's node is a content and knows no path, so the revision is that in which it was looked up
// last. Touches are reads, in units of 1 MiB, and opens by which the kernel reads on by itself, of
// which nobody sees in what order. Everything has a bound: what comes beyond it is not recorded.

internal import Catalog
internal import Platform

/// What was touched, by revision.
struct TouchRecorder {
    /// Revisions recorded at a time; one used after that many others is not.
    static let revisionCountMax = 64
    /// Contents whose revision is known: a thousand large models.
    static let contentCountMax = 16_384
    /// Finer order than this is of no use to a disk or a network.
    static let unitByteCount: Int64 = 1 << 20

    /// Something was touched that was not before.
    struct Touch: Equatable {
        let commit: CommitID
        let isFirstOfRevision: Bool
        let isFirstOfContent: Bool
    }

    private struct Record {
        var trace = TouchTrace()
        var seen: [ContentID: RangeSet] = [:]
        var isChanged = false
    }

    private var records: [CommitID: Record] = [:]
    private var revisions: [ContentID: CommitID] = [:]

    /// A content was looked up in a revision.
    mutating func found(_ content: ContentID, in commit: CommitID) {
        if revisions[content] == nil && revisions.count >= TouchRecorder.contentCountMax { return }
        revisions[content] = commit
    }

    /// Bytes of a content were read, or put into memory for a reader who then sends no READ.
    ///
    /// - Returns: nil when nothing of it is new.
    mutating func read(_ content: ContentID, _ range: Range<Int64>) -> Touch? {
        guard let commit = revisions[content] else { return nil }
        let unit = TouchRecorder.unitByteCount
        let lower = range.lowerBound / unit * unit
        let upper = (range.upperBound + unit - 1) / unit * unit
        let isFirst = records[commit] == nil
        if isFirst && records.count >= TouchRecorder.revisionCountMax { return nil }
        let seen = records[commit]?.seen[content]
        let gaps = seen?.gaps(in: lower..<upper) ?? [lower..<upper]
        if gaps.isEmpty { return nil }
        for gap in gaps {
            records[commit, default: Record()].seen[content, default: RangeSet()].insert(gap)
            records[commit]?.trace.append(TouchTrace.Extent(content: content, bytes: gap))
        }
        records[commit]?.isChanged = true
        return Touch(
            commit: commit, isFirstOfRevision: isFirst, isFirstOfContent: seen == nil)
    }

    /// The traces that have changed since they were taken last.
    mutating func takeChanged() -> [CommitID: TouchTrace] {
        var changed: [CommitID: TouchTrace] = [:]
        for (commit, record) in records where record.isChanged {
            changed[commit] = record.trace
            records[commit]?.isChanged = false
        }
        return changed
    }
}
