// One simulation: a Hub that changes, a network and a disk that fail, and a daemon that is asked,
// killed, left without power and started again; every answer is compared with the model.
//
// All is drawn from one seed: what the Hub has, what is done in which order, what goes wrong, which
// thread runs when. `SimulatedWorld(seed:).run()` is one run, and its report has a digest by which
// two runs can be compared.

import Catalog
import Fetching
import FileSystem
import HubAPI
import Platform
import TestSupport
import Transport

/// What may be done in a step.
package enum SimulatedOp: CaseIterable, Sendable {
    case visitName, revisit, readRange, readTogether, interruptRead, readWhole
    case listVersions, listOwner
    case commit, moveRef, removeRef
    case evict, cool, collectGarbage, pin
    case hubAway, hubBack, badWeather, goodWeather
    case diskTrouble, rot
    case restart, kill, losePower
    case jumpClock, idle

    /// How often it is drawn.
    var weight: Int {
        switch self {
        case .readRange: 24
        case .visitName, .revisit: 14
        case .readTogether, .readWhole: 8
        case .listVersions, .interruptRead, .commit, .idle: 4
        case .moveRef, .hubBack, .badWeather, .goodWeather, .cool, .listOwner: 3
        case .removeRef, .evict, .hubAway, .restart, .pin: 2
        case .kill, .losePower, .collectGarbage, .diskTrouble, .rot, .jumpClock: 1
        }
    }
}

/// How a run went.
package struct SimulationReport: Sendable {
    package let seed: UInt64
    /// What was answered and may not be; empty if all is well.
    package var problems: [String] = []
    /// Of everything that was decided.
    package var trace: UInt64 = 0
    package var stepCount = 0
    package var turnCount = 0
    package var answerCount = 0
    /// Answers that were errors, in bad weather.
    package var excusedCount = 0
    package var requestCount = 0
    package var faultCounts: [NetworkFault: Int] = [:]
    package var simulatedSeconds = 0.0
}

/// A run.
package final class SimulatedWorld {
    /// A directory that somebody holds.
    struct Held {
        let node: NodeID
        let commit: String
        let path: String
    }

    static let repositories = ["models/org/one", "models/org/two", "models/legacy", "datasets/o/d"]
    static let names = ["a", "b", "config.json", "d", "é", "x y", "%41", "#?&", "w.safetensors"]
    /// Beyond it nothing of what ends in order is still under way, in seconds: a read's deadline
    /// and the longest pause between two looks whether the Hub is there.
    static let settleSeconds = 160.0
    /// In which the store is given again what it could not take, and what is complete is proven.
    static let storeAgainSeconds = 10.0

    let seed: UInt64
    let threads: SimulatedThreads
    let disk: SimulatedDisk
    let hub = SimulatedHub()
    let weather = SimulatedNetwork.Weather()
    var options = LifeOptions()
    var random: SeededGenerator
    var model = ReferenceModel()
    var contents: [SimulatedContent] = []
    var held: [Held] = []
    var report: SimulationReport
    var isLoud = false
    /// Whether nothing is ever evicted for want of room.
    let isRoomy: Bool
    /// Whether bytes may be wrong until they are proven, since large files come with flips.
    let mayBeUnproven: Bool
    /// Whether a bit has turned over on the disk.
    var hasRotted = false
    /// Until when an error is excused.
    var excusedUntil = MonotonicInstant(nanoseconds: 0)
    private var current: SimulatedLife?
    private var lifeCount: UInt64 = 0

    package init(seed: UInt64) {
        self.seed = seed
        threads = SimulatedThreads(seed: seed)
        disk = SimulatedDisk(seed: seed, threads: threads)
        random = SeededGenerator(seed: seed)
        report = SimulationReport(seed: seed)
        isRoomy = seed % 3 != 0
        options.fetch.prefetch = [.auto, .nothing, .auto][Int(seed / 3 % 3)]
        options.fetch.provesFirst = seed / 9 % 3 == 0
        if !isRoomy { options.sizeLimitBytes = 3_000_000 }
        options.hotLimitBytes = [nil, 0, 1_000_000][Int(seed / 27 % 3)]
        let hasLarge = seed / 81 % 2 == 0
        mayBeUnproven = hasLarge && !options.fetch.provesFirst
        for size in [0, 1, 999, 19_999, 20_001, 131_072, 131_073, 400_000] {
            contents.append(SimulatedContent(random.bytes(size)))
        }
        // Chunks of it are in another, and it can be compressed.
        var words: [UInt8] = []
        while words.count < 300_000 { words += Array("word \(words.count % 777) ".utf8) }
        contents.append(SimulatedContent(words))
        contents.append(SimulatedContent(words.prefix(200_000) + contents[6].bytes))
        if hasLarge { contents.append(SimulatedContent(random.bytes(1_300_000) + words)) }
        for repository in SimulatedWorld.repositories { commit(repository, "main") }
    }

    package func print(log isLoud: Bool) {
        self.isLoud = isLoud
        options.isLoud = isLoud
    }

    func say(_ text: @autoclosure () -> String) {
        if isLoud {
            Swift.print(
                "[\(threads.now.seconds(since: MonotonicInstant(nanoseconds: 0)))] \(text())")
        }
    }

    /// Runs the steps, then a calm end, in which everything has to be right.
    package func run(steps: Int = 120) -> SimulationReport {
        let began = threads.now
        do {
            for _ in 0..<steps where report.problems.isEmpty {
                report.stepCount += 1
                try perform(draw())
            }
            if report.problems.isEmpty { try checkAll() }
            try endLife { $0.close() }
        } catch {
            fail("an error where there should be none: \(error)")
        }
        report.trace = threads.trace
        report.turnCount = threads.turnCount
        report.requestCount = weather.requestCount
        report.faultCounts = weather.faultCounts
        report.simulatedSeconds = threads.now.seconds(since: began)
        return report
    }

    func fail(_ problem: String) {
        say("WRONG: \(problem)")
        report.problems.append("step \(report.stepCount): \(problem)")
    }

    func choose<Value>(_ values: some Collection<Value>) -> Value {
        guard let value = values.randomElement(using: &random) else {
            preconditionFailure("nothing to choose from")
        }
        return value
    }

    private func draw() -> SimulatedOp {
        let all = SimulatedOp.allCases
        var left = Int.random(in: 0..<all.reduce(0) { $0 + $1.weight }, using: &random)
        for op in all {
            left -= op.weight
            if left < 0 { return op }
        }
        return .idle
    }

    // MARK: Lives

    func life() throws -> SimulatedLife {
        if let current { return current }
        lifeCount += 1
        do {
            current = try start()
        } catch {
            // A disk that fails may keep a daemon from starting; one that is well may not.
            guard disk.faults.isActive else { throw error }
            say("no start on a disk that fails: \(error)")
            disk.faults = SimulatedDisk.Faults()
            current = try start()
        }
        return try life()
    }

    private func start() throws -> SimulatedLife {
        try SimulatedLife(
            disk, hub, weather, threads, options, seed: seed &* 1_000 &+ lifeCount)
    }

    func endLife(_ end: (SimulatedLife) -> Void) throws {
        guard let life = current else { return }
        current = nil
        end(life)
    }

    /// From now on for a while errors are no surprise.
    func excuse(seconds: Double = SimulatedWorld.settleSeconds) {
        excusedUntil = max(excusedUntil, threads.now + seconds)
    }

    /// Whether an error in an answer to a question of that time is no surprise.
    func isExcused(since begin: MonotonicInstant) -> Bool {
        if weather.isAway || weather.faultEvery > 0 || disk.faults.isActive { return true }
        return begin <= excusedUntil
            || begin <= weather.lastFault + SimulatedWorld.settleSeconds
    }

    /// Judges an answer that is an error.
    func judge(_ error: FileSystemError, _ what: String, since begin: MonotonicInstant) {
        // What is served only when all of it was proven needs room for all of it.
        let hasNoRoom = error == .tooLarge && options.fetch.provesFirst && !isRoomy
        if hasNoRoom || error == .unavailable && isExcused(since: begin) {
            report.excusedCount += 1
        } else {
            fail("\(what): \(error), asked \(threads.now.seconds(since: begin)) s ago")
        }
    }

    // MARK: At the Hub

    func commit(_ repository: String, _ branch: String) {
        var files: [String: SimulatedContent] = [:]
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let depth = Int.random(in: 1...3, using: &random)
            let path = (0..<depth).map { _ in choose(SimulatedWorld.names) }.joined(separator: "/")
            let isBlocked = files.keys.contains { other in
                path.hasPrefix(other + "/") || other.hasPrefix(path + "/")
            }
            if !isBlocked { files[path] = choose(contents) }
        }
        publish(repository, branch, files)
    }

    /// A commit with some files, to which a branch or a tag is set.
    func publish(_ repository: String, _ branch: String, _ files: [String: SimulatedContent]) {
        var id = ""
        while id.utf8.count < 40 { id += String(random.next(), radix: 16) }
        id = String(id.prefix(40))
        model.commits[id] = ModelCommit(id: id, files: files)
        let name = repository.split(separator: "/").dropFirst().joined(separator: "/")
        var known = hub.repositories[repository] ?? SimulatedRepository(name: name)
        known.commits[id] = SimulatedCommit(
            id: id, secondsSince1970: 1_700_000_000 + Int64(model.commits.count), files: files)
        hub.repositories[repository] = known
        setRef(repository, branch, id)
    }

    func setRef(_ repository: String, _ name: String, _ id: String?) {
        if name.hasPrefix("v") {
            hub.repositories[repository]?.tags[name] = id
        } else {
            hub.repositories[repository]?.branches[name] = id
        }
        let era = ReferenceModel.Era(from: threads.now, commit: id)
        model.eras["\(repository)@\(name)", default: []].append(era)
        if name == "main" { model.eras[repository, default: []].append(era) }
    }
}
