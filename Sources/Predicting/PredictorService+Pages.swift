// What is told of a service: the model, the history, whether it is ready, its counts.

internal import Database
internal import HTTPService
internal import Inference
internal import Platform
internal import Settings
internal import Telemetry

extension PredictorService {
    /// `GET /model`.
    func modelDescription() -> JSONValue {
        var members: [JSONMember] = []
        func add(_ name: String, _ value: JSONValue) {
            members.append(JSONMember(name: name, value: value))
        }
        let revision = holder.current
        add("ready", .bool(revision != nil && !holder.isDraining))
        add("version", .string(programVersion))
        add("startedAt", .string(startedAt.iso8601))
        add("path", .string(settings.path))
        add("following", .bool(settings.isFollowing))
        if let revision {
            members += PredictorService.identity(revision)
            members += PredictorService.facts(revision)
            add("load", PredictorService.load(revision))
        }
        add("loading", PredictorService.progress(holder.progress))
        add("previous", holder.previous.map { .object(PredictorService.identity($0)) } ?? .null)
        add(
            "refused",
            holder.refusal.map {
                .members([
                    "commit": .string($0.key), "reason": .string($0.reason),
                    "time": .string($0.time.iso8601),
                ])
            } ?? .null)
        add("heldBack", .text(orNull: holder.heldBack))
        add("memory", memory(revision))
        add(
            "limits",
            .members([
                "bodyBytes": .count(settings.bodyByteCountMax),
                "rows": .count(settings.rowCountMax),
                "batchBytes": .count(settings.batchByteCountMax),
                "batchRows": .count(settings.batchRowCountMax),
                "requestsPerSecond": settings.requestsPerSecond.map { .number($0) } ?? .null,
            ]))
        add("history", .bool(history != nil))
        return .object(members)
    }

    private static func identity(_ revision: LoadedRevision) -> [JSONMember] {
        let identity = revision.folder.identity
        return [
            JSONMember(name: "repo", value: .text(orNull: identity.repository)),
            JSONMember(name: "revision", value: .text(orNull: identity.revision)),
            JSONMember(name: "commit", value: .text(orNull: identity.commit)),
            JSONMember(name: "loadedAt", value: .string(revision.loadedAt.iso8601)),
        ]
    }

    private static func facts(_ revision: LoadedRevision) -> [JSONMember] {
        let facts = revision.model.facts
        // A kind that reads the card itself has its figures already.
        let known = Set(facts.metrics.map(\.name))
        let figures =
            facts.metrics.map { (name: $0.name, value: $0.value) }
            + (revision.card?.metrics ?? []).filter { !known.contains($0.name) }
            .map { (name: $0.name, value: $0.value) }
        return [
            JSONMember(name: "task", value: .string(facts.task.rawValue)),
            JSONMember(name: "kind", value: .string(revision.kindName)),
            JSONMember(name: "architecture", value: .string(facts.architecture)),
            JSONMember(name: "parameters", value: .count(facts.parameterCount)),
            JSONMember(name: "files", value: .array(facts.files.map(JSONValue.string))),
            JSONMember(name: "inputs", value: .array(revision.model.inputs.map(\.json))),
            JSONMember(
                name: "metrics",
                value: .array(
                    figures.map {
                        .members(["name": .string($0.name), "value": .string($0.value)])
                    })),
            JSONMember(
                name: "card",
                value: revision.card.map { card in
                    .members([
                        "title": .text(orNull: card.title),
                        "license": .text(orNull: card.license),
                        "summary": .text(orNull: card.summary),
                    ])
                } ?? .null),
        ]
    }

    private static func load(_ revision: LoadedRevision) -> JSONValue {
        let total = revision.times.reduce(0) { $0 + $1.seconds }
        return .members([
            "milliseconds": .number(rounded(total)),
            "stages": .array(
                revision.times.map {
                    .members([
                        "stage": .string($0.stage.rawValue),
                        "milliseconds": .number(rounded($0.seconds)),
                    ])
                }),
            "proofs": .array(
                revision.proofs.map {
                    .members(["file": .string($0.file), "verified": .text(orNull: $0.verified)])
                }),
        ])
    }

    private static func progress(_ state: LoadProgress.State?) -> JSONValue {
        guard let state else { return .null }
        return .members([
            "stage": .text(orNull: state.stage?.rawValue), "bytes": .count(state.byteCount),
            "bytesDone": .count(state.byteCountDone),
        ])
    }

    private func memory(_ revision: LoadedRevision?) -> JSONValue {
        var members = [
            JSONMember(
                name: "mappedWeightBytes",
                value: .count(revision?.model.facts.mappedByteCount ?? 0))
        ]
        if case .object(let process)? = MemoryUse.now()?.json { members += process }
        return .object(members)
    }

    /// `GET /history`: the newest first, `count` of them, those before an id.
    func historyPage(_ request: HTTPRequest) throws(RequestProblem) -> HTTPResponse {
        guard let history else {
            if settings.history == .off {
                throw RequestProblem(404, "there is no history here: it is switched off")
            }
            throw RequestProblem(
                503, "the history is not open: the log says why, unless it opens in a moment",
                retryAfterSeconds: 1)
        }
        let count = try PredictorService.number("count", request) ?? 50
        let before = try PredictorService.number("before", request)
        history.flush()
        let entries: [History.Entry]
        do throws(DatabaseError) {
            entries = try history.newest(count, before: before.map { Int64($0) })
        } catch {
            throw RequestProblem(500, "the history cannot be read: \(error)")
        }
        return .json(
            .members([
                "entries": .array(entries.map(\.json)), "kept": .count(history.rowCountMax),
            ]))
    }

    private static func number(
        _ name: String, _ request: HTTPRequest
    ) throws(RequestProblem) -> Int? {
        guard let text = request.query[name] else { return nil }
        guard let number = Int(text), number > 0 else {
            throw .value(name, "is '\(text.shortened)', and must be a whole number from 1 on")
        }
        return number
    }

    /// `GET /readyz`.
    func readiness() -> HTTPResponse {
        let isReady = holder.current != nil && !holder.isDraining
        var members = [JSONMember(name: "ready", value: .bool(isReady))]
        if holder.isDraining { members.append(JSONMember(name: "draining", value: .bool(true))) }
        members.append(
            JSONMember(name: "loading", value: PredictorService.progress(holder.progress)))
        var response = HTTPResponse.json(.object(members), status: isReady ? 200 : 503)
        if !isReady { response.headers.add("Retry-After", "1") }
        return response
    }

    /// `POST /rollback`.
    func rollback() throws(RequestProblem) -> HTTPResponse {
        let revision = try holder.rollBack()
        return .json(
            .members([
                "serving": .object(PredictorService.identity(revision)),
                "heldBack": .text(orNull: holder.heldBack),
            ]))
    }

    /// `GET /metrics`.
    func metricsPage() -> HTTPResponse {
        var page = MetricsPage(prefix: "modelfs_predictor_")
        metrics.write(to: &page)
        let revision = holder.current
        page.add(
            "ready", .gauge, "Whether a model serves.",
            revision != nil && !holder.isDraining ? 1 : 0)
        page.add(
            "queued_groups", .gauge, "Groups of rows that wait.", Double(pool.queueCount))
        page.begin("model_info", .gauge, "The model that serves.")
        if let revision {
            let identity = revision.folder.identity
            page.sample(
                [
                    ("repo", identity.repository ?? ""), ("revision", identity.revision ?? ""),
                    ("commit", identity.commit ?? ""),
                    ("task", revision.model.facts.task.rawValue),
                ], 1)
            page.add(
                "weights_mapped_bytes", .gauge, "Weight files that are mapped.",
                Double(revision.model.facts.mappedByteCount))
            page.begin("load_stage_seconds", .gauge, "What the parts of loading took.")
            for time in revision.times {
                page.sample([("stage", time.stage.rawValue)], time.seconds)
            }
        }
        if let memory = MemoryUse.now() {
            page.add(
                "memory_private_bytes", .gauge, "Memory that is this process's alone.",
                Double(memory.privateByteCount))
            page.add(
                "memory_proportional_bytes", .gauge, "Memory, where shared pages count in part.",
                Double(memory.proportionalByteCount))
            page.add(
                "resident_memory_bytes", .gauge, "Memory that is resident.",
                Double(memory.residentByteCount), isProcess: true)
        }
        page.add(
            "start_time_seconds", .gauge, "When the process started, in seconds since 1970.",
            Double(startedAt.secondsSince1970), isProcess: true)
        return .text(200, page.text, type: MetricsPage.contentType)
    }
}
