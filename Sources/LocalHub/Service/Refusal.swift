// The Hub's ways of saying no: a status, and two headers by which the official client tells its
// error classes apart.

internal import HTTPService
internal import Hashing

/// Why a request is not answered with what it asked for.
enum Refusal: Error, Equatable {
    case invalidCredentials
    case loginNeeded
    /// Missing, or private and not to be told apart from missing.
    case noRepository(isAnonymous: Bool)
    case gated(id: String, isAnonymous: Bool)
    case noRevision(String)
    case noEntry(path: String, commit: GitObjectID)
    case noPage
    case wrongMethod(allowed: String)
    case badRequest(String)
    case forbidden(String)
    case internalError(String)

    /// The response's status.
    var status: Int {
        switch self {
        case .invalidCredentials, .loginNeeded: 401
        case .noRepository(let isAnonymous): isAnonymous ? 401 : 404
        case .gated(_, let isAnonymous): isAnonymous ? 401 : 403
        case .noRevision, .noEntry, .noPage: 404
        case .wrongMethod: 405
        case .badRequest: 400
        case .forbidden: 403
        case .internalError: 500
        }
    }

    /// What `X-Error-Code` says; nil for a refusal without a code.
    var code: String? {
        switch self {
        case .noRepository: "RepoNotFound"
        case .gated: "GatedRepo"
        case .noRevision: "RevisionNotFound"
        case .noEntry: "EntryNotFound"
        case .invalidCredentials, .loginNeeded, .noPage, .wrongMethod, .badRequest, .forbidden,
            .internalError:
            nil
        }
    }

    /// What `X-Error-Message` and the body say.
    var message: String {
        switch self {
        case .invalidCredentials: "Invalid credentials in Authorization header"
        case .loginNeeded: "Invalid username or password."
        case .noRepository(let isAnonymous):
            isAnonymous ? "Invalid username or password." : "Repository not found"
        case .gated(let id, let isAnonymous):
            isAnonymous
                ? "Access to \(id) is restricted. You must have access to it and be authenticated "
                    + "to access it. Please log in."
                : "Access to \(id) is restricted and you are not in the authorized list."
        case .noRevision(let name): "Invalid rev id: \(name)"
        case .noEntry(let path, _): "Entry not found: \(path)"
        case .noPage: "Sorry, we can't find the page you are looking for."
        case .wrongMethod(let allowed): "Use \(allowed) here."
        case .badRequest(let message), .forbidden(let message), .internalError(let message):
            message
        }
    }

    /// The whole answer.
    func response() -> HTTPResponse {
        var response = HTTPResponse(
            status: status, body: .bytes(JSON.object([("error", .string(message))]).bytes))
        response.headers.add("Content-Type", "application/json; charset=utf-8")
        if let code { response.headers.add("X-Error-Code", code) }
        response.headers.add("X-Error-Message", message)
        if case .noEntry(_, let commit) = self { response.headers.add("X-Repo-Commit", commit.hex) }
        if case .wrongMethod(let allowed) = self { response.headers.add("Allow", allowed) }
        if status == 401 {
            response.headers.add(
                "WWW-Authenticate", "Bearer realm=\"Authentication required\", charset=\"UTF-8\"")
        }
        return response
    }
}
