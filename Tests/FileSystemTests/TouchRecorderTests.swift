// What counts as a touch, of which revision, and what is recorded of it.

import Catalog
import Testing

@testable import FileSystem

@Suite struct TouchRecorderTests {
    private static let mebi: Int64 = 1 << 20
    private let weights = ContentID(row: 1)
    private let other = ContentID(row: 2)
    private let first = CommitID(row: 10)
    private let second = CommitID(row: 11)

    @Test func touchesAreWholeUnitsOfTheRevisionThatWasLookedUpLast() {
        let mebi = TouchRecorderTests.mebi
        var recorder = TouchRecorder()
        #expect(recorder.read(weights, 0..<10) == nil, "nobody knows where it stands")
        recorder.found(weights, in: first)
        recorder.found(other, in: first)
        let touches = [
            recorder.read(weights, 5 * mebi + 7..<6 * mebi + 1), recorder.read(weights, 0..<10),
            recorder.read(other, 0..<10), recorder.read(weights, 5 * mebi..<5 * mebi + 1),
            recorder.read(weights, 4 * mebi..<8 * mebi),
        ]
        #expect(touches.map { $0?.isFirstOfRevision } == [true, false, false, nil, false])
        #expect(touches.map { $0?.isFirstOfContent } == [true, false, true, nil, false])
        let extents = recorder.takeChanged()[first]?.extents
        #expect(
            extents == [
                TouchTrace.Extent(content: weights, bytes: 5 * mebi..<7 * mebi),
                TouchTrace.Extent(content: weights, bytes: 0..<mebi),
                TouchTrace.Extent(content: other, bytes: 0..<mebi),
                TouchTrace.Extent(content: weights, bytes: 4 * mebi..<5 * mebi),
                TouchTrace.Extent(content: weights, bytes: 7 * mebi..<8 * mebi),
            ])
        #expect(recorder.takeChanged().isEmpty)
        recorder.found(weights, in: second)
        #expect(recorder.read(weights, 0..<1)?.commit == second)
        #expect(recorder.takeChanged().keys.map(\.row) == [11])
    }

    @Test func revisionsHaveABound() {
        var recorder = TouchRecorder()
        var recorded = 0
        for row in 1...Int64(TouchRecorder.revisionCountMax + 5) {
            recorder.found(ContentID(row: row), in: CommitID(row: row))
            recorded += recorder.read(ContentID(row: row), 0..<1) == nil ? 0 : 1
        }
        #expect(recorded == TouchRecorder.revisionCountMax)
    }
}
