// What the cache's commands show, word for word, and their messages.

import HubAPI
import Platform
import Settings
import Testing

@testable import Daemon

private func page(_ answer: CacheAnswer) -> String {
    CachePage(answer, style: .plain).rendered()
}

@Suite struct CachePageTests {
    @Test func sumsTellWhatIsSaved() {
        var sums = CacheSums()
        sums.total.contentCount = 12
        sums.total.copiesBytes = 9_000_000_000
        sums.total.logicalBytes = 5_000_000_000
        sums.total.uniqueBytes = 3_000_000_000
        sums.total.storedBytes = 2_500_000_000
        sums.packedBytes = 2_500_000_000
        #expect(
            page(.statistics(sums)) == """
                Cache
                  copies        9.00 GB
                  logical       5.00 GB in 12 files
                  unique        3.00 GB, deduplication saved 2.00 GB
                  stored        2.50 GB, compression saved 500 MB
                  on the disk   0 B flat, 2.50 GB packed

                """)
    }

    @Test func revisionsStandBelowTheirRepository() {
        var listing = CacheListing()
        let revision = CacheListing.Revision(
            repository: "models/org/name", commit: String(repeating: "ab", count: 20),
            names: ["", "main"], contentCount: 2, sizeBytes: 3000, cachedBytes: 1500,
            provenCount: 1, isPinned: true, lastUsedAt: nil)
        listing.revisions = [revision]
        listing.otherContentCount = 1
        listing.otherCachedBytes = 77
        #expect(
            page(.list(listing)) == """
                models/org/name
                  abababababab  1.50 kB of 3.00 kB, 1 of 2 files proven, pinned
                    (default), main
                1 file of no known revision: 77 B

                """)
    }

    @Test func damageIsNamed() {
        var check = CacheCheck()
        check.contentCount = 3
        check.checkedBytes = 4000
        #expect(page(.verified(check)) == "3 files, 4.00 kB checked: all is well\n")
        check.damagedCount = 1
        check.damaged = [
            CacheCheck.Damage(
                file: "models/org/name/a.bin", hash: "00", sizeBytes: 9, lostBytes: 9,
                isRepaired: false)
        ]
        #expect(
            page(.verified(check)) == """
                3 files, 4.00 kB checked: 1 file damaged, 0 repaired
                  models/org/name/a.bin: 9 B dropped, fetched again when it is read

                """)
    }

    @Test func aPrefetchTellsWhatIsMissing() {
        var report = PrefetchReport()
        report.fileCount = 3
        report.sizeBytes = 4_000_000
        report.presentBytes = 1_000_000
        report.provenCount = 3
        report.seconds = 2.5
        #expect(
            page(.prefetched(report)) == """
                3 files, 4.00 MB: 1.00 MB there before, all there and proven after 2.5s

                """)
        #expect(report.exitCode == .success)
        report.failedCount = 1
        report.failures = [
            PrefetchReport.Failure(
                file: "models/org/name/a.bin", reason: "the Hub refuses it",
                exitCode: .accessDenied)
        ]
        #expect(
            page(.prefetched(report)) == """
                3 files, 4.00 MB: 1.00 MB there before after 2.5s
                1 file not there
                  models/org/name/a.bin: the Hub refuses it

                """)
        #expect(report.exitCode == .accessDenied)
    }

    @Test func targetsOfAPrefetchCrossTheSocket() throws {
        for text in ["hf://org/name", "hf://datasets/org/name@v1/a/b c.bin", "hf://gpt2@main"] {
            guard case .repository(let location) = try HubURI(text) else {
                Issue.record("\(text) names no repository")
                continue
            }
            #expect(PrefetchTarget(text, location).location == location)
        }
    }

    @Test func aRateIsThatOfTheLastSeconds() {
        var rate = ProgressRate()
        let began = MonotonicInstant(nanoseconds: 1_000_000_000)
        rate.note(0, at: began)
        #expect(rate.text(leftBytes: 5) == "")
        for second in 1...20 as ClosedRange<Int64> {
            rate.note(second * (second < 10 ? 1_000 : 2_000_000), at: began + Double(second))
        }
        #expect(rate.bytesPerSecond == 2_000_000)
        #expect(rate.text(leftBytes: 90_000_000) == ", 2.00 MB/s, 45s left")
    }

    @Test func progressCrossesTheSocketAsALine() {
        let progress = CacheProgress(doneBytes: 1_200_000, totalBytes: 4_800_000)
        #expect(CacheProgress(line: progress.line) == progress)
        #expect(CacheProgress(line: "mounting") == nil)
        #expect(ProgressBar.text(progress, isBar: false) == "1.20 MB of 4.80 MB (25 %)")
        #expect(
            ProgressBar.text(progress, isBar: true)
                == "[#######-----------------------] 25 %  1.20 MB of 4.80 MB")
    }

    @Test(arguments: ["models", "hf://", "a b", "org/name/file.txt", "--", "../x"])
    func targetsAreRepositories(text: String) {
        #expect(throws: MountFailure.self) { _ = try CacheService.location(text) }
    }

    @Test func targetsAreRead() throws {
        #expect(try CacheService.location("org/name@v1").revision?.name == "v1")
        #expect(try CacheService.location("datasets/org/name").id.kind == .dataset)
        #expect(try CacheService.location("hf://models/org/name").id.name == "org/name")
    }
}
