// The daemon's metrics over HTTP, where that was asked for: one page, for whoever may reach the
// address. It tells counts and sizes, no names of repositories and no secret.

internal import HTTPService
internal import Platform
internal import Settings
internal import Telemetry

/// Answers `GET /metrics`.
final class MetricsServer: Sendable {
    private let server: HTTPServer

    /// - Parameters:
    ///   - endpoint: where to listen.
    ///   - status: what is told; called for each request, on a thread of its own.
    init(
        _ endpoint: SocketEndpoint, status: @escaping @Sendable () -> DaemonStatus
    ) throws(MountFailure) {
        var limits = HTTPServerLimits()
        limits.connectionCountMax = 16
        limits.bodyByteCountMax = 4096
        limits.drainSeconds = 0.2
        let address = SocketAddress(host: endpoint.host, port: endpoint.port)
        do throws(HTTPServiceError) {
            server = try HTTPServer(listen: address, limits: limits) { request in
                MetricsServer.answer(request, status)
            }
        } catch {
            throw .metricsRefused(address: endpoint.description, detail: "\(error)")
        }
    }

    /// Where it listens, with the port that the system gave.
    var url: String { server.url + "/metrics" }

    func stop() { server.stop() }

    private static func answer(
        _ request: HTTPRequest, _ status: () -> DaemonStatus
    ) -> HTTPResponse {
        guard request.method == "GET" || request.method == "HEAD" else {
            return .text(405, "only GET is answered\n")
        }
        guard request.path == "/metrics" else {
            return .text(404, "the metrics are at /metrics\n")
        }
        let told = status()
        let page = DaemonMetrics(told, ProcessFigures(processID: told.processID)).rendered()
        return .text(200, page, type: MetricsPage.contentType)
    }
}
