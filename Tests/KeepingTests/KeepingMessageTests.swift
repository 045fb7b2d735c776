// Messages and limits between a worker and its keeper.

import Glibc
import Platform
import Testing

@testable import Keeping

@Suite struct KeepingMessageTests {
    @Test func everyMessageComesOutAsItWentIn() {
        let messages: [KeepingMessage] = [
            .keep(name: "connection /run/ä", bytes: [1, 2, 3]), .keep(name: "", bytes: []),
            .drop(name: "lock"), .ready, .finishing, .alive, .replace, .output,
            .kept(name: "x", bytes: [UInt8](repeating: 7, count: 10_000)),
            .begin(workerCount: 0), .begin(workerCount: 0xdead_beef),
        ]
        for message in messages { #expect(KeepingMessage(message.encoded) == message) }
    }

    @Test func theExampleOfTheFormatHolds() {
        // docs/FORMATS.md
        let bytes: [UInt8] = [0x02, 0x04, 0x00, 0x6c, 0x6f, 0x63, 0x6b]
        #expect(KeepingMessage.drop(name: "lock").encoded == bytes)
    }

    @Test func whatIsNoMessageIsNone() {
        let bent: [[UInt8]] = [
            [], [1], [1, 0], [99, 0, 0], [0, 0, 0], [1, 5, 0, 65], [2, 255, 255], [66, 0, 0],
            [66, 0, 0, 1, 2, 3],
        ]
        for bytes in bent { #expect(KeepingMessage(bytes) == nil) }
    }

    @Test func oneNameIsKeptOnce() {
        var kept = Keepsakes()
        let isKept1 = kept.keep(Keepsake(name: "a", bytes: [1], descriptor: nil))
        #expect(isKept1)
        let isKept2 = kept.keep(Keepsake(name: "b", bytes: [2], descriptor: nil))
        #expect(isKept2)
        let isKept3 = kept.keep(Keepsake(name: "a", bytes: [3], descriptor: nil))
        #expect(isKept3)
        #expect(kept.all.map(\.name) == ["a", "b"])
        #expect(kept.all.map(\.bytes) == [[3], [2]])
        kept.drop("a")
        kept.drop("never")
        #expect(kept.all.map(\.name) == ["b"])
    }

    @Test func aWorkerCannotMakeTheKeeperGrow() {
        var kept = Keepsakes()
        let large = [UInt8](repeating: 0, count: 1 << 20)
        for name in ["a", "b", "c"] {
            let isKept4 = kept.keep(Keepsake(name: name, bytes: large, descriptor: nil))
            #expect(isKept4)
        }
        let isKept5 = kept.keep(Keepsake(name: "d", bytes: large, descriptor: nil))
        #expect(!isKept5)
        let isKept6 = kept.keep(Keepsake(name: "a", bytes: large, descriptor: nil))
        #expect(isKept6)
        kept.dropAll()
        for number in 0..<Keepsakes.countMax {
            let isKept7 = kept.keep(Keepsake(name: "\(number)", bytes: [], descriptor: nil))
            #expect(isKept7)
        }
        let isKept8 = kept.keep(Keepsake(name: "one more", bytes: [], descriptor: nil))
        #expect(!isKept8)
    }

    @Test func descriptorsGoAlongWithTheirMessage() throws {
        let pair = try MessageSocketPair()
        let one = MessageSocket(owning: try pair.first.duplicate())
        let other = MessageSocket(owning: try pair.second.duplicate())
        let pipe = try SocketPair()
        try one.send(KeepingMessage.drop(name: "first").encoded)
        try one.send(
            KeepingMessage.keep(name: "second", bytes: []).encoded,
            descriptor: pipe.first.rawValue)
        #expect(try receive(other) == Received(message: .drop(name: "first"), descriptor: nil))
        let second = try receive(other)
        let came = try #require(second.descriptor)
        defer { close(came) }
        #expect(second.message == .keep(name: "second", bytes: []))
        #expect(write(came, "x", 1) == 1)
        var byte: UInt8 = 0
        #expect(read(pipe.second.rawValue, &byte, 1) == 1)
        #expect(byte == UInt8(ascii: "x"))
        #expect(throws: Errno.wouldBlock) { _ = try receive(other) }
    }

    /// Whether more fit into the receiver's room, or are cut off by the kernel.
    @Test(arguments: [2, 3])
    func moreDescriptorsThanOneAreAnErrorAndLeakNothing(count: Int) throws {
        let pair = try MessageSocketPair()
        let other = MessageSocket(owning: try pair.second.duplicate())
        var pipe: [CInt] = [-1, -1]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &pipe) == 0)
        defer { close(pipe[1]) }
        send(KeepingMessage.drop(name: "x").encoded, pipe[0], count, over: pair.first.rawValue)
        #expect(throws: Errno(EBADMSG)) { _ = try receive(other) }
        close(pipe[0])
        // Nobody has the other end any more.
        var byte: UInt8 = 0
        #expect(recv(pipe[1], &byte, 1, CInt(MSG_DONTWAIT)) == 0)
        // What comes after is received as ever.
        try MessageSocket(owning: pair.first.duplicate()).send(KeepingMessage.ready.encoded)
        #expect(try receive(other) == Received(message: .ready, descriptor: nil))
    }

    /// One descriptor so many times, in one message.
    private func send(_ bytes: [UInt8], _ descriptor: CInt, _ count: Int, over socket: CInt) {
        // struct cmsghdr, whose macros Swift does not import: length, level, type, descriptors.
        var control = [UInt64](repeating: 0, count: 4)
        control[0] = UInt64(16 + 4 * count)
        control[1] = UInt64(SOL_SOCKET) | UInt64(SCM_RIGHTS) << 32
        control.withUnsafeMutableBytes { room in
            for index in 0..<count {
                room.storeBytes(of: descriptor, toByteOffset: 16 + 4 * index, as: CInt.self)
            }
            var bytes = bytes
            bytes.withUnsafeMutableBytes { text in
                var part = iovec(iov_base: text.baseAddress, iov_len: text.count)
                withUnsafeMutablePointer(to: &part) { part in
                    var message = msghdr()
                    message.msg_iov = part
                    message.msg_iovlen = 1
                    message.msg_control = room.baseAddress
                    message.msg_controllen = (16 + 4 * count + 7) / 8 * 8
                    #expect(sendmsg(socket, &message, 0) == text.count)
                }
            }
        }
    }

    private struct Received: Equatable {
        let message: KeepingMessage?
        let descriptor: CInt?
    }

    private func receive(_ socket: borrowing MessageSocket) throws -> Received {
        guard var received = try socket.receive() else { throw Errno.notConnected }
        let message = KeepingMessage(received.bytes)
        guard let descriptor = received.descriptor.take() else {
            return Received(message: message, descriptor: nil)
        }
        return Received(message: message, descriptor: descriptor.release())
    }
}
