// The whole service over real sockets, with a model of the tests': a line through the origin whose
// slope lies in a mapped file.

import Glibc
import HTTPService
import Inference
import Platform
import Settings
import Telemetry
import TestSupport
import Testing

@testable import Predicting

/// y = slope · x; x = 13 is refused, x = 0 gives no number.
private final class LineModel: Model {
    let slope: Double
    let inputs = [InputField(name: "x", kind: .number(range: -100...100), unit: "m")]
    let facts = ModelFacts(
        task: .tabularRegression, architecture: "a line", parameterCount: 1, mappedByteCount: 8,
        metrics: [("R²", "1.0")], files: ["line.bin"])

    init(_ folder: ModelFolder) throws(InferenceError) {
        do throws(Errno) {
            let file = try MappedFile(folder.path(of: "line.bin"))
            slope = file.withBytes { bytes in
                Double(bytes.byteCount > 0 ? bytes.unsafeLoadUnaligned(as: UInt8.self) : 0)
            }
        } catch {
            throw .file(path: folder.path(of: "line.bin"), error)
        }
    }

    func predict(_ rows: [[InputValue]]) throws(InferenceError) -> [Prediction] {
        var predictions: [Prediction] = []
        for (index, row) in rows.enumerated() {
            guard case .number(let x)? = row.first else { continue }
            if x == 13 { throw .row(index: index, field: "x", reason: "bad luck") }
            let value = x == 99 ? .nan : slope * x
            predictions.append(.values([PredictedValue(name: "y", value: value, unit: "m")]))
        }
        return predictions
    }

    static let kind = ModelKind(
        name: "lines", tasks: [.tabularRegression], recognises: { $0.has("line.bin") },
        files: { _ in ["line.bin"] },
        open: { folder, _ throws(InferenceError) in try LineModel(folder) })
}

/// A service on a folder, and its server.
private final class Stage {
    let directory = TemporaryDirectory()
    let service: PredictorService
    let server: HTTPServer

    init(
        slope: UInt8 = 2, smoke: String? = nil, loads: Bool = true,
        _ change: (inout PredictorSettings) -> Void = { _ in }
    ) throws {
        try writeFile("\(directory.path)/line.bin", [slope])
        if let smoke { try writeFile("\(directory.path)/predictor.json", Array(smoke.utf8)) }
        var settings = PredictorSettings(path: directory.path)
        settings.bodyByteCountMax = 10_000
        settings.rowCountMax = 100
        change(&settings)
        let log = Log(minimum: .error)
        let metrics = PredictorMetrics()
        let holder = ModelHolder(
            path: settings.path,
            loader: RevisionLoader(
                task: settings.task, kinds: [LineModel.kind], proofSeconds: 1, log: log,
                isOver: { false }), metrics: metrics, log: log)
        let service = PredictorService(
            settings: settings, holder: holder, pool: try PredictionPool(threadCount: 1),
            metrics: metrics, log: log)
        self.service = service
        let address = SocketAddress(host: "127.0.0.1", port: 0)
        server = try HTTPServer(
            listening: try address.listen(), host: "127.0.0.1", limits: settings.limits,
            onRecord: { service.finish($0) }, intake: { service.intake($0) },
            handler: { service.respond($0) })
        if loads { try holder.begin() }
    }

    deinit {
        server.stop()
        service.pool.stop()
    }

    func ask(
        _ method: String, _ target: String, _ body: String = "", headers: [String] = []
    ) -> (status: Int, head: String, body: String) {
        let client = RawHTTPClient(port: server.address.port)
        let length = method == "POST" ? ["Content-Length: \(body.utf8.count)"] : []
        let lines = ["\(method) \(target) HTTP/1.1", "Host: h", "Connection: close"]
        client.send((lines + length + headers).joined(separator: "\r\n") + "\r\n\r\n" + body)
        let answer = client.readToEnd() ?? ""
        let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1)
        let head = parts.first.map(String.init) ?? ""
        return (
            Int(head.dropFirst(9).prefix(3)) ?? 0, head,
            parts.count > 1 ? String(parts[1]) : ""
        )
    }

    func predict(_ body: String) -> (status: Int, head: String, body: String) {
        ask("POST", "/predict", body)
    }
}

@Suite struct ServiceTests {
    @Test func predictsOneAndMany() throws {
        let stage = try Stage()
        let one = stage.predict(#"{"inputs": {"x": 3}}"#)
        #expect(one.status == 200)
        #expect(
            one.body.contains(#""prediction":{"values":[{"name":"y","value":6.0,"unit":"m"}]}"#))
        let many = stage.predict(#"{"inputs": [{"x": 1}, [2], 3]}"#)
        #expect(many.body.contains(#""value":2.0"#) && many.body.contains(#""value":6.0"#))
    }

    @Test(arguments: [
        (#"{"inputs": {"x": "3"}}"#, 422, "inputs.x: is a text"),
        (#"{"inputs": {}}"#, 422, "inputs.x: is missing"),
        (#"{"inputs": [{"x": 1}, {"x": 101}]}"#, 422, "inputs[1].x: is 101"),
        (#"{"inputs": {"x": 13}}"#, 422, "inputs.x: bad luck"),
        (#"{"inputs": [[1], [13]]}"#, 422, "inputs[1].x: bad luck"),
        (#"{"inputs": {"x": 99}}"#, 422, "inputs: the model gives no finite number"),
        (#"{"inputs": []}"#, 422, "inputs: is an empty list"),
        (#"{"input": 1}"#, 422, "input: is not known here"),
        (#"[1]"#, 422, "the body is a list"),
        (#"{"inputs": "#, 400, "the body is no JSON"),
        ("", 400, "the body is no JSON"),
    ])
    func refusesInWordsThatNameTheField(body: String, status: Int, words: String) throws {
        let stage = try Stage()
        let answer = stage.predict(body)
        #expect(answer.status == status)
        #expect(answer.body.hasPrefix(#"{"error":"\#(words)"#), "\(answer.body)")
    }

    @Test func boundsBodiesAndRows() throws {
        let stage = try Stage()
        let rows = Array(repeating: "[1]", count: 101).joined(separator: ",")
        #expect(stage.predict(#"{"inputs": [\#(rows)]}"#).status == 413)
        #expect(stage.predict(String(repeating: " ", count: 10_001)).status == 413)
    }

    @Test func predictsATableThatComesInPieces() throws {
        let stage = try Stage()
        let text = "id,x\r\n" + (0..<5000).map { "\($0),\($0 % 50)\r\n" }.joined()
        let answer = stage.ask("POST", "/predict/batch?keep=id", text)
        #expect(answer.status == 200 && answer.head.contains("X-Rows: 5000"))
        #expect(answer.head.contains("X-Rows-Failed: 100"))
        let lines = answer.body.split(separator: "\r\n")
        #expect(lines.count == 5001 && lines[0] == "row,id,y,error")
        #expect(lines[14] == "14,13,,x: bad luck" && lines[50] == "50,49,98.0,")
    }

    @Test func refusesATableWithoutItsColumn() throws {
        let answer = try Stage().ask("POST", "/predict/batch", "a,b\n1,2\n")
        #expect(answer.status == 422 && answer.body.contains(#""field":"x""#))
    }

    @Test(arguments: [
        "/etc/passwd", "/../../etc/passwd", "/%2e%2e/etc/passwd", "//etc/passwd", "/page.css/..",
        "/predict/..%2f", "/model/../line.bin", "/line.bin",
    ])
    func noRequestReadsAFile(target: String) throws {
        let answer = try Stage().ask("GET", target)
        #expect(answer.status == 404 && !answer.body.contains("root:"))
    }

    @Test func asksForTheTokenWhereThereIsOne() throws {
        let stage = try Stage { $0.token = "secret" }
        for target in ["/model", "/metrics", "/history", "/openapi.json"] {
            let answer = stage.ask("GET", target)
            #expect(answer.status == 401 && answer.head.contains("WWW-Authenticate: Bearer"))
        }
        for target in ["/", "/page.js", "/page.css", "/healthz", "/readyz"] {
            #expect(stage.ask("GET", target).status == 200)
        }
        let body = #"{"inputs": 1}"#
        #expect(stage.predict(body).status == 401)
        let shown = stage.ask(
            "POST", "/predict", body, headers: ["Authorization: Bearer secret"])
        #expect(shown.status == 200)
    }

    @Test func boundsTheRate() throws {
        let stage = try Stage { $0.requestsPerSecond = 0.5 }
        #expect(stage.predict(#"{"inputs": 1}"#).status == 200)
        let refused = stage.predict(#"{"inputs": 1}"#)
        #expect(refused.status == 429 && refused.head.contains("Retry-After: 2"))
        #expect(stage.ask("GET", "/healthz").status == 200)
    }

    @Test func otherMethodsAndFormsAreRefused() throws {
        let stage = try Stage()
        #expect(stage.ask("GET", "/predict").status == 405)
        #expect(stage.ask("DELETE", "/model").status == 405)
        let form = stage.ask(
            "POST", "/predict/batch", "x", headers: ["Content-Type: multipart/form-data"])
        #expect(form.status == 415)
        let other = stage.ask(
            "POST", "/predict", #"{"inputs": 1}"#, headers: ["Origin: http://evil.example"])
        #expect(other.status == 403)
    }

    @Test func tellsWhatItServes() throws {
        let stage = try Stage()
        let model = try JSONValue.parse(Array(stage.ask("GET", "/model").body.utf8))
        #expect(model["ready"] == .bool(true) && model["kind"] == "lines")
        guard case .array(let stages)? = model["load"]?["stages"] else {
            Issue.record("no stages")
            return
        }
        #expect(stages.map { $0["stage"] } == LoadStage.allCases.map { .string($0.rawValue) })
        #expect((model["memory"]?["privateBytes"]?.double ?? 0) > 0)
    }

    @Test func whoComesTooEarlyWaits() throws {
        let stage = try Stage(loads: false)
        #expect(stage.ask("GET", "/readyz").status == 503)
        let holder = stage.service.holder
        let thread = try Thread(named: "late") {
            sleep(seconds: 0.2)
            try? holder.begin()
        }
        #expect(stage.predict(#"{"inputs": 1}"#).status == 200)
        thread.join()
        #expect(stage.ask("GET", "/readyz").status == 200)
    }

    @Test func countsForPrometheus() throws {
        let stage = try Stage()
        _ = stage.predict(#"{"inputs": [1, 2]}"#)
        _ = stage.predict(#"{"inputs": "x"}"#)
        let page = stage.ask("GET", "/metrics").body
        #expect(page.contains("modelfs_predictor_rows_total{outcome=\"predicted\"} 2\n"))
        #expect(
            page.contains(
                "modelfs_predictor_requests_total{route=\"/predict\",status=\"422\"} 1\n"))
        #expect(page.contains("# TYPE modelfs_predictor_request_duration_seconds histogram\n"))
    }

    @Test func thePageLoadsNothingFromElsewhere() throws {
        let stage = try Stage()
        let page = stage.ask("GET", "/")
        #expect(
            page.head.contains("Content-Security-Policy: default-src 'none'; script-src 'self'"))
        let script = stage.ask("GET", "/page.js")
        for text in [page.body, script.body, stage.ask("GET", "/page.css").body] {
            #expect(!text.contains("http://") && !text.contains("https://"))
        }
        #expect(!script.body.contains("innerHTML"))
    }

    @Test func keepsSilentConnectionsWithoutHarm() throws {
        let stage = try Stage()
        let silent = (0..<100).map { _ in RawHTTPClient(port: stage.server.address.port) }
        for client in silent.prefix(50) { client.send("POST /predict HTTP/1.1\r\nHo") }
        #expect(stage.predict(#"{"inputs": 1}"#).status == 200)
        withExtendedLifetime(silent) {}
    }
}

@Suite struct LoadingTests {
    @Test func aCheckThatFailsIsSaid() throws {
        let smoke = #"{"smoke": {"inputs": {"x": 2}, "expect": {"y": 5}}}"#
        #expect(throws: PredictorError.check("y is 4.0, and should be 5.0")) {
            _ = try Stage(smoke: smoke)
        }
        _ = try Stage(smoke: #"{"smoke": {"inputs": {"x": 2}, "expect": {"y": 4}}}"#)
    }

    @Test(arguments: [
        (#"{"smoke": {"inputs": {"z": 2}}}"#, "smoke.inputs.z: is no input of the model"),
        (#"{"smoke": {"inputs": [2], "expect": {"q": 4}}}"#, "smoke.expect.q:"),
        (#"{"smoke": "#, "a value is missing"),
    ])
    func aDescriptionThatIsWrongIsSaid(smoke: String, words: String) throws {
        do {
            _ = try Stage(smoke: smoke)
            Issue.record("it loaded")
        } catch let error as PredictorError {
            #expect(error.message.hasPrefix("predictor.json: \(words)"), "\(error.message)")
        }
    }

    @Test func whatIsNotThereOrUnknownIsSaidWithANumber() throws {
        do throws(InferenceError) {
            _ = try RevisionFolder("/nowhere/at/all")
            Issue.record("it opened")
        } catch {
            #expect(PredictorError.inference(error).failure.code == .notFound)
        }
        let unknown = PredictorError.inference(.unknownModel(folder: "/m", found: ["a.txt"]))
        #expect(unknown.failure.code == .unsupportedModel)
        #expect(unknown.message.contains("holds no model of a kind that is known"))
        #expect(
            PredictorError.unreadable(file: "f", offset: 3, .inputOutput).failure.code
                == .unreadableModel)
    }

    @Test func anotherTaskIsRefused() throws {
        #expect(throws: PredictorError.self) { _ = try Stage { $0.task = .embedding } }
    }
}

@Suite struct HistoryTests {
    private func entry(_ number: Int) -> History.Entry {
        History.Entry(
            time: WallTime(secondsSince1970: Int64(number)), commit: "c", kind: "predict",
            input: "\(number)", output: "o", microseconds: 5)
    }

    @Test func keepsTheNewestAndNoMore() throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/history.db"
        let history = try History(path: path, rowCountMax: 10, log: Log(minimum: .error))
        for number in 0..<25 { history.add([entry(number)]) }
        history.flush()
        #expect(try history.newest(100).map(\.input) == (15..<25).reversed().map { "\($0)" })
        #expect(try history.newest(2).count == 2)
        let third = try history.newest(3)[2]
        #expect(try history.newest(1, before: third.id)[0].input == "21")
        history.close()
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let again = try History(path: path, rowCountMax: 10, log: Log(minimum: .error))
        #expect(try again.newest(100).count == 10)
        again.close()
    }

    @Test func cutsLongTexts() {
        let long = String(repeating: "ü", count: 10_000)
        #expect(History.cut(long).utf8.count <= History.textByteCountMax + 3)
        #expect(History.cut("short") == "short")
    }

    @Test func isAnsweredAndBounded() throws {
        let off = try Stage { $0.history = .off }
        #expect(off.ask("GET", "/history").status == 404)
        let stage = try Stage()
        #expect(stage.ask("GET", "/history").status == 503, "it opens in a moment")
        let path = "\(stage.directory.path)/h.db"
        let history = try History(path: path, rowCountMax: 10, log: Log(minimum: .error))
        stage.service.keep(history)
        defer { history.close() }
        _ = stage.predict(#"{"inputs": {"x": 3}}"#)
        let page = stage.ask("GET", "/history?count=1").body
        #expect(page.contains(#""input":"{\"x\":3.0}""#), "\(page)")
        #expect(stage.ask("GET", "/history?count=x").status == 422)
    }
}
