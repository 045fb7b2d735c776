// What a pull decides before it writes anything: which paths fit, and what is done with each file.

import Testing

@testable import Daemon

@Suite struct PathPatternTests {
    @Test(arguments: [
        ("*.json", "config.json", true), ("*.json", "deep/er/config.json", true),
        ("*.json", "config.jsonl", false), ("config.json", "config.json", true),
        ("deep/", "deep/er/a", true), ("deep/", "deeper/a", false), ("?.bin", "a.bin", true),
        ("?.bin", "ab.bin", false), ("[ab].bin", "b.bin", true), ("[!ab].bin", "b.bin", false),
        ("[a-c]*", "cx", true), ("[a-c]*", "dx", false), ("[", "[", true), ("[]x]", "]", true),
        ("*", "", true), ("", "", true), ("", "a", false), ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false), ("*a*a*a*a*b", String(repeating: "a", count: 200), false),
    ])
    func fits(pattern: String, path: String, isFitting: Bool) {
        #expect(PathPattern(pattern).fits(path) == isFitting)
    }

    @Test func excludesGoBeforeIncludes() {
        let selection = PathSelection(includes: ["*.json"], excludes: ["deep/*"])
        #expect(selection.has("config.json"))
        #expect(!selection.has("deep/config.json"))
        #expect(!selection.has("model.bin"))
        #expect(PathSelection(includes: [], excludes: []).isWhole)
    }
}

@Suite struct PullPlanTests {
    private static let files = [PullFile(path: "a", hash: "11", sizeBytes: 5)]

    private func plan(
        _ state: PathState, entry: PullManifest.Entry? = nil, isForced: Bool = false
    ) -> PullPlan {
        var manifest = PullManifest()
        manifest.files["a"] = entry
        return PullPlan(PullPlanTests.files, manifest, isWhole: true, isForced: isForced) { _ in
            state
        }
    }

    private let ours = PullManifest.Entry(hash: "11", sizeBytes: 5, changedNanoseconds: 7)
    private let older = PullManifest.Entry(hash: "22", sizeBytes: 4, changedNanoseconds: 7)

    @Test func whatIsMissingIsWritten() {
        #expect(plan(.nothing).writes == [0])
        #expect(plan(.nothing, entry: ours).writes == [0])
    }

    @Test func whatAnEarlierPullLeftIsOurs() {
        #expect(plan(.file(sizeBytes: 5, changedNanoseconds: 7), entry: ours).unchanged == [0])
        #expect(plan(.file(sizeBytes: 4, changedNanoseconds: 7), entry: older).writes == [0])
    }

    @Test func whatWasChangedSinceIsSomebodyElses() {
        #expect(plan(.file(sizeBytes: 4, changedNanoseconds: 8), entry: older).conflicts == [0])
        #expect(plan(.file(sizeBytes: 5, changedNanoseconds: 8), entry: ours).looks == [0])
        #expect(plan(.other).conflicts == [0])
        #expect(plan(.other, isForced: true).conflicts == [0], "a folder is never replaced")
        #expect(plan(.file(sizeBytes: 1, changedNanoseconds: 1), isForced: true).writes == [0])
    }

    @Test func aLookAtTheBytesSettlesIt() {
        var right = plan(.file(sizeBytes: 5, changedNanoseconds: 8))
        right.settle(0, isRight: true, isForced: false)
        #expect(right.unchanged == [0] && right.looks.isEmpty)
        var wrong = plan(.file(sizeBytes: 5, changedNanoseconds: 8))
        wrong.settle(0, isRight: false, isForced: false)
        #expect(wrong.conflicts == [0] && wrong.looks.isEmpty)
    }

    @Test func whatIsNotWantedAnyMoreGoesUnlessItWasChanged() {
        var manifest = PullManifest()
        manifest.files["gone"] = ours
        for (changed, removals) in [(Int64(7), ["gone"]), (8, [])] {
            let plan = PullPlan([], manifest, isWhole: true, isForced: false) { _ in
                .file(sizeBytes: 5, changedNanoseconds: changed)
            }
            #expect(plan.removals == removals)
        }
        let part = PullPlan([], manifest, isWhole: false, isForced: false) { _ in .nothing }
        #expect(part.removals.isEmpty)
    }
}
