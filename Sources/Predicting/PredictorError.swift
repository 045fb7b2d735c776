// Why a revision is not served, and how a predictor that cannot start ends.

internal import Database
internal import HTTPService
internal import Inference
internal import Platform
internal import Settings

/// Why a revision is not served.
enum PredictorError: Error, Equatable {
    case inference(InferenceError)
    /// A page of a file cannot be had.
    case unreadable(file: String, offset: Int, Errno)
    /// The file's bytes were compared with its hash, and are others.
    case damaged(file: String)
    /// The file was not proven within the time that is given to it.
    case unproven(file: String, seconds: Double)
    /// The model does not answer its check as it should.
    case check(String)
    /// `predictor.json` is not what it should be.
    case description(String)

    /// In one sentence, without a full stop.
    var message: String {
        switch self {
        case .inference(let error): "\(error)"
        case .unreadable(let file, let offset, let error):
            "\(file) cannot be read at byte \(offset): \(error)"
        case .damaged(let file): "\(file) is not what its hash says"
        case .unproven(let file, let seconds):
            "\(file) was not proven within \(Int(seconds)) s"
        case .check(let reason): "the model fails its check: \(reason)"
        case .description(let reason): "predictor.json: \(reason)"
        }
    }

    /// Whether another attempt may go better.
    var mayPass: Bool {
        switch self {
        case .unreadable, .unproven, .inference(.file): true
        default: false
        }
    }

    /// The end of a program that cannot serve.
    var failure: CommandFailure {
        switch self {
        case .inference(.file(_, .noEntry)):
            CommandFailure(
                .notFound, message, advice: "In a mount, is the revision's name right? 'ls' shows.")
        case .unreadable, .unproven, .inference(.file):
            CommandFailure(
                .unreadableModel, message,
                advice: "'modelfs status' tells what is wrong with the mount, or with the Hub.")
        case .damaged:
            CommandFailure(
                .unreadableModel, message,
                advice: "'modelfs cache verify --repair' fetches again what is damaged.")
        case .inference(.unknownModel), .inference(.unsupported), .inference(.wrongTask):
            CommandFailure(
                .unsupportedModel, message,
                advice: "Supported are: " + ModelRecognition.supported.joined(separator: "; ")
                    + ". --task chooses among what a model can do.")
        case .check:
            CommandFailure(
                .unsupportedModel, message, advice: "The check stands in predictor.json.")
        case .inference, .description:
            CommandFailure(
                .unsupportedModel, message,
                advice:
                    "The files of the model do not fit together; compare them with their source.")
        }
    }
}

extension CommandFailure {
    init(_ error: HTTPServiceError) {
        let advice = "--listen takes HOST:PORT; port 0 takes a free one."
        switch error {
        case .unknownHost(let host):
            self.init(.listen, "'\(host)' is no address of this machine", advice: advice)
        case .cannotListen(let address, let error):
            self.init(.listen, "cannot listen on \(address): \(error)", advice: advice)
        case .noService:
            self.init(
                .listen, "the HTTP service does not start",
                advice: "Is there memory, and room for threads?")
        }
    }
}
