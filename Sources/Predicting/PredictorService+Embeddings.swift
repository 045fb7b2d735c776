// Texts compared by their embeddings: how similar they are, and which are nearest.

internal import HTTPService
internal import Inference
internal import Platform

extension PredictorService {
    /// `POST /similarity`: `{"source": …, "sentences": […]}`.
    func similarity(_ request: HTTPRequest) throws(RequestProblem) -> HTTPResponse {
        let body = try PredictorService.body(request.body, allowed: ["source", "sentences"])
        let compared = try compare(body, one: "source", many: "sentences")
        let answer = JSONValue.floats(compared.similarities)
        note("similarity", compared.revision, [body], [answer], compared.seconds)
        return .json(
            PredictorService.answer(
                JSONMember(name: "similarities", value: answer), compared.revision,
                compared.seconds))
    }

    /// `POST /nearest`: `{"query": …, "candidates": […], "count": …}`.
    func nearest(_ request: HTTPRequest) throws(RequestProblem) -> HTTPResponse {
        let body = try PredictorService.body(
            request.body, allowed: ["query", "candidates", "count"])
        let count = body["count"] ?? .number(10)
        guard let number = count.double, let wanted = Int(exactly: number), wanted > 0 else {
            throw .value("count", "must be a whole number from 1 on")
        }
        let compared = try compare(body, one: "query", many: "candidates")
        let ranked = compared.similarities.enumerated()
            .sorted { ($1.element, $0.offset) < ($0.element, $1.offset) }.prefix(wanted)
        let answer = JSONValue.array(
            ranked.map { index, similarity in
                .members([
                    "index": .count(index), "text": .string(compared.texts[index]),
                    "similarity": .number(Double(similarity)),
                ])
            })
        note("nearest", compared.revision, [body], [answer], compared.seconds)
        return .json(
            PredictorService.answer(
                JSONMember(name: "nearest", value: answer), compared.revision, compared.seconds))
    }

    private struct Comparison {
        let revision: LoadedRevision
        let texts: [String]
        let similarities: [Float]
        let seconds: Double
    }

    private func compare(
        _ body: JSONValue, one: String, many: String
    ) throws(RequestProblem) -> Comparison {
        let revision = try holder.serving()
        guard revision.model.facts.task == .embedding else {
            throw RequestProblem(
                409, "this model gives no embeddings: it does \(revision.model.facts.task.rawValue)"
            )
        }
        guard let source = body[one] else { throw .value(one, "is missing; it takes a text") }
        guard case .array(let items)? = body[many], !items.isEmpty else {
            throw .value(many, "must be a list of texts, with at least one")
        }
        if items.count > settings.rowCountMax {
            throw RequestProblem(
                413, "has \(items.count) texts, and may have \(settings.rowCountMax)", field: many)
        }
        var rows = [try revision.reader.row(source, path: one)]
        for (index, item) in items.enumerated() {
            rows.append(try revision.reader.row(item, path: "\(many)[\(index)]"))
        }
        let began = MonotonicInstant.now
        let all = rows
        let predictions = try counting(rows.count) { () throws(RequestProblem) in
            try pool.predict(revision.model, all)
        }
        let vectors = predictions.map { prediction -> [Float] in
            if case .embedding(let vector) = prediction { vector } else { [] }
        }
        return Comparison(
            revision: revision, texts: items.map { $0.text ?? "" },
            similarities: vectors.dropFirst().map { cosine(vectors[0], $0) },
            seconds: MonotonicInstant.now.seconds(since: began))
    }
}

/// The cosine of the angle between two vectors; 0 where one of them has no length.
func cosine(_ left: [Float], _ right: [Float]) -> Float {
    var product: Float = 0
    var leftSquare: Float = 0
    var rightSquare: Float = 0
    for (one, other) in zip(left, right) {
        product += one * other
        leftSquare += one * one
        rightSquare += other * other
    }
    let length = (leftSquare * rightSquare).squareRoot()
    return length > 0 ? product / length : 0
}
