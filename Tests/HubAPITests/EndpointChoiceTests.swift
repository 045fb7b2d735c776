// Which of several endpoints is asked, by what happened before.

import Hashing
import Platform
import Testing
import Transport

@testable import HubAPI

@Suite struct EndpointChoiceTests {
    private let start = MonotonicInstant(nanoseconds: 0)

    @Test func oneAloneIsLikeAnOnlyHub() {
        var one = EndpointChoice(count: 1, offline: false)
        let isAway = one.failed(0, .connectionRefused, at: start)
        #expect(!isAway && one.state == .present && one.refusal == nil)
        #expect(one.pick(at: start) == 0 && one.next(except: [0], at: start) == nil)
        let isNews = one.exhausted(.stalled, isEarly: true, at: start)
        #expect(isNews && one.refusal == .unreachable(.stalled) && one.readerRefusal == nil)
        _ = one.exhausted(.stalled, isEarly: false, at: start)
        #expect(one.readerRefusal == .unreachable(.stalled))
    }

    @Test func theFirstThatIsNotAwayIsAsked() {
        var all = EndpointChoice(count: 3, offline: false)
        #expect(all.pick(at: start) == 0)
        let isAway = all.failed(0, .stalled, at: start)
        #expect(isAway && all.pick(at: start) == 1 && all.refusal == nil)
        let isSecondAway = all.failed(1, .connectionRefused, at: start)
        #expect(isSecondAway && all.pick(at: start) == 2)
        // Nobody is left to be asked instead of the last one.
        let isLastAway = all.failed(2, .connectionRefused, at: start)
        #expect(!isLastAway && all.state == .present)
        #expect(all.absence(before: 2, at: start) == .unreachable(.stalled))
        let isNews = all.exhausted(.connectTimeout, isEarly: false, at: start)
        #expect(isNews && all.refusal == .unreachable(.stalled) && all.readerRefusal != nil)
        let isBack = all.answered(1)
        #expect(isBack && all.refusal == nil && all.pick(at: start) == 1)
    }

    @Test func eachIsProbedByItself() {
        var all = EndpointChoice(count: 3, offline: false)
        _ = all.failed(0, .stalled, at: start)
        _ = all.failed(1, .stalled, at: start + 1)
        #expect(all.nextProbe == start + 5)
        let early = all.takeProbe(at: start + 4)
        #expect(early == nil)
        let first = all.takeProbe(at: start + 6)
        let second = all.takeProbe(at: start + 6)
        let third = all.takeProbe(at: start + 6)
        #expect(first == 0 && second == 1 && third == nil && all.nextProbe == nil)
        all.probeFailed(0, at: start + 10)
        #expect(all.nextProbe == start + 17.5)
        _ = all.answered(1)
        #expect(all.pick(at: start + 11) == 1)
    }

    @Test func oneThatRestsIsTheLastResort() {
        var all = EndpointChoice(count: 2, offline: false)
        all.rest(0, .server(status: 503), seconds: nil, at: start)
        #expect(all.rests(0, at: start) && all.pick(at: start) == 1)
        #expect(all.absence(before: 1, at: start) == .server(status: 503))
        #expect(all.next(except: [1], at: start) == 0)
        _ = all.failed(1, .stalled, at: start)
        #expect(all.pick(at: start) == 0 && all.state == .present)
        #expect(all.pick(at: start + EndpointChoice.restSeconds) == 0)
        // However long it wants to be left alone, it is not for ever.
        all.rest(0, .rateLimited(retryAfterSeconds: 1e6), seconds: 1e6, at: start)
        #expect(!all.rests(0, at: start + EndpointChoice.restSecondsMax))
    }

    @Test func whatIsAvoidedIsAskedWhenThereIsNoOther() {
        var all = EndpointChoice(count: 2, offline: false)
        #expect(all.pick(avoiding: [0], at: start) == 1)
        _ = all.failed(1, .stalled, at: start)
        #expect(all.pick(avoiding: [0], at: start) == 0)
        #expect(all.pick(avoiding: [0, 1], at: start) == 0)
    }

    @Test func offlineIsForEver() {
        var all = EndpointChoice(count: 2, offline: true)
        let isNews = all.exhausted(.stalled, isEarly: false, at: start)
        let isBack = all.answered(1)
        #expect(!isNews && !isBack && all.nextProbe == nil)
        #expect(all.refusal == .offline && all.readerRefusal == .offline)
    }
}

@Suite struct EndpointDoubtsTests {
    private func file(_ path: String) throws -> SignedLocations.File {
        SignedLocations.File(
            id: try #require(RepositoryID(kind: .model, name: "o/n")),
            commit: GitObjectHasher.id(of: .commit, []), path: path)
    }

    @Test func whoBroughtWrongBytesIsAvoidedForThatFile() throws {
        var doubts = EndpointDoubts()
        let (one, other) = (try file("a"), try file("b"))
        doubts.noteUse(one, 0)
        doubts.noteUse(other, 1)
        let told = doubts.broughtWrong(one, of: 2)
        let toldAgain = doubts.broughtWrong(one, of: 2)
        let (avoided, avoidedOther) = (doubts.avoided(one), doubts.avoided(other))
        #expect(told == [0] && toldAgain == [] && avoided == [0] && avoidedOther == [])
    }

    @Test func whereAllWouldBeAvoidedNoneIs() throws {
        var doubts = EndpointDoubts()
        let file = try file("a")
        let isNews = doubts.avoid(file, 0, of: 2)
        let isNewsAgain = doubts.avoid(file, 0, of: 2)
        #expect(isNews && !isNewsAgain)
        doubts.noteUse(file, 1)
        _ = doubts.broughtWrong(file, of: 2)
        let avoided = doubts.avoided(file)
        #expect(avoided == [])
    }
}

@Suite struct SeveralEndpointsTests {
    private func configuration(
        _ environment: [String: String], _ endpoints: [String] = []
    ) throws -> HubConfiguration {
        try HubConfiguration(environment: environment, endpoints: endpoints)
    }

    @Test func areReadInOrder() throws {
        let listed = try configuration([
            "HF_ENDPOINT": "http://x", "MODELFS_ENDPOINTS": "http://a, http://b/hub/,http://a/",
        ])
        #expect(listed.endpoints.map(\.text) == ["http://a", "http://b/hub"])
        let chosen = try configuration(["MODELFS_ENDPOINTS": "http://a"], ["http://c"])
        #expect(chosen.endpoints.map(\.text) == ["http://c"])
        let only = try configuration(["HF_ENDPOINT": "http://x"])
        #expect(only.endpoints.map(\.text) == ["http://x"])
        #expect(throws: HubConfigurationError.badMirror("nonsense")) {
            try configuration([:], ["http://a", "nonsense"])
        }
        #expect(throws: HubConfigurationError.tooManyEndpoints(9)) {
            try configuration([:], (0..<9).map { "http://h\($0)" })
        }
    }

    @Test func theTokenOfTheEnvironmentIsTheFirstOnes() throws {
        let known = try configuration(
            ["HF_TOKEN": "hf_x", "HOME": "/nonexistent"], ["http://a", "http://b"])
        let credentials = [0, 1].map { Credentials(known, endpoint: $0) }
        for (index, endpoint) in known.endpoints.enumerated() {
            let url = endpoint.url("/api/models")
            #expect((credentials[0].token(for: url) != nil) == (index == 0))
            #expect(credentials[1].token(for: url) == nil)
        }
    }

    @Test func aLineGivesAnEndpointItsToken() throws {
        let text = "# http://a hf_remark\n\nhttp://b/ hf_b\nhttp://a\thf_a\nhttp://c\n"
        func token(_ text: String, _ endpoint: String) throws -> AccessToken? {
            EndpointTokens.token(of: try #require(HubEndpoint(endpoint)), in: text)
        }
        #expect(try token(text, "http://a") == AccessToken("hf_a"))
        #expect(try token(text, "http://b") == AccessToken("hf_b"))
        #expect(try token(text, "http://c") == nil && token(text, "http://d") == nil)
    }
}
