// A table that is uploaded: predicted while it arrives, answered when it is there.
//
// Clients of HTTP/1.1 read no answer before they have sent all of their request, so the output is
// collected (`Spool`) and sent at the end. The upload goes as fast as the rows are predicted, and
// ends with the connection: nothing is predicted for who has gone.

internal import Glibc
internal import HTTPService
internal import Inference
internal import Platform

/// Takes the body of `POST /predict/batch`.
final class BatchSink: HTTPBodySink {
    private let service: PredictorService
    private let revision: LoadedRevision
    private let began = MonotonicInstant.now
    private var table: BatchTable
    private var spool: Spool?
    private var problem: RequestProblem?

    init(_ service: PredictorService, _ request: HTTPRequest) throws(RequestProblem) {
        self.service = service
        revision = try service.holder.serving()
        let kept = request.query["keep"]
        let columns: [String]?
        switch kept {
        case nil, "": columns = []
        case "*": columns = nil
        default: columns = kept.map { $0.split(separator: ",").map(String.init) }
        }
        table = BatchTable(
            revision.reader, sample: revision.sample,
            rowCountMax: service.settings.batchRowCountMax, kept: columns)
        spool = Spool(folder: "/tmp")
    }

    func take(_ piece: [UInt8]) -> Bool {
        run { (predict) throws(RequestProblem) in try self.table.take(piece, predict) }
        return problem == nil && table.problem == nil
    }

    func finish() -> HTTPResponse {
        if problem == nil {
            run { (predict) throws(RequestProblem) in try self.table.finish(predict) }
        }
        service.metrics.count(.predicted, table.rowCount - table.failedCount)
        service.metrics.count(.failed, table.failedCount)
        if let problem = problem ?? table.problem {
            return PredictorService.secured(problem.response)
        }
        note()
        do throws(Errno) {
            let body = try spool.take()?.body() ?? .bytes([])
            var response = HTTPResponse(status: 200, body: body)
            response.headers.add("Content-Type", "text/csv; charset=utf-8; header=present")
            response.headers.add("Content-Disposition", "attachment; filename=\"predictions.csv\"")
            response.headers.add("X-Rows", "\(table.rowCount)")
            response.headers.add("X-Rows-Failed", "\(table.failedCount)")
            return PredictorService.secured(response)
        } catch {
            return PredictorService.secured(BatchSink.problem(error).response)
        }
    }

    private func run(
        _ step: (BatchTable.Predict) throws(RequestProblem) -> String
    ) {
        let pool = service.pool
        let model = revision.model
        do throws(RequestProblem) {
            let out = try step { (rows) throws(RequestProblem) in
                try pool.predict(model, rows, path: "", isOne: rows.count == 1)
            }
            try append(out)
        } catch {
            problem = error
        }
    }

    private func append(_ out: String) throws(RequestProblem) {
        do throws(Errno) {
            try spool?.append(out.utf8)
        } catch {
            throw BatchSink.problem(error)
        }
    }

    private static func problem(_ error: Errno) -> RequestProblem {
        RequestProblem(507, "the answer finds no room on this machine: \(error)")
    }

    private func note() {
        let rows = JSONValue.members(["rows": .count(table.rowCount)])
        let outcome = JSONValue.members([
            "rows": .count(table.rowCount), "failed": .count(table.failedCount),
        ])
        service.note(
            "batch", revision, [rows], [outcome], MonotonicInstant.now.seconds(since: began))
    }
}
