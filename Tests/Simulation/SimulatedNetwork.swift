// The network of a simulation: an engine below `Transport` that takes its answers from the Hub of
// the simulation, late, in pieces, and spoiled as the seed says.
//
// Priorities, lines and limits are the transport's own (`TransferQueue`). It has a thread of its
// own, on which every sink is called, as with libcurl.

import HubAPI
import Platform
import TestSupport
import Transport

/// What is done to an answer.
package enum NetworkFault: CaseIterable, Hashable, Sendable {
    /// A status of a server in trouble.
    case serverError
    /// 429, with and without a wait that it asks for.
    case tooMany
    /// The head or the body stops coming, and the connection stays.
    case stall
    /// The connection ends in the middle.
    case cut
    /// One bit of the body is another.
    case flip
    /// A byte less or more than was said, or a range that was not asked for.
    case wrongLength
    /// A little at a time.
    case drip
    /// Nobody accepts the connection.
    case refused
    /// The host of the data says that the URL has expired.
    case expired
    /// 200 and all of the file where a range was asked for.
    case whole
}

/// The way to the Hub.
package final class SimulatedNetwork: TransferEngine, @unchecked Sendable {
    // Sendable because only the thread with the baton touches its state.

    /// How the network is now; the simulation changes it.
    package final class Weather: @unchecked Sendable {
        // Sendable because only the thread with the baton touches it.

        /// Of so many requests something happens to one; 0: none.
        package var faultEvery = 0
        package var faults: [NetworkFault] = []
        /// Nobody answers.
        package var isAway = false
        package var roundTripSeconds = 0.02
        package var bytesPerSecond = 20e6
        /// What was done.
        package private(set) var faultCounts: [NetworkFault: Int] = [:]
        /// When something was last done.
        package private(set) var lastFault = MonotonicInstant(nanoseconds: 0)
        package private(set) var requestCount = 0

        package init() {}

        func note(_ fault: NetworkFault, at now: MonotonicInstant) {
            faultCounts[fault, default: 0] += 1
            lastFault = now
        }

        func countRequest() { requestCount += 1 }
    }

    private final class Running {
        let request: TransferRequest
        let sink: any TransferSink
        let startedAt: MonotonicInstant
        var answer: SimulatedAnswer?
        var sent = 0
        var hasResponded = false
        var lastProgress: MonotonicInstant
        var next: MonotonicInstant
        var fault: NetworkFault?
        /// Where the body stops, by a cut or a stall.
        var end: Int?
        var isPaused = false

        init(_ request: TransferRequest, _ sink: any TransferSink, at now: MonotonicInstant) {
            self.request = request
            self.sink = sink
            startedAt = now
            lastProgress = now
            next = now
        }

        var stalledAt: MonotonicInstant { lastProgress + request.stallTimeoutSeconds }
    }

    private static let pieceByteCounts = [1, 100, 4_096, 16_384, 65_536, 262_144]

    private let hub: SimulatedHub
    private let weather: Weather
    private let threads: SimulatedThreads
    private let commands: Mailbox<TransferCommand>
    private var random: SeededGenerator
    private var thread: ThreadBox?
    private var queue = TransferQueue(transfersMax: 96, transfersPerHostMax: 72, waitingMax: 8192)
    private var waiting: [TransferID: (request: TransferRequest, sink: any TransferSink)] = [:]
    private var running: [TransferID: Running] = [:]
    /// In the order of their start: a dictionary's differs from run to run.
    private var order: [TransferID] = []

    package init(
        hub: SimulatedHub, weather: Weather, threads: SimulatedThreads, seed: UInt64
    ) throws(Errno) {
        self.hub = hub
        self.weather = weather
        self.threads = threads
        commands = Mailbox(threads.scheduling)
        random = SeededGenerator(seed: seed ^ 0x6e65_7477)
        thread = try ThreadBox(named: "transfers", threads.scheduling) { [self] in run() }
    }

    package func send(_ command: TransferCommand) -> Bool { commands.send(command) }

    package func shutdown() {
        commands.close()
        thread?.join()
        thread = nil
    }

    // MARK: The thread

    private func run() {
        while true {
            let next = nextInstant()
            if let command = commands.receive(until: next) {
                apply(command)
            } else if commands.isClosed {
                break
            }
            startWhatMay()
            for id in order { advance(id) }
        }
        for id in Array(order) { end(id, .failure(.shutDown)) }
        for id in waiting.keys.sorted(by: { "\($0)" < "\($1)" }) { end(id, .failure(.shutDown)) }
    }

    private func nextInstant() -> MonotonicInstant {
        var next = MonotonicInstant.distantFuture
        for transfer in running.values {
            next = min(next, transfer.request.deadline)
            if transfer.isPaused { continue }
            next = min(next, transfer.next, transfer.stalledAt)
        }
        for entry in waiting.values { next = min(next, entry.request.deadline) }
        return next
    }

    private func apply(_ command: TransferCommand) {
        switch command {
        case .start(let id, let request, let sink):
            if queue.add(id, priority: request.priority, origin: request.url.origin) {
                waiting[id] = (request, sink)
            } else {
                sink.transferDidFinish(.failure(.queueFull))
            }
        case .cancel(let id): end(id, .failure(.cancelled))
        case .promote(let id, let priority): queue.promote(id, to: priority)
        case .resume(let id):
            guard let transfer = running[id], transfer.isPaused else { return }
            transfer.isPaused = false
            transfer.lastProgress = threads.now
            transfer.next = threads.now
        case .run(let body): body()
        }
    }

    private func startWhatMay() {
        while let id = queue.startNext() {
            guard let entry = waiting.removeValue(forKey: id) else { continue }
            weather.countRequest()
            let transfer = Running(entry.request, entry.sink, at: threads.now)
            if weather.faultEvery > 0,
                Int.random(in: 0..<weather.faultEvery, using: &random) == 0
            {
                transfer.fault = weather.faults.randomElement(using: &random)
            }
            let trip = weather.roundTripSeconds * Double.random(in: 0.5...2, using: &random)
            transfer.next = threads.now + trip
            running[id] = transfer
            order.append(id)
        }
    }

    private func end(_ id: TransferID, _ result: Result<TransferSummary, TransportError>) {
        if let entry = waiting.removeValue(forKey: id) {
            queue.remove(id)
            entry.sink.transferDidFinish(result)
        } else if let transfer = running.removeValue(forKey: id) {
            queue.remove(id)
            order.removeAll { $0 == id }
            transfer.sink.transferDidFinish(result)
        }
    }

    /// Does what is due of a transfer.
    private func advance(_ id: TransferID) {
        guard let transfer = running[id] else { return }
        let now = threads.now
        if now >= transfer.request.deadline { return end(id, .failure(.deadline)) }
        if transfer.isPaused { return }
        if now >= transfer.stalledAt { return end(id, .failure(.stalled)) }
        if now < transfer.next { return }
        if weather.isAway || transfer.fault == .refused {
            weather.note(.refused, at: now)
            return end(id, .failure(transfer.hasResponded ? .closedEarly : .connectionRefused))
        }
        guard let answer = transfer.answer else {
            var request = transfer.request
            if transfer.fault == .whole { request.range = nil }
            let made = SpoiledAnswer.make(
                hub.answer(request, at: threads.scheduling.wallTime), transfer.request,
                &transfer.fault, &random)
            if let fault = transfer.fault { weather.note(fault, at: now) }
            transfer.answer = made.answer
            transfer.end = made.end
            if made.isSilent { transfer.next = .distantFuture }
            return
        }
        if transfer.hasResponded { return deliver(id, transfer, answer, now) }
        transfer.hasResponded = true
        transfer.lastProgress = now
        let head = HTTPHead(status: answer.status, headers: HTTPHeaders(answer.headers))
        if transfer.sink.transferDidRespond(head) == .cancel { end(id, .failure(.cancelled)) }
    }

    private func deliver(
        _ id: TransferID, _ transfer: Running, _ answer: SimulatedAnswer, _ now: MonotonicInstant
    ) {
        if transfer.sent >= transfer.end ?? answer.body.count {
            return finish(id, transfer, answer, now)
        }
        var most = SimulatedNetwork.pieceByteCounts.randomElement(using: &random) ?? 1
        if transfer.fault == .drip { most = min(most, 500) }
        let limit = transfer.end ?? answer.body.count
        let piece = answer.body[transfer.sent..<min(limit, transfer.sent + max(most, limit / 64))]
        if Int64(transfer.sent + piece.count) > transfer.request.bodyLimitBytes {
            return end(id, .failure(.tooLarge))
        }
        transfer.lastProgress = now
        let directive = piece.withUnsafeBytes { transfer.sink.transferDidReceive($0) }
        switch directive {
        case .cancel: return end(id, .failure(.cancelled))
        case .pause: transfer.isPaused = true
        case .proceed:
            transfer.sent += piece.count
            transfer.next =
                now
                + (transfer.fault == .drip ? 1 : Double(piece.count) / weather.bytesPerSecond)
        }
    }

    private func finish(
        _ id: TransferID, _ transfer: Running, _ answer: SimulatedAnswer, _ now: MonotonicInstant
    ) {
        if transfer.end != nil {
            if transfer.fault == .stall {
                transfer.next = .distantFuture
                return
            }
            return end(id, .failure(.closedEarly))
        }
        let seconds = now.seconds(since: transfer.startedAt)
        end(
            id,
            .success(
                TransferSummary(
                    status: answer.status, bodyByteCount: Int64(transfer.sent),
                    firstByteSeconds: seconds, totalSeconds: seconds)))
    }
}

/// An answer after a fault was done to it.
private struct SpoiledAnswer {
    let answer: SimulatedAnswer
    /// Where it stops.
    var end: Int?
    /// Not even a head comes.
    var isSilent = false

    /// - Parameter fault: nil on return if it could not be done to this answer.
    static func make(
        _ answer: SimulatedAnswer, _ request: TransferRequest, _ fault: inout NetworkFault?,
        _ random: inout SeededGenerator
    ) -> SpoiledAnswer {
        let isData = request.url.text.hasPrefix(SimulatedHub.dataOrigin)
        let hasBytes =
            answer.status < 300 && !answer.body.isEmpty
            && (isData || request.url.text.contains("/resolve/"))
        var spoiled = answer
        let length = answer.body.count
        switch fault {
        case .serverError:
            let status = [500, 502, 503, 504].randomElement(using: &random) ?? 500
            return SpoiledAnswer(answer: SimulatedAnswer(status: status))
        case .tooMany:
            let wait = Int.random(in: 0...20, using: &random)
            let headers = wait == 0 ? [] : [(name: "Retry-After", value: "\(wait)")]
            return SpoiledAnswer(answer: SimulatedAnswer(status: 429, headers: headers))
        case .stall:
            if Bool.random(using: &random) || length == 0 {
                return SpoiledAnswer(answer: answer, isSilent: true)
            }
            return SpoiledAnswer(
                answer: answer, end: Int.random(in: 0..<length, using: &random))
        case .cut where length > 0 && answer.status < 300:
            return SpoiledAnswer(
                answer: answer, end: Int.random(in: 0..<length, using: &random))
        case .flip where hasBytes:
            spoiled.body[Int.random(in: 0..<length, using: &random)] ^=
                1 << UInt8.random(in: 0..<8, using: &random)
            return SpoiledAnswer(answer: spoiled)
        case .wrongLength where hasBytes:
            if Bool.random(using: &random) {
                spoiled.body.append(7)
            } else {
                spoiled.body.removeLast()
            }
            return SpoiledAnswer(answer: spoiled)
        case .expired where isData:
            return SpoiledAnswer(answer: SimulatedAnswer(status: 403))
        case .drip, .whole: return SpoiledAnswer(answer: answer)
        default: break
        }
        fault = nil
        return SpoiledAnswer(answer: answer)
    }
}
