// Why a request is not answered as it wants to be, with the status and the words for its sender.

internal import HTTPService

/// A refusal, or a failure to predict.
struct RequestProblem: Error, Equatable {
    var status: Int
    /// Without a full stop.
    var message: String
    /// What it is about, such as `inputs[2].age`; nil where it is about no field.
    var field: String?
    /// When to come again.
    var retryAfterSeconds: Int?
    /// More of the same kind, for other fields.
    var others: [RequestProblem] = []

    /// How many problems of one request are told.
    static let countMax = 16

    init(_ status: Int, _ message: String, field: String? = nil, retryAfterSeconds: Int? = nil) {
        self.status = status
        self.message = message
        self.field = field
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// A value that is not what its field takes.
    static func value(_ field: String, _ message: String) -> RequestProblem {
        RequestProblem(422, message, field: field)
    }

    /// Several of one request; nil for none.
    static func all(_ problems: [RequestProblem]) -> RequestProblem? {
        guard var first = problems.first else { return nil }
        first.others = Array(problems.dropFirst().prefix(countMax - 1))
        return first
    }

    /// As it stands beside a row: the field and what is wrong with it.
    var sentence: String { field.map { "\($0): \(message)" } ?? message }

    /// The answer.
    var response: HTTPResponse {
        var members = [JSONMember(name: "error", value: .string(sentence))]
        if let field { members.append(JSONMember(name: "field", value: .string(field))) }
        if !others.isEmpty {
            let all = ([self] + others).map { problem in
                JSONValue.members([
                    "field": .text(orNull: problem.field), "problem": .string(problem.message),
                ])
            }
            members.append(JSONMember(name: "problems", value: .array(all)))
        }
        var response = HTTPResponse.json(.object(members), status: status)
        if let retryAfterSeconds { response.headers.add("Retry-After", "\(retryAfterSeconds)") }
        if status == 401 { response.headers.add("WWW-Authenticate", "Bearer") }
        return response
    }
}

extension HTTPResponse {
    /// A JSON answer.
    static func json(_ value: JSONValue, status: Int = 200) -> HTTPResponse {
        var response = HTTPResponse(status: status, body: .bytes(value.bytes))
        response.headers.add("Content-Type", "application/json; charset=utf-8")
        return response
    }
}
