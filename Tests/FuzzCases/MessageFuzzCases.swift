// What processes say to each other: the control socket, the keeper, the kernel's saved INIT.

import Glibc
import Platform

@testable import Daemon
@testable import FuseSession
@testable import Keeping

package enum MessageFuzzCases {
    package static let cases = [requests, replies, keeping, savedInit]

    /// Sends the bytes through a real socket, as a stranger would, and hangs up.
    private static func receive<Body: Decodable>(_ bytes: [UInt8], _ type: Body.Type) -> Body? {
        var pair: [CInt] = [0, 0]
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0 else { return nil }
        let channel = ControlChannel(socket: FileDescriptor(owning: pair[0]))
        var framed = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bytes.count >> $0) }
        framed += bytes
        // The first byte of an odd length is taken for part of the frame.
        if bytes.first == 0xff { framed = bytes }
        _ = framed.withUnsafeBytes { send(pair[1], $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
        close(pair[1])
        return try? channel.receive(type, until: .now + 1)
    }

    private static let requests = FuzzCase(
        "control-request",
        [
            #"{"version":1,"body":{"status":{}}}"#,
            #"{"version":1,"body":{"unmount":{"mountpoint":"/mnt/x","isLazy":false}}}"#,
            #"{"version":1,"body":{"upgrade":{}}}"#, #"{"version":2,"body":{"stop":{}}}"#,
        ]
    ) { bytes in
        _ = receive(bytes, ControlRequest.self)
        _ = receive(bytes, StartOrder.self)
    }

    private static let replies = FuzzCase(
        "control-reply",
        [
            #"{"version":1,"body":{"progress":{"_0":"half"}}}"#,
            #"{"version":1,"body":{"unmounted":{}}}"#,
            #"{"version":1,"body":{"processID":7,"programVersion":"1.0"}}"#,
        ]
    ) { bytes in
        _ = receive(bytes, ControlGreeting.self)
        _ = receive(bytes, ControlReply.self)
        _ = receive(bytes, StartReply.self)
    }

    private static let keeping = FuzzCase(
        "keeper-message",
        bytes: [
            KeepingMessage.keep(name: "lock", bytes: [1, 2, 3]).encoded,
            KeepingMessage.begin(workerCount: 3).encoded, KeepingMessage.ready.encoded,
        ]
    ) { bytes in
        guard let message = KeepingMessage(bytes) else { return }
        try FuzzFailure.unless(
            KeepingMessage(message.encoded)?.encoded == message.encoded, "written otherwise")
    }

    /// A FUSE_INIT of protocol 7.41, as a kernel sends it.
    private static let initMessage: [UInt8] = {
        var wire = WireBytes()
        for number in [104, 26] as [UInt32] { wire.append(number) }
        for number in [2, 0, 0] as [UInt64] { wire.append(number) }
        for number in [7, 41, 131_072, 0x73ff_fffb, 0x3f] as [UInt32] { wire.append(number) }
        return wire.bytes + [UInt8](repeating: 0, count: 104 - wire.bytes.count)
    }()

    private static let savedInit = FuzzCase(
        "saved-init", bytes: [initMessage, [UInt8](repeating: 0, count: 80)]
    ) { bytes in
        let head = bytes.withUnsafeBytes { MessageHead($0) }
        try FuzzFailure.unless((head != nil) == (bytes.count >= 40), "a head of \(bytes.count)")
        _ = InitExchange.offersPassthrough(bytes)
        _ = InitExchange.settings(bytes)
        if let patched = InitExchange.acceptingPassthrough(bytes, stackDepth: 1) {
            try FuzzFailure.unless(patched.count == bytes.count, "another length")
        }
        _ = receive(bytes, ConnectionRecord.self)
    }
}
