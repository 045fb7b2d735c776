// What the transport tells about a transfer, and to whom.

/// Receives one transfer.
///
/// Every call comes on the transfer thread, which all transfers share: none of them may wait for
/// anything.
package protocol TransferSink: AnyObject, Sendable {
    /// The answer's head has come: the final one, after any `100 Continue`. Called at most once.
    func transferDidRespond(_ head: HTTPHead) -> TransferDirective

    /// A part of the body, in order. With `.pause` these bytes count as not taken: they come
    /// again after `Transport.resume`.
    func transferDidReceive(_ bytes: UnsafeRawBufferPointer) -> TransferDirective

    /// The end. Called exactly once for every transfer, last.
    func transferDidFinish(_ result: Result<TransferSummary, TransportError>)
}

/// What a sink wants next.
package enum TransferDirective: Equatable, Sendable {
    case proceed
    /// Ends the transfer with `.cancelled`.
    case cancel
    /// Holds the transfer until `Transport.resume`; only an answer to `transferDidReceive`, after
    /// a head it means `.proceed`.
    case pause
}

/// The status line and the header fields of an answer.
package struct HTTPHead: Sendable {
    package let status: Int
    package let headers: HTTPHeaders

    package init(status: Int, headers: HTTPHeaders) {
        self.status = status
        self.headers = headers
    }
}

/// Header fields in their order; names compare without regard to case.
package struct HTTPHeaders: Sendable {
    package private(set) var fields: [(name: String, value: String)] = []

    package init(_ fields: [(name: String, value: String)] = []) {
        self.fields = fields
    }

    mutating func add(name: String, value: String) {
        fields.append((name, value))
    }

    /// The value of the first field with that name.
    package subscript(name: String) -> String? {
        fields.first { isSameIgnoringCase($0.name.utf8, name.utf8) }?.value
    }

    /// The values of all fields with that name, in order.
    package func all(_ name: String) -> [String] {
        fields.filter { isSameIgnoringCase($0.name.utf8, name.utf8) }.map(\.value)
    }
}

/// Whether two texts, such as names of fields, differ in nothing but the case of ASCII letters.
func isSameIgnoringCase(_ one: some Collection<UInt8>, _ other: some Collection<UInt8>) -> Bool {
    func lowered(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
    return one.count == other.count
        && zip(one, other).allSatisfy { lowered($0) == lowered($1) }
}

/// What a transfer that came to its end was like.
package struct TransferSummary: Equatable, Sendable {
    package let status: Int
    /// Delivered to the sink, after decompression.
    package let bodyByteCount: Int64
    /// From the start of the transfer, without its wait in line, to the first byte of the head.
    package let firstByteSeconds: Double
    /// From the start of the transfer, without its wait in line, to its end.
    package let totalSeconds: Double

    package init(
        status: Int, bodyByteCount: Int64, firstByteSeconds: Double, totalSeconds: Double
    ) {
        self.status = status
        self.bodyByteCount = bodyByteCount
        self.firstByteSeconds = firstByteSeconds
        self.totalSeconds = totalSeconds
    }
}

/// A whole answer, gathered.
package struct HTTPAnswer: Sendable {
    package let status: Int
    package let headers: HTTPHeaders
    package let body: [UInt8]

    package init(status: Int, headers: HTTPHeaders, body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}
