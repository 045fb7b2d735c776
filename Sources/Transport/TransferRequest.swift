// What is asked of the transport: one HTTP request with its limits of time and size.

package import Platform

/// How urgent a transfer is.
///
/// A lower raw value is started first.
package enum TransferPriority: Int, CaseIterable, Hashable, Sendable {
    /// Somebody waits in a read.
    case reader
    /// Somebody waits for names or attributes.
    case metadata
    /// Nobody waits yet.
    case prefetch
}

/// What is done with the resource.
package enum TransferMethod: Hashable, Sendable {
    case get
    case head
    case post(body: [UInt8], contentType: String)
}

/// One HTTP request.
///
/// Redirects are answers like others: they are never followed here.
package struct TransferRequest: Sendable {
    package var method: TransferMethod
    package var url: HTTPURL
    /// Sent as they are, beside those that the transport makes itself.
    package var headers: [(name: String, value: String)]
    /// The bytes wanted of the resource; all if nil.
    ///
    /// Never empty.
    package var range: Range<Int64>?
    /// Whether the body may be compressed on the wire; it is delivered plain either way.
    package var acceptCompressed: Bool
    package var priority: TransferPriority
    /// How long name, connection and TLS may take together.
    package var connectTimeoutSeconds: Double
    /// How long a connected transfer may go without a byte before it is `.stalled`.
    package var stallTimeoutSeconds: Double
    /// How long a body may take for each `Transfer.slowByteCount` before it is `.stalled` too.
    package var slowTimeoutSeconds: Double
    /// When the transfer ends with `.deadline`, whatever it is doing, waiting in line included.
    package var deadline: MonotonicInstant
    /// A longer body ends the transfer with `.tooLarge`.
    ///
    /// Counted after decompression.
    package var bodyLimitBytes: Int64

    package init(
        method: TransferMethod = .get, url: HTTPURL,
        headers: [(name: String, value: String)] = [], range: Range<Int64>? = nil,
        acceptCompressed: Bool = false, priority: TransferPriority = .metadata,
        connectTimeoutSeconds: Double = 10, stallTimeoutSeconds: Double = 10,
        slowTimeoutSeconds: Double = .infinity, deadline: MonotonicInstant,
        bodyLimitBytes: Int64 = .max
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.range = range
        self.acceptCompressed = acceptCompressed
        self.priority = priority
        self.connectTimeoutSeconds = connectTimeoutSeconds
        self.stallTimeoutSeconds = stallTimeoutSeconds
        self.slowTimeoutSeconds = slowTimeoutSeconds
        self.deadline = deadline
        self.bodyLimitBytes = bodyLimitBytes
    }
}

/// Names a transfer to `cancel`, `promote` and `resume`; never used twice.
package struct TransferID: Hashable, Sendable {
    let number: UInt64
}
