// Traces: what is joined, what is merged, what is stored, and what is no trace.

import Catalog
import Platform
import TestSupport
import Testing

@Suite struct TraceTests {
    private static let mebi: Int64 = 1 << 20

    private func extent(_ row: Int64, _ units: Range<Int64>) -> TouchTrace.Extent {
        TouchTrace.Extent(
            content: ContentID(row: row),
            bytes: units.lowerBound * TraceTests.mebi..<units.upperBound * TraceTests.mebi)
    }

    private func trace(_ extents: [TouchTrace.Extent]) -> TouchTrace {
        var trace = TouchTrace()
        for extent in extents { trace.append(extent) }
        return trace
    }

    @Test func whatGoesOnIsJoined() {
        let joined = trace([extent(1, 0..<2), extent(1, 2..<3), extent(2, 3..<4), extent(1, 4..<5)])
        #expect(joined.extents == [extent(1, 0..<3), extent(2, 3..<4), extent(1, 4..<5)])
        #expect(joined.byteCount == 5 * TraceTests.mebi)
        #expect(TouchTrace(bytes: joined.bytes) == joined)
    }

    @Test func theEarlierOrderFollows() {
        let new = trace([extent(1, 4..<5), extent(2, 0..<1)])
        let old = trace([extent(2, 0..<3), extent(1, 0..<8), extent(3, 0..<1)])
        #expect(
            new.followed(by: old).extents == [
                extent(1, 4..<5), extent(2, 0..<3), extent(1, 0..<4), extent(1, 5..<8),
                extent(3, 0..<1),
            ])
    }

    @Test func tracesHaveABound() {
        let many = trace((0..<Int64(TouchTrace.extentCountMax + 9)).map { extent($0 + 1, 0..<1) })
        #expect(many.extents.count == TouchTrace.extentCountMax)
        #expect(TouchTrace(bytes: many.bytes) == many)
    }

    @Test func otherBytesAreNoTrace() {
        let good = trace([extent(1, 0..<2)]).bytes
        #expect(TouchTrace(bytes: []) == nil)
        #expect(TouchTrace(bytes: [9] + good.dropFirst()) == nil)
        #expect(TouchTrace(bytes: Array(good.dropLast())) == nil)
        #expect(TouchTrace(bytes: good.map { _ in 1 }) != nil)
        #expect(TouchTrace(bytes: [1] + good.dropFirst().map { _ in 0xff }) == nil)
    }

    @Test func aRunThatSawLittleKeepsTheOrderOfTheOneBefore() throws {
        try withCatalog { catalog, _ in
            let commit = CommitID(row: 5)
            let full = trace([extent(2, 4..<8), extent(1, 0..<4)])
            try catalog.record([commit: full], earlier: [:], at: .now)
            #expect(try catalog.trace(of: commit) == full)
            let little = trace([extent(1, 0..<1), extent(9, 0..<1)])
            try catalog.record([commit: little], earlier: [commit: full], at: .now)
            let kept = try catalog.trace(of: commit)
            #expect(kept?.extents == full.extents + [extent(9, 0..<1)])
            let much = trace([extent(1, 0..<4), extent(2, 4..<6)])
            try catalog.record([commit: much], earlier: [commit: full], at: .now)
            #expect(try catalog.trace(of: commit)?.extents == [extent(1, 0..<4), extent(2, 4..<8)])
            #expect(try catalog.trace(of: CommitID(row: 6)) == nil)
        }
    }
}
