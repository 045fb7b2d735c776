// When a worker is started, replaced, killed, and when the keeper ends: the keeper's decisions.
//
// A pure state machine: it is told what happened and when, and returns what is to be done. It
// knows one worker at a time. Until a worker has once said that it answers requests, its end is
// the keeper's end; from then on only an end that was announced is, or one of a worker that was
// asked for it twice. Who asks while no worker serves, or one that dies of something else, gets one
// more, which takes the mounts away: the keeper cannot.

internal import Platform

/// The succession of workers.
struct Succession {
    /// Which file is started.
    enum Program: Equatable {
        /// The one that was started last and has answered requests.
        case proven
        /// The one that has the program's path now.
        case installed
    }

    enum Event: Equatable {
        /// The worker's end of the conversation was closed: no thread of it runs any more.
        case hungUp
        /// The worker could be waited for.
        case ended(ChildProcess.Ending)
        /// It could not be started.
        case notStarted
        case ready
        case alive
        case finishing
        case replace
        /// SIGTERM and its like, sent to the keeper.
        case terminate(CInt)
        /// Time has passed.
        case tick
    }

    enum Action: Equatable {
        case start(Program)
        /// The program that was started last has shown that it works.
        case settle
        /// Send the worker a signal.
        case signal(CInt)
        /// Write down what its threads do.
        case tellStacks
        /// Nothing is to be kept any more.
        case dropAll
        /// The next start waits for so many seconds.
        case pausing(seconds: Double)
        /// The keeper ends as the worker did.
        case end(ChildProcess.Ending)
    }

    private enum Phase {
        case starting
        case running
        /// Killed, since it gave no sign of life.
        case killed(at: MonotonicInstant)
        /// Gone; the next is started then.
        case pausing(until: MonotonicInstant)
        /// Gone for good; how it ended is not known yet.
        case over(since: MonotonicInstant)
    }

    /// A worker that answered requests for so long was well, whatever ended it.
    static let wellSeconds = 5.0
    /// One that somebody else has killed was well after so long already.
    static let wellSecondsWhenKilled = 0.2
    /// So many lives in a row may be shorter before there are pauses.
    static let shortLifeCount = 4
    static let pauseSecondsMin = 0.1
    static let pauseSecondsMax = 30.0
    /// After SIGKILL, a worker that does not even hang up is left to itself.
    static let killSecondsMax = 5.0
    /// How long the end of a worker that has hung up is waited for.
    static let reapSecondsMax = 10.0
    /// Who was not asked for the time for so long was stopped, and its worker maybe too.
    static let stoppedSeconds = 5.0
    /// So many workers in a row may die before one of them could be asked to end.
    static let lastLifeCount = 3
    /// How often the time is to be told.
    static let tickSeconds = 1.0

    /// Without a sign of life for so long, a worker is killed.
    private let silenceSecondsMax: Double
    private var phase = Phase.starting
    private var isEstablished = false
    private var isEnding = false
    private var isReplacing = false
    /// The signal to end, until a worker has said that it ends in order; a worker that comes in
    /// place of another is sent it, too.
    private var pendingSignal: CInt?
    private var lastLives = 0
    private var lastSign: MonotonicInstant
    private var lastTick: MonotonicInstant
    private var readySince: MonotonicInstant?
    private var shortLives = 0
    private var ending: ChildProcess.Ending?

    /// The first worker is being started.
    ///
    /// - Parameters:
    ///   - silenceSecondsMax: without a sign of life for so long, a worker is killed.
    ///   - isEstablished: whether there were workers before, of an earlier keeper.
    init(silenceSecondsMax: Double, isEstablished: Bool, now: MonotonicInstant) {
        self.silenceSecondsMax = silenceSecondsMax
        self.isEstablished = isEstablished
        lastSign = now
        lastTick = now
    }

    /// When the time is to be told at the latest.
    func nextTick(after now: MonotonicInstant) -> MonotonicInstant {
        if case .pausing(let until) = phase { return min(until, now + Succession.tickSeconds) }
        return now + Succession.tickSeconds
    }

    /// Whether all is as it should be, or about to be.
    func isSound(at now: MonotonicInstant) -> Bool {
        switch phase {
        case .starting, .running: now.seconds(since: lastSign) <= silenceSecondsMax
        case .killed, .pausing, .over: true
        }
    }

    mutating func handle(_ event: Event, at now: MonotonicInstant) -> [Action] {
        switch event {
        case .ready: return isReady(now)
        case .alive: lastSign = now
        case .finishing:
            isEnding = true
            pendingSignal = nil
            return [.dropAll]
        case .replace: isReplacing = true
        case .terminate(let number): return terminate(number, now)
        case .hungUp: return hungUp(now)
        case .notStarted: return gone(now)
        case .ended(let ending):
            self.ending = ending
            if case .over = phase { return [.end(ending)] }
            // Whoever inherited its socket does not keep it alive.
            return hungUp(now)
        case .tick: return tick(now)
        }
        return []
    }

    private mutating func isReady(_ now: MonotonicInstant) -> [Action] {
        guard case .starting = phase else { return [] }
        phase = .running
        isEstablished = true
        lastSign = now
        readySince = now
        guard let number = pendingSignal else { return [.settle] }
        return [.settle, .signal(number)]
    }

    private mutating func terminate(_ number: CInt, _ now: MonotonicInstant) -> [Action] {
        // Who asks twice does not want to wait; the first worker has nothing to take away.
        let isPatient = isEstablished && !isEnding
        isEnding = true
        pendingSignal = isPatient ? number : nil
        switch phase {
        case .over: return []
        case .pausing: return start(.proven, now)
        // One that starts would die of it, before it could take anything away.
        case .starting, .killed: return isPatient ? [] : [.signal(number)]
        case .running: return [.signal(number)]
        }
    }

    private mutating func hungUp(_ now: MonotonicInstant) -> [Action] {
        switch phase {
        case .pausing, .over: return []
        case .starting, .running, .killed: return gone(now)
        }
    }

    private mutating func gone(_ now: MonotonicInstant) -> [Action] {
        if isEnding || !isEstablished {
            if pendingSignal != nil && lastLives < Succession.lastLifeCount {
                lastLives += 1
                return start(.proven, now)
            }
            phase = .over(since: now)
            return ending.map { [.end($0)] } ?? []
        }
        if isReplacing { return start(.installed, now) }
        shortLives = wasWell(now) ? 0 : shortLives + 1
        let excess = shortLives - Succession.shortLifeCount
        if excess <= 0 { return start(.proven, now) }
        let seconds = min(
            Succession.pauseSecondsMax,
            Succession.pauseSecondsMin * Double(1 << min(excess - 1, 16)))
        phase = .pausing(until: now + seconds)
        return [.pausing(seconds: seconds)]
    }

    /// Whether the worker's end tells nothing about the next one's.
    private func wasWell(_ now: MonotonicInstant) -> Bool {
        guard let readySince else { return false }
        let lived = now.seconds(since: readySince)
        switch ending {
        case .killed(signal: 9)?, .killed(signal: 15)?, nil:
            return lived >= Succession.wellSecondsWhenKilled
        case .killed?, .exited?: return lived >= Succession.wellSeconds
        }
    }

    private mutating func start(_ program: Program, _ now: MonotonicInstant) -> [Action] {
        phase = .starting
        isReplacing = false
        readySince = nil
        ending = nil
        lastSign = now
        return [.start(program)]
    }

    private mutating func tick(_ now: MonotonicInstant) -> [Action] {
        // Whoever stopped this process may have stopped the worker too, and woken it no earlier.
        if now.seconds(since: lastTick) > Succession.stoppedSeconds { lastSign = now }
        lastTick = now
        switch phase {
        case .starting, .running:
            guard now.seconds(since: lastSign) > silenceSecondsMax else { return [] }
            phase = .killed(at: now)
            return [.tellStacks, .signal(9)]
        case .killed(let time):
            return now.seconds(since: time) > Succession.killSecondsMax ? gone(now) : []
        case .pausing(let until): return now < until ? [] : start(.proven, now)
        case .over(let time):
            return now.seconds(since: time) > Succession.reapSecondsMax
                ? [.end(ending ?? .killed(signal: 9))] : []
        }
    }
}
