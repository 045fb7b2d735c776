// The steps of a simulation that ask nothing: what happens at the Hub, on the way and to the disk.

import ChunkStore
import FileSystem
import Hashing
import Platform

extension SimulatedWorld {
    func perform(_ op: SimulatedOp) throws {
        switch op {
        case .visitName: try visitName()
        case .revisit: try revisit()
        case .readRange: try readRange()
        case .readTogether: try readTogether()
        case .interruptRead: try interruptRead()
        case .readWhole: try readWhole()
        case .listVersions: try listVersions()
        case .listOwner: try listOwner()
        case .commit, .moveRef, .removeRef: changeHub(op)
        case .evict, .cool, .collectGarbage, .pin: try changeCache(op)
        case .hubAway, .hubBack, .badWeather, .goodWeather: changeWeather(op)
        case .diskTrouble: try troubleDisk()
        case .rot: rot()
        case .restart: try endLife { $0.close() }
        case .kill:
            say("kill")
            try endLife { $0.kill() }
        case .losePower: try losePower()
        case .jumpClock:
            let seconds = choose([-86_400, -3_600, -30, 30, 3_600, 86_400] as [Int64])
            say("the clock jumps by \(seconds) s")
            threads.setWallClock(bySeconds: seconds)
            // What was resolved at a time that comes again looks younger than it is.
            excuse(seconds: 400)
        case .idle: threads.sleep(seconds: choose([0.01, 0.3, 2, 31, 90]))
        }
    }

    private func changeHub(_ op: SimulatedOp) {
        let repository = choose(SimulatedWorld.repositories)
        let ids = hub.repositories[repository]?.commits.keys.sorted() ?? []
        say("\(op) in \(repository)")
        switch op {
        case .commit: commit(repository, choose(["main", "dev", "v1"]))
        case .moveRef: setRef(repository, choose(["main", "dev", "v1"]), choose(ids))
        default: setRef(repository, choose(["dev", "v1"]), nil)
        }
    }

    private func changeCache(_ op: SimulatedOp) throws {
        let content = choose(contents)
        let (hash, size) = (content.hash, Int64(content.bytes.count))
        let store = try life().store
        say("\(op) of \(size) bytes")
        do throws(StoreError) {
            switch op {
            case .evict: store.drop(hash, size: size)
            case .cool: _ = try store.cool(hash, size: size)
            case .pin: try store.setPinned([(hash, size)], try !store.isPinned(hash, size: size))
            default: _ = try store.collectGarbage()
            }
        } catch {
            // Both layouts are there for a while.
            let hasNoRoom = error == .full && !isRoomy
            if !hasNoRoom && !isExcused(since: threads.now) { fail("\(op): \(error)") }
        }
    }

    private func changeWeather(_ op: SimulatedOp) {
        say("\(op)")
        switch op {
        case .hubAway: weather.isAway = true
        case .hubBack:
            if weather.isAway { excuse() }
            weather.isAway = false
        case .badWeather:
            weather.faultEvery = choose([1, 2, 4, 10, 30])
            let all = NetworkFault.allCases
            weather.faults = (0..<Int.random(in: 1...4, using: &random)).map { _ in choose(all) }
            weather.roundTripSeconds = choose([0.001, 0.02, 0.5, 3])
            weather.bytesPerSecond = choose([30e3, 1e6, 100e6])
        default:
            weather.faultEvery = 0
            weather.roundTripSeconds = 0.02
            weather.bytesPerSecond = 20e6
            excuse()
        }
    }

    /// A disk that fails for some steps, and is well again.
    private func troubleDisk() throws {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: disk.faults.errorEvery = choose([3, 10, 40])
        case 1: disk.faults.isFull = true
        default: disk.faults.isReadOnly = true
        }
        say("the disk: \(disk.faults)")
        excuse()
        for _ in 0..<4 where report.problems.isEmpty {
            try perform(choose([.readRange, .readWhole, .readTogether, .cool, .evict, .idle]))
        }
        disk.faults = SimulatedDisk.Faults()
        say("the disk is well again")
        excuse()
    }

    /// A bit turns over in what the cache holds.
    private func rot() {
        let paths =
            disk.paths(below: "\(SimulatedLife.folder)/flat")
            + disk.paths(below: "\(SimulatedLife.folder)/packs")
        guard let path = paths.randomElement(using: &random), disk.size(of: path) > 0 else {
            return
        }
        let offset = Int.random(in: 0..<disk.size(of: path), using: &random)
        say("a bit of \(path) at \(offset) turns over")
        disk.rot(path, at: offset, bit: Int.random(in: 0..<8, using: &random))
        hasRotted = true
        excuse()
    }

    private func losePower() throws {
        say("power is lost")
        let kept = try Bool.random(using: &random) ? flushed() : []
        try endLife { life in
            life.mount.kill()
            disk.losePower()
            life.close()
        }
        held = []
        model.forgetSeen()
        let store = try life().store
        for content in kept
        where !store.state(of: content.hash, size: Int64(content.bytes.count)).isComplete {
            fail(
                "\(content.bytes.count) bytes were flushed before the power was lost, and are gone")
        }
    }

    /// What was complete in the store before a flush.
    private func flushed() throws -> [SimulatedContent] {
        let store = try life().store
        // What becomes complete meanwhile is not in it.
        let complete = contents.filter {
            !$0.bytes.isEmpty && store.state(of: $0.hash, size: Int64($0.bytes.count)).isComplete
        }
        store.flush()
        return disk.errorCount > 0 || hasRotted || !isRoomy ? [] : complete
    }

    // MARK: The end

    /// In calm weather, after every wait is over, all of the Hub is there and right; and again
    /// without a network, after a restart.
    func checkAll() throws {
        say("the end: all of it in calm weather")
        weather.isAway = false
        weather.faultEvery = 0
        weather.roundTripSeconds = 0.02
        weather.bytesPerSecond = 20e6
        _ = try life()
        // Beyond every jump back of the clock, which makes what is known look younger.
        threads.setWallClock(bySeconds: 100 * 86_400)
        threads.sleep(seconds: 400)
        excusedUntil = threads.now + -1
        try readEverything()
        if mayBeUnproven && weather.faultCounts[.flip] ?? 0 > 0 {
            // What was complete now, and wrong, was dropped.
            threads.sleep(seconds: SimulatedWorld.storeAgainSeconds)
            try readEverything()
        }
        guard isRoomy, report.problems.isEmpty else { return }
        // What the store could not take while the disk failed is in memory until then.
        threads.sleep(seconds: SimulatedWorld.storeAgainSeconds)
        try tellStates()
        try endLife { $0.close() }
        weather.isAway = true
        try tellStates()
        say("the end: all of it without a network")
        try readEverything(isOffline: true)
    }

    /// For the log: what the store has.
    private func tellStates() throws {
        if !isLoud { return }
        for content in contents {
            let size = Int64(content.bytes.count)
            let state = try life().store.state(of: content.hash, size: size)
            if state.cachedByteCount > 0 { say("\(size) bytes: \(state)") }
        }
    }

    private func readEverything(isOffline: Bool = false) throws {
        for repository in SimulatedWorld.repositories {
            let id = hub.repositories[repository]?.branches["main"] ?? ""
            let path = "\(repository)@\(isOffline ? id : "main")"
            held = []
            try visit(path, repository, isOffline ? id : "main")
            guard let root = held.last, root.commit == id else {
                if report.problems.isEmpty { fail("\(path) cannot be visited at the end") }
                return
            }
            for (path, content) in (model.commits[id]?.files ?? [:]).sorted(by: { $0.key < $1.key })
            {
                var node = root.node
                for name in path.split(separator: "/") {
                    let question = try life().lookup(node, String(name))
                    guard let next = waitFor(question, path)?.attributes else {
                        if report.problems.isEmpty { fail("\(path) is missing at the end") }
                        return
                    }
                    node = next.node
                }
                let excusedCount = report.excusedCount
                try readWhole(node, content.bytes, path)
                if report.excusedCount > excusedCount { fail("\(path) cannot be read at the end") }
                if !report.problems.isEmpty { return }
            }
        }
    }
}
