// What the kernel is told of errors, how its messages are counted, and what its reads are lent.

import FileSystem
import Glibc
import Platform
import Testing

@testable import FuseSession

@Suite struct AnswerFormTests {
    @Test func everyErrorHasItsNumber() {
        let expected: [(FileSystemError, CInt)] = [
            (.notFound, ENOENT), (.accessDenied, EACCES), (.unavailable, EIO),
            (.notDirectory, ENOTDIR), (.isDirectory, EISDIR), (.notLink, EINVAL),
            (.stale, ESTALE), (.noAttribute, ENODATA), (.interrupted, EINTR),
        ]
        for (error, number) in expected { #expect(Errno(error).rawValue == number) }
    }

    @Test func messagesAreCountedByKind() {
        let messages = KernelMessages()
        for opcode: UInt32 in [1, 1, 15, 63, 64, 4000] { messages.count(opcode) }
        #expect(messages.counts == ["LOOKUP": 2, "READ": 1, "OTHER": 3])
    }

    @Test func buffersAreLentAndComeBack() {
        let pool = BufferPool()
        var addresses: Set<Int> = []
        for _ in 0..<20 {
            let buffer = pool.take()
            let bytes = buffer.prefix(4096)
            #expect(bytes.count == 4096)
            addresses.insert(Int(bitPattern: bytes.baseAddress))
        }
        #expect(addresses.count == 1, "used again and again")
        let many = (0..<20).map { _ in pool.take() }
        #expect(Set(many.map { Int(bitPattern: $0.prefix(1).baseAddress) }).count == 20)
    }
}
