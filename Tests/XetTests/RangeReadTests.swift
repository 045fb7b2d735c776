// The conversation with a server, played against one in memory that is well, or refuses.

import Platform
import Testing

@testable import Xet

/// Carries out the actions of a read against a server in memory, and can make it refuse.
struct RangeReadPlayer {
    let file: TestFile
    var read: RangeRead
    var target: TestTarget
    var isHere: (XetHash, Int) -> Bool = { _, _ in false }
    /// Statuses for coming requests, each used once; then all is well.
    var tokenStatuses: [Int?] = []
    var reconstructionStatuses: [Int?] = []
    var dataStatuses: [Int] = []
    /// Changes the bytes of coming data answers, each used once.
    var damages: [@Sendable ([UInt8]) -> [UInt8]] = []

    var tokensRead = 0
    var versionsAsked: [ReconstructionVersion] = []
    var rangesAsked: [Range<Int64>] = []
    var downloadCount = 0
    var end: RangeRead.Action?

    init(_ file: TestFile, range: Range<Int64>? = nil) {
        self.file = file
        read = RangeRead(
            range: range ?? file.range, fileByteCount: file.range.upperBound, token: nil,
            version: .two)
        target = TestTarget(file)
    }

    mutating func play() throws {
        var actions = read.start()
        var steps = 0
        while !actions.isEmpty {
            steps += 1
            try #require(steps < 1000, "the read does not end")
            let action = actions.removeFirst()
            actions += try answer(action)
        }
    }

    mutating func answer(_ action: RangeRead.Action) throws -> [RangeRead.Action] {
        switch action {
        case .readToken:
            tokensRead += 1
            if !tokenStatuses.isEmpty {
                return read.tokenFailed(status: tokenStatuses.removeFirst())
            }
            return read.tokenArrived(
                XetToken(
                    serverURL: "http://127.0.0.1", accessToken: "t\(tokensRead)",
                    expiry: WallTime(secondsSince1970: 1000)))
        case .reconstruct(_, let version, let range):
            versionsAsked.append(version)
            rangesAsked.append(range)
            if !reconstructionStatuses.isEmpty,
                case let status = reconstructionStatuses.removeFirst(), status != 200
            {
                return read.reconstructionRefused(status: status)
            }
            return read.reconstructionArrived(
                .success(try file.reconstruction(range)), isHere: isHere)
        case .download(let id, let download):
            downloadCount += 1
            if !dataStatuses.isEmpty, case let status = dataStatuses.removeFirst(), status != 200 {
                return read.downloadRefused(id: id, status: status)
            }
            var data = file.data(download)
            if !damages.isEmpty { data = damages.removeFirst()(data) }
            do throws(XetError) {
                try target.take(download, data)
            } catch {
                return read.downloadInvalid(id: id, error)
            }
            return read.downloadFinished(id: id)
        case .useLocal(let uses):
            for local in uses {
                var offset = local.use.fileOffset
                for index in local.use.chunks {
                    let chunk = try #require(file.xorbs[local.xorb]).chunks[index]
                    target.put(chunk, at: offset)
                    offset += Int64(chunk.count)
                }
            }
            return []
        case .finish, .fallBack:
            #expect(end == nil)
            end = action
            return []
        }
    }
}

@Suite struct RangeReadTests {
    let file: TestFile

    init() throws {
        file = try TestFile.make()
    }

    @Test func `a range costs a token, a plan and its data`() throws {
        var player = RangeReadPlayer(file)
        try player.play()
        #expect(player.end == .finish)
        #expect(player.target.bytes == file.content)
        #expect(player.tokensRead == 1)
        #expect(player.versionsAsked == [.two])
        #expect(player.downloadCount == 4)
    }

    @Test func `what is here costs no data`() throws {
        var player = RangeReadPlayer(file)
        player.isHere = { _, _ in true }
        try player.play()
        #expect(player.end == .finish)
        #expect(player.target.bytes == file.content)
        #expect(player.downloadCount == 0)
    }

    @Test(arguments: [404, 501])
    func `version 1 is asked where version 2 is unknown, and kept`(status: Int) throws {
        var player = RangeReadPlayer(file)
        player.reconstructionStatuses = [status]
        player.dataStatuses = [403]
        try player.play()
        #expect(player.end == .finish)
        #expect(player.versionsAsked == [.two, .one, .one])
        #expect(player.read.version == .one)
        #expect(player.target.bytes == file.content)
    }

    @Test func `a file that is unknown in both versions is left to plain HTTP`() throws {
        var player = RangeReadPlayer(file)
        player.reconstructionStatuses = [404, 404]
        try player.play()
        #expect(player.end == .fallBack(.unknownFile))
    }

    @Test func `a refused token is renewed, but not for ever`() throws {
        var once = RangeReadPlayer(file)
        once.reconstructionStatuses = [401]
        try once.play()
        #expect(once.end == .finish)
        #expect(once.tokensRead == 2)
        var always = RangeReadPlayer(file)
        always.reconstructionStatuses = [Int?](repeating: 401, count: 100)
        try always.play()
        #expect(always.end == .fallBack(.tokenRefused))
        #expect(always.tokensRead == 3)
        var none = RangeReadPlayer(file)
        none.tokenStatuses = [403]
        try none.play()
        #expect(none.end == .fallBack(.noToken(status: 403)))
    }

    @Test func `expired URLs are asked for anew, for what is missing only`() throws {
        var player = RangeReadPlayer(file)
        player.dataStatuses = [200, 403, 403, 200]
        try player.play()
        #expect(player.end == .finish)
        #expect(player.target.bytes == file.content)
        // The second refusal comes while the first is asked about, and has to wait for the next.
        #expect(player.rangesAsked.count == 3)
        #expect(player.rangesAsked[1].count < player.rangesAsked[0].count)
    }

    @Test func `URLs that expire at every request end the read`() throws {
        var player = RangeReadPlayer(file)
        player.dataStatuses = [Int](repeating: 403, count: 1000)
        try player.play()
        #expect(player.end == .fallBack(.locationsRefused))
        #expect(player.rangesAsked.count <= 3)
        var mixed = RangeReadPlayer(file)
        mixed.dataStatuses = (0..<1000).map { $0 % 2 == 0 ? 403 : 200 }
        try mixed.play()
        #expect(mixed.end != nil)
    }

    @Test func `data that does not decode is fetched once more`() throws {
        var once = RangeReadPlayer(file)
        once.damages = [{ Array($0.dropLast()) }]
        try once.play()
        #expect(once.end == .finish)
        #expect(once.target.bytes == file.content)
        var twice = RangeReadPlayer(file)
        twice.damages = [{ Array($0.dropLast()) }, { Array($0.dropLast()) }]
        twice.damages += twice.damages
        try twice.play()
        #expect(twice.end == .fallBack(.invalid(.truncated)))
    }

    @Test func `a failing server is left to plain HTTP`() throws {
        for status in [500, nil, 416] as [Int?] {
            var player = RangeReadPlayer(file)
            player.reconstructionStatuses = [status]
            try player.play()
            #expect(player.end == .fallBack(.serverFailed(status: status)))
        }
        var player = RangeReadPlayer(file)
        player.dataStatuses = [404]
        try player.play()
        #expect(player.end == .fallBack(.serverFailed(status: 404)))
    }

    @Test func `of a download that was cut the rest alone is planned anew`() throws {
        var player = RangeReadPlayer(file)
        let token = try player.answer(#require(player.read.start().first))
        let downloads = try player.answer(#require(token.first))
        var cut: Range<Int64>?
        for case .download(let id, let download) in downloads {
            if cut == nil {
                let range = download.fileRange
                cut = range.lowerBound + Int64(range.count / 2)..<range.upperBound
                #expect(player.read.downloadCut(id: id, rest: try #require(cut)).count == 1)
            } else {
                #expect(player.read.downloadFinished(id: id).isEmpty)
            }
        }
        let plan = player.read.reconstructionArrived(
            .success(try file.reconstruction(try #require(cut))), isHere: { _, _ in false })
        let bytes = plan.reduce(Int64(0)) { sum, action in
            if case .download(_, let download) = action {
                sum + Int64(download.fileRange.count)
            } else {
                sum
            }
        }
        let rest = try #require(cut)
        #expect(bytes >= rest.count && bytes < file.range.count / 2)
    }

    @Test func `events after the end do nothing`() throws {
        var player = RangeReadPlayer(file)
        player.dataStatuses = [200, 404]
        try player.play()
        #expect(player.read.downloadFinished(id: 2).isEmpty)
        #expect(player.read.downloadRefused(id: 3, status: 403).isEmpty)
        #expect(player.read.tokenFailed(status: 500).isEmpty)
    }
}
