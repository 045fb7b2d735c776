// Messages that libfuse cannot say, byte by byte, as the kernel's header lays them out.

import Platform
import Testing

@testable import FuseSession

private func little(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

@Suite struct KernelProtocolTests {
    @Test func openAnswers() {
        let cached = KernelAnswer.opened(0x1122, .cached)
        #expect(cached.count == 32 && little(cached[0..<4]) == 32 && little(cached[4..<8]) == 0)
        #expect(little(cached[8..<16]) == 0x1122)
        #expect(little(cached[24..<28]) == 2 | 32, "keep cache, no flush")
        #expect(little(cached[28..<32]) == 0)
        let direct = KernelAnswer.opened(7, .passthrough(backingID: 9))
        #expect(little(direct[24..<28]) == 128 | 32, "keep cache would be EIO")
        #expect(little(direct[28..<32]) == 9)
    }

    @Test func plainAnswersAndNotices() {
        let refused = KernelAnswer.plain(3, .stale)
        #expect(refused.count == 16 && little(refused[0..<4]) == 16)
        #expect(Int32(truncatingIfNeeded: little(refused[4..<8])) == -Errno.stale.rawValue)
        #expect(little(KernelAnswer.plain(3, nil)[4..<8]) == 0)
        #expect(KernelAnswer.resend == [16, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test func headsOfMessages() {
        var wire = WireBytes()
        wire.append(UInt32(40))
        wire.append(Opcode.open)
        wire.append(UInt64(0x8000_0000_0000_0004))
        wire.append(UInt64(77))
        for _ in 0..<3 { wire.append(UInt32(0)) }
        wire.append(UInt16(0))
        wire.append(UInt16(0))
        #expect(wire.bytes.count == MessageHead.byteCount)
        let head = wire.bytes.withUnsafeBytes { MessageHead($0) }
        #expect(head?.opcode == 14 && head?.node == 77)
        #expect(head?.unique == 0x8000_0000_0000_0004, "as it is, also when it was sent again")
        #expect(wire.bytes.dropLast().withUnsafeBytes { MessageHead($0) } == nil)
    }

    private func initRequest(flags: UInt32, flags2: UInt32) -> [UInt8] {
        var wire = WireBytes()
        for _ in 0..<10 { wire.append(UInt32(0)) }
        wire.append(UInt32(7))
        wire.append(UInt32(45))
        wire.append(UInt32(131_072))
        wire.append(flags)
        wire.append(flags2)
        return wire.bytes
    }

    @Test func passthroughIsOfferedInTheSecondWordOfFlags() {
        let extended: UInt32 = 1 << 30
        #expect(InitExchange.offersPassthrough(initRequest(flags: extended, flags2: 32)))
        #expect(!InitExchange.offersPassthrough(initRequest(flags: extended, flags2: ~32)))
        #expect(!InitExchange.offersPassthrough(initRequest(flags: 0, flags2: 32)))
        let old = Array(initRequest(flags: extended, flags2: 32).prefix(40 + 16))
        #expect(!InitExchange.offersPassthrough(old), "kernels before the second word")
    }

    @Test func theAnswerToInitIsPatchedAndUnderstood() throws {
        var wire = WireBytes()
        for number: UInt32 in [80, 0, 2, 0, 7, 31, 1 << 20, 1 << 22] { wire.append(number) }
        wire.append(UInt16(256))
        wire.append(UInt16(192))
        wire.append(UInt32(1 << 20))
        wire.append(UInt32(1))
        wire.append(UInt16(256))
        wire.append(UInt16(0))
        for _ in 0..<8 { wire.append(UInt32(0)) }
        #expect(wire.bytes.count == 80)
        let patched = try #require(InitExchange.acceptingPassthrough(wire.bytes, stackDepth: 2))
        #expect(little(patched[28..<32]) == 1 << 22 | 1 << 30)
        #expect(little(patched[48..<52]) == 32)
        #expect(little(patched[52..<56]) == 2)
        #expect(patched[..<28] == wire.bytes[..<28] && patched[32..<48] == wire.bytes[32..<48])
        #expect(
            InitExchange.settings(patched)
                == ConnectionSettings(
                    readaheadByteCount: 1 << 20, backgroundCount: 256, congestionCount: 192,
                    requestByteCount: 1 << 20))
        #expect(InitExchange.acceptingPassthrough([0, 1, 2], stackDepth: 1) == nil)
        #expect(InitExchange.settings([0, 1, 2]) == nil)
    }
}
