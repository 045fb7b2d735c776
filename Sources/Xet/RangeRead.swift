// The conversation with a Xet server that reads one range of one file: what to ask next.
//
// A pure state machine: events in, actions out. It makes no requests, keeps no bytes, and is told
// neither times nor retries: what may be tried again as it is (no answer, 429, 5xx, a cut body)
// the shell tries again by itself, and reports only what is final. The machine knows what the
// protocol does about the rest:
//
//     401 at a reconstruction    the token is read anew, at most twice in a row
//     404, 501 of version 2      version 1 is asked from then on
//     403 at a data URL          the URL has expired: what is missing is planned again; those
//                                refused while a question is open share the next one; three
//                                plans in a row with nothing finished between are the end
//     data that does not decode  planned and fetched once more
//     a body cut short           as the shell says: the rest of it is planned anew, or tried again
//
// Everything else ends in `fallBack`: the file is then read over plain HTTP, which needs no Xet.

/// Why a range is not read through Xet.
///
/// The values are facts for the log.
package enum XetFallback: Error, Equatable, Hashable, Sendable {
    /// The Hub gives no token: final status, or nil without any answer.
    case noToken(status: Int?)
    /// The server refuses the token again and again.
    case tokenRefused
    /// The server does not know the file.
    case unknownFile
    /// The server answers with another status, or (nil) not at all.
    case serverFailed(status: Int?)
    /// Data URLs are refused again and again.
    case locationsRefused
    /// What the server sent contradicts itself or the tree.
    case invalid(XetError)
}

/// One range being read.
package struct RangeRead: Sendable {
    /// What the shell is to do.
    package enum Action: Equatable, Sendable {
        /// Get a token; a new one, even if the last one seems valid, if `mustBeNew`.
        case readToken(mustBeNew: Bool)
        /// Ask for a reconstruction of a range of the file.
        case reconstruct(XetToken, ReconstructionVersion, Range<Int64>)
        /// Fetch and decode; `id` names it in events.
        case download(id: Int, XorbDownload)
        /// Chunks that are here: put them into the file.
        case useLocal([LocalUse])
        /// The range is complete.
        case finish
        /// Give up; downloads that still run are to be cancelled.
        case fallBack(XetFallback)
    }

    /// Tokens asked for in a row without an answer that takes one.
    private static let tokenAttemptsMax = 2
    /// Plans made in a row without a download that finishes.
    private static let fruitlessPlansMax = 3
    /// Plans made at all: a range has at most some dozens of downloads, whose URLs live an hour.
    private static let plansMax = 64

    private let fileByteCount: Int64
    private var token: XetToken?
    private var running: [Int: XorbDownload] = [:]
    private var nextID = 0
    /// What the open question is about; nil while none is open.
    private var asked: Range<Int64>?
    private var isReadingToken = false
    /// What has to be planned again once the open question is answered.
    private var missing: Range<Int64>?
    private var tokenRefusals = 0
    private var fruitlessPlans = 0
    private var plans = 0
    private var decodeFailures = 0
    private var isOver = false

    /// The version that is asked first; the shell keeps it for the server's next range.
    package private(set) var version: ReconstructionVersion

    /// Begins a read; `start` gives the first action.
    ///
    /// - Parameters:
    ///   - range: not empty, inside the file.
    ///   - fileByteCount: the file's length, as the tree has it.
    ///   - token: one that is not due, if there is one.
    package init(
        range: Range<Int64>, fileByteCount: Int64, token: XetToken?,
        version: ReconstructionVersion
    ) {
        precondition(!range.isEmpty && range.lowerBound >= 0 && range.upperBound <= fileByteCount)
        self.fileByteCount = fileByteCount
        self.token = token
        self.version = version
        missing = range
    }

    /// The first action.
    package mutating func start() -> [Action] {
        ask()
    }

    /// A token came.
    package mutating func tokenArrived(_ token: XetToken) -> [Action] {
        if isOver { return [] }
        isReadingToken = false
        self.token = token
        return ask()
    }

    /// No token came.
    ///
    /// `status` is the final one, nil without an answer.
    package mutating func tokenFailed(status: Int?) -> [Action] {
        end(.noToken(status: status))
    }

    /// The answer to the open question came, and could be read or not.
    ///
    /// - Parameter isHere: whether a chunk of a xorb, told by its index, is in the store.
    package mutating func reconstructionArrived(
        _ answer: Result<Reconstruction, XetError>, isHere: (XetHash, Int) -> Bool
    ) -> [Action] {
        guard !isOver, let range = asked else { return [] }
        asked = nil
        tokenRefusals = 0
        let plan: DownloadPlan
        do throws(XetError) {
            plan = try DownloadPlan(
                try answer.get(), range: range, fileByteCount: fileByteCount, isHere: isHere)
        } catch {
            return end(.invalid(error))
        }
        var actions: [Action] = []
        if !plan.localUses.isEmpty { actions.append(.useLocal(plan.localUses)) }
        for download in plan.downloads {
            running[nextID] = download
            actions.append(.download(id: nextID, download))
            nextID += 1
        }
        return actions + goOn()
    }

    /// The open question was answered with a final status other than 200, or (nil) not at all.
    package mutating func reconstructionRefused(status: Int?) -> [Action] {
        guard !isOver, let range = asked else { return [] }
        asked = nil
        missing = missing?.union(range) ?? range
        switch status {
        case 401:
            tokenRefusals += 1
            token = nil
            return tokenRefusals > Self.tokenAttemptsMax ? end(.tokenRefused) : ask()
        case 404, 501:
            if version == .one { return end(.unknownFile) }
            version = .one
            return ask()
        default:
            return end(.serverFailed(status: status))
        }
    }

    /// A download has ended well, and its decoder too.
    package mutating func downloadFinished(id: Int) -> [Action] {
        guard !isOver, running.removeValue(forKey: id) != nil else { return [] }
        fruitlessPlans = 0
        return goOn()
    }

    /// A download was answered with a final status other than 200 or 206, or (nil) not at all.
    package mutating func downloadRefused(id: Int, status: Int?) -> [Action] {
        guard !isOver, let download = running.removeValue(forKey: id) else { return [] }
        guard status == 403 else { return end(.serverFailed(status: status)) }
        missing = missing?.union(download.fileRange) ?? download.fileRange
        return goOn()
    }

    /// A download was cut short, and is not tried again as it is: part of it is here.
    package mutating func downloadCut(id: Int, rest: Range<Int64>) -> [Action] {
        guard !isOver, running.removeValue(forKey: id) != nil else { return [] }
        fruitlessPlans = 0
        missing = missing?.union(rest) ?? rest
        return goOn()
    }

    /// What a download brought was not what it should be.
    package mutating func downloadInvalid(id: Int, _ error: XetError) -> [Action] {
        guard !isOver, let download = running.removeValue(forKey: id) else { return [] }
        decodeFailures += 1
        if decodeFailures > 1 { return end(.invalid(error)) }
        missing = missing?.union(download.fileRange) ?? download.fileRange
        return goOn()
    }

    /// Asks for what is missing, or ends when nothing is.
    private mutating func goOn() -> [Action] {
        if asked != nil || isReadingToken { return [] }
        if missing != nil {
            fruitlessPlans += 1
            plans += 1
            let isEnough = fruitlessPlans >= Self.fruitlessPlansMax || plans >= Self.plansMax
            return isEnough ? end(.locationsRefused) : ask()
        }
        guard running.isEmpty else { return [] }
        isOver = true
        return [.finish]
    }

    private mutating func ask() -> [Action] {
        guard asked == nil, !isReadingToken, let range = missing else { return [] }
        guard let token else {
            isReadingToken = true
            return [.readToken(mustBeNew: tokenRefusals > 0)]
        }
        missing = nil
        asked = range
        return [.reconstruct(token, version, range)]
    }

    private mutating func end(_ reason: XetFallback) -> [Action] {
        if isOver { return [] }
        isOver = true
        running.removeAll()
        return [.fallBack(reason)]
    }
}

extension Range<Int64> {
    /// The smallest range that has both in it.
    fileprivate func union(_ other: Range<Int64>) -> Range<Int64> {
        Swift.min(lowerBound, other.lowerBound)..<Swift.max(upperBound, other.upperBound)
    }
}
