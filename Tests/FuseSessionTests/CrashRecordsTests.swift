// Which requests are held to have crashed processes, and by whom they are found.

import Catalog
import Glibc
import Platform
import Telemetry
import TestSupport
import Testing

@testable import FuseSession

private let resent: UInt64 = 1 << 63
private let here = CrashRecords.connection(at: "/mnt/here")
private let there = CrashRecords.connection(at: "/mnt/there")
private let log = Log(minimum: .error, descriptor: -1)

private func message(_ unique: UInt64) throws -> MessageHead {
    var wire = WireBytes()
    wire.append(UInt32(40))
    wire.append(UInt32(15))
    for number in [unique, 7, 0, 0] { wire.append(number) }
    return try #require(wire.bytes.withUnsafeBytes { MessageHead($0) })
}

@Suite struct CrashRecordsTests {
    @Test func whoCrashedTwiceIsRefusedWhenItComesAgain() throws {
        let records = try CrashRecords(log)
        let again = try message(resent | 12)
        #expect(!records.refuses(again, here))
        records.note(RequestWork(connection: here, request: 12), signal: SIGSEGV)
        #expect(!records.refuses(again, here), "once may be an accident")
        records.note(RequestWork(connection: here, request: 12), signal: SIGBUS)
        #expect(records.refuses(again, here))
        #expect(!records.refuses(again, there), "another mount's request of that number")
        #expect(!records.refuses(try message(resent | 14), here), "another request")
        #expect(!records.refuses(try message(12), here), "one that nobody took before")
    }

    @Test func aSuccessorFindsThem() throws {
        let records = try CrashRecords(log)
        for _ in 0..<2 {
            records.note(RequestWork(connection: here, request: 12), signal: SIGILL)
            records.note(RequestWork(connection: there, request: 12), signal: SIGILL)
        }
        let number = try retryingOnInterrupt { fcntl(records.descriptorNumber, F_DUPFD_CLOEXEC, 0) }
        let successor = try CrashRecords(takingOver: FileDescriptor(owning: number), log)
        #expect(successor.refuses(try message(resent | 12), here))
        successor.forget(here)
        #expect(!successor.refuses(try message(resent | 12), here), "the connection began anew")
        #expect(successor.refuses(try message(resent | 12), there))
    }

    /// The page never grows; who crashed last is known.
    @Test func theOldestGiveWay() throws {
        let records = try CrashRecords(log)
        for request in UInt64(1)...1_000 {
            for _ in 0..<2 {
                records.note(RequestWork(connection: here, request: request), signal: SIGABRT)
            }
        }
        #expect(records.refuses(try message(resent | 1_000), here))
        #expect(records.refuses(try message(resent | 900), here))
        #expect(!records.refuses(try message(resent | 1), here))
    }

    @Test func otherMemoryIsNotTakenOver() throws {
        let folder = TemporaryDirectory()
        for byteCount: Int64 in [0, 4_096, 8_192] {
            let path = "\(folder.path)/\(byteCount)"
            let file = try FileDescriptor.open(path, O_RDWR | O_CREAT)
            try file.truncate(to: byteCount)
            #expect(throws: Errno.invalidArgument) {
                _ = try CrashRecords(takingOver: try FileDescriptor.open(path, O_RDWR), log)
            }
        }
    }

    @Test func aThreadWorksOnOneRequestAtATime() throws {
        let (outer, inner) = (
            RequestWork(connection: here, request: 3), RequestWork(connection: there, request: 5)
        )
        #expect(RequestWork.current == nil)
        outer.during {
            #expect(RequestWork.current == outer)
            inner.during { #expect(RequestWork.current == inner) }
            #expect(RequestWork.current == outer)
        }
        #expect(RequestWork.current == nil)
        let work = CrashRecords.work(try message(resent | 12), here)
        #expect(work == RequestWork(connection: here, request: 12))
    }
}
