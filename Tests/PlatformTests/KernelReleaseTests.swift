// Reading the kernel's release.

import Platform
import Testing

@Suite struct KernelReleaseTests {
    @Test func readsWhatKernelsSay() {
        #expect(KernelRelease("6.9.0-2-amd64") == KernelRelease(major: 6, minor: 9))
        #expect(KernelRelease("6.18") == KernelRelease(major: 6, minor: 18))
        #expect(KernelRelease("5.4-rc1") == KernelRelease(major: 5, minor: 4))
        #expect(KernelRelease("") == nil)
        #expect(KernelRelease("six.nine") == nil)
        #expect(KernelRelease(major: 6, minor: 9) < KernelRelease(major: 6, minor: 18))
        #expect(KernelRelease(major: 5, minor: 19) < KernelRelease(major: 6, minor: 0))
        #expect(KernelRelease.current.major >= 4)
    }
}
