// What a successor finds of the open contents, and files that it must not trust.

import Catalog
import Glibc
import Platform
import TestSupport
import Testing

@testable import FuseSession

private func node(_ row: Int64) -> NodeID { .file(ContentID(row: row), epoch: 2) }

@Suite struct OpenRecordsTests {
    private let folder = TemporaryDirectory()
    private var path: String { folder.path + "/opens" }

    @Test func whatIsOpenIsFound() throws {
        do {
            var records = try OpenRecords(path: path, resuming: false)
            #expect(records.all().isEmpty)
            records.note(node(1), .passthrough(backingID: 4), count: 1)
            records.note(node(2), .cached, count: 1)
            records.note(node(3), .cached, count: 1)
            records.note(node(1), .passthrough(backingID: 4), count: 2)
            records.remove(node(3))
            records.remove(node(9))
        }
        let found = try OpenRecords(path: path, resuming: true).all().sorted { $0.count > $1.count }
        #expect(found.map(\.node) == [node(1), node(2)])
        #expect(found.map(\.mode) == [.passthrough(backingID: 4), .cached])
        #expect(found.map(\.count) == [2, 1])
        #expect(try OpenRecords(path: path, resuming: false).all().isEmpty, "a connection anew")
    }

    @Test func moreThanThereAreSlotsIsSaid() throws {
        var records = try OpenRecords(path: path, resuming: false)
        for row in 0..<Int64(OpenRecords.slotCountMax) + 2 {
            records.note(node(row + 1), .cached, count: 1)
        }
        #expect(records.all().count == OpenRecords.slotCountMax)
        let file = try FileDescriptor.open(path, O_RDONLY)
        #expect(try file.readBytes(countMax: 4, at: 8) == [1, 0, 0, 0])
        records.remove(node(5))
        records.note(node(90_000), .cached, count: 1)
        #expect(records.all().contains { $0.node == node(90_000) })
    }

    @Test func anotherFileIsNotTakenOver() throws {
        #expect(throws: Errno.noEntry) { _ = try OpenRecords(path: path, resuming: true) }
        let file = try FileDescriptor.open(path, O_RDWR | O_CREAT)
        try file.writeBytes([1, 2, 3])
        #expect(throws: Errno.invalidArgument) { _ = try OpenRecords(path: path, resuming: true) }
        _ = try OpenRecords(path: path, resuming: false).all()
        try file.writeBytes([0])
        #expect(throws: Errno.invalidArgument) { _ = try OpenRecords(path: path, resuming: true) }
    }
}
