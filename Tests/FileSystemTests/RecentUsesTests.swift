// Uses are told once a minute for each content, however often it is looked up.

import Catalog
import Platform
import Testing

@testable import FileSystem

@Suite struct RecentUsesTests {
    @Test func aUseIsToldOnceAMinute() {
        let uses = RecentUses()
        let start = MonotonicInstant.now
        #expect(uses.isDue(ContentID(row: 7), at: start))
        #expect(!uses.isDue(ContentID(row: 7), at: start + 59))
        #expect(uses.isDue(ContentID(row: 8), at: start + 59))
        #expect(uses.isDue(ContentID(row: 7), at: start + 60.1))
    }

    @Test func contentsThatShareAPlaceAreToldRatherTooOften() {
        let uses = RecentUses()
        let now = MonotonicInstant.now
        let (first, second) = (ContentID(row: 1), ContentID(row: 1 + 16_384))
        #expect(uses.isDue(first, at: now))
        #expect(uses.isDue(second, at: now))
        #expect(uses.isDue(first, at: now))
        #expect(!uses.isDue(first, at: now))
    }
}
