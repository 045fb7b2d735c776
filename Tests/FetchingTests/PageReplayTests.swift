// Which pages of an earlier run are read next.

import Catalog
import Testing

@testable import Fetching

@Suite struct PageReplayTests {
    private let mebi: Int64 = 1 << 20
    private let first = ContentID(row: 1)
    private let second = ContentID(row: 2)

    /// 16 MiB of one file from its middle, 20 MiB of another, and the beginning of the first.
    private func trace() -> TouchTrace {
        var trace = TouchTrace()
        trace.append(TouchTrace.Extent(content: first, bytes: 16 * mebi..<32 * mebi))
        trace.append(TouchTrace.Extent(content: second, bytes: 0..<20 * mebi))
        trace.append(TouchTrace.Extent(content: first, bytes: 0..<4 * mebi))
        return trace
    }

    /// By content and MiB.
    private func steps(
        readahead: Int64?, hasReader: (ContentID, Int) -> Bool
    ) -> [String] {
        var replay = PageReplay(trace(), readaheadByteCount: readahead)
        var steps: [String] = []
        while let step = replay.next(hasReader: { hasReader($0, steps.count) }) {
            let (start, end) = (step.bytes.lowerBound / mebi, step.bytes.upperBound / mebi)
            steps.append("\(step.content.row):\(start)-\(end)")
        }
        return steps
    }

    private let inOrder = ["1:16-24", "1:24-32", "2:0-8", "2:8-16", "2:16-20", "1:0-4"]

    @Test func whatNobodyHasOpenedIsReadInOrder() {
        #expect(steps(readahead: 8 * mebi) { _, _ in false } == inOrder)
        #expect(steps(readahead: nil) { _, _ in false } == inOrder)
    }

    @Test func aReaderIsMetFromTheEnd() {
        #expect(steps(readahead: mebi / 8) { _, _ in true } == inOrder.reversed())
        #expect(steps(readahead: nil) { _, _ in true } == inOrder.reversed())
        // Opened after the first step.
        let met = steps(readahead: mebi / 8) { _, count in count > 0 }
        #expect(met == ["1:16-24"] + inOrder.dropFirst().reversed())
    }

    @Test func whereTheDiskReadsFarAheadAReaderIsLeftAlone() {
        #expect(steps(readahead: 8 * mebi) { _, _ in true } == [])
        let others = steps(readahead: 8 * mebi) { content, _ in content == first }
        #expect(others == ["2:0-8", "2:8-16", "2:16-20"])
    }
}
