// For how long the threads that answer the kernel count as silent.

import Platform
import Testing

@testable import FuseSession

@Suite struct ActivityTests {
    @Test func whatWasIdleIsNotStuck() {
        let activity = Activity()
        sleep(seconds: 0.3)
        let before = MonotonicInstant.now
        #expect(activity.secondsSilent(threadCount: 1, now: before + 100) == 0)
        activity.begin()
        let now = MonotonicInstant.now
        #expect(activity.secondsSilent(threadCount: 1, now: now) <= now.seconds(since: before))
        #expect(activity.secondsSilent(threadCount: 1, now: now + 100) >= 100)
        #expect(activity.secondsSilent(threadCount: 2, now: now + 100) == 0)
        activity.end()
        #expect(activity.secondsSilent(threadCount: 1, now: now + 100) == 0)
    }
}
