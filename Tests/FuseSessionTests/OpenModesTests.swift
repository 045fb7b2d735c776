// Modes of open contents: against a kernel that says EIO to a mixture, in any order of events.

import Catalog
import TestSupport
import Testing

@testable import FuseSession

private let node = NodeID.file(ContentID(row: 7), epoch: 3)
private let other = NodeID.file(ContentID(row: 8), epoch: 3)

@Suite struct OpenModesTests {
    private var modes = OpenModes()

    @Test mutating func theFirstOpenDecidesForAllOthers() {
        #expect(modes.open(node, request: 1) == .decide)
        #expect(modes.open(node, request: 2) == .wait)
        #expect(modes.open(other, request: 3) == .decide)
        #expect(modes.decided(node, .passthrough(backingID: 5)) == [1, 2])
        #expect(modes.open(node, request: 4) == .reply(.passthrough(backingID: 5)))
        #expect(modes.decided(other, .cached) == [3])
        #expect(modes.open(other, request: 5) == .reply(.cached))
        #expect(modes.count(node) == 3)
        #expect(modes.list(countMax: 1).count == 1)
    }

    @Test mutating func theLastCloseLetsTheModeGo() {
        _ = modes.open(node, request: 1)
        _ = modes.open(node, request: 2)
        _ = modes.decided(node, .passthrough(backingID: 5))
        #expect(modes.release(node) == nil)
        #expect(modes.release(node) == .passthrough(backingID: 5))
        #expect(modes.release(node) == nil, "one too many is nothing")
        #expect(modes.open(node, request: 3) == .decide)
    }

    @Test mutating func whatCannotBeOpenedIsRefusedToAllWhoWait() {
        _ = modes.open(node, request: 1)
        _ = modes.open(node, request: 2)
        #expect(modes.release(node) == nil)
        #expect(modes.failed(node) == [1, 2])
        #expect(modes.decided(node, .cached) == [])
        #expect(modes.open(node, request: 3) == .decide)
    }

    @Test mutating func whatAnEarlierProcessNotedStays() {
        modes.resume(node, .passthrough(backingID: 9), count: 2)
        modes.resume(other, .cached, count: 0)
        #expect(modes.open(node, request: 1) == .reply(.passthrough(backingID: 9)))
        #expect(modes.open(other, request: 2) == .decide)
        for _ in 0..<2 { #expect(modes.release(node) == nil) }
        #expect(modes.release(node) == .passthrough(backingID: 9))
    }

    /// A model of what the kernel holds: two kinds of opens of one content at once are an error,
    /// and so is one by a number that was given back.
    @Test(arguments: seeds(30)) func noOrderOfEventsMixesModes(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var modes = OpenModes()
        var held: [NodeID: [OpenMode]] = [:]
        var deciding: Set<NodeID> = []
        var registered: Set<UInt32> = []
        var lastID: UInt32 = 0
        var request: UInt64 = 0
        let nodes = (1...3).map { NodeID.file(ContentID(row: $0), epoch: 1) }
        for _ in 0..<2_000 {
            let node = nodes[Int(random.next() % 3)]
            switch random.next() % 4 {
            case 0, 1:
                request += 1
                switch modes.open(node, request: request) {
                case .reply(let mode): held[node, default: []].append(mode)
                case .decide: #expect(deciding.insert(node).inserted, "one decides")
                case .wait: #expect(deciding.contains(node))
                }
            case 2:
                guard deciding.remove(node) != nil else { continue }
                if random.next() % 8 == 0 {
                    #expect(modes.failed(node).isEmpty == false)
                    continue
                }
                var mode = OpenMode.cached
                if random.next() % 2 == 0 {
                    lastID += 1
                    registered.insert(lastID)
                    mode = .passthrough(backingID: lastID)
                }
                #expect(held[node, default: []].isEmpty, "decided while it was open")
                held[node] = modes.decided(node, mode).map { _ in mode }
            default:
                guard held[node]?.popLast() != nil else { continue }
                guard let unused = modes.release(node) else { continue }
                #expect(held[node]?.isEmpty == true, "let go of while it was open")
                if case .passthrough(let number) = unused { registered.remove(number) }
            }
            let all = held[node] ?? []
            #expect(Set(all).count <= 1, "seed \(seed): mixed")
            if case .passthrough(let number) = all.first {
                #expect(registered.contains(number), "seed \(seed): a number that is gone")
            }
            #expect(modes.count(node) == all.count)
        }
    }
}
