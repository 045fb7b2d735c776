// What the transport has done since its start, for `status`.

package import Telemetry

/// Totals of one transport.
package final class TransportCounters: Sendable {
    /// Requests that left the line, whatever became of them.
    package let requests = Counter()
    /// Requests that ended without a complete answer, cancelled ones included.
    package let failures = Counter()
    /// Body bytes delivered, after decompression.
    package let bytesReceived = Counter()
    package let connectionsOpened = Counter()
    /// Answers by protocol version.
    package let answersHTTP1 = Counter()
    package let answersHTTP2 = Counter()

    package init() {}
}
