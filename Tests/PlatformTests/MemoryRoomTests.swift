// Memory that is left, from the texts in which the kernel tells of it.

import Platform
import Testing

@Suite struct MemoryRoomTests {
    @Test func theMachine() {
        let text = "MemTotal:       1000 kB\nMemFree: 10 kB\nMemAvailable:     400 kB\n"
        #expect(
            MemoryRoom(meminfo: text)
                == MemoryRoom(totalByteCount: 1_024_000, availableByteCount: 409_600))
        #expect(MemoryRoom(meminfo: "MemTotal: 1 kB\n") == nil)
        #expect(MemoryRoom(meminfo: "") == nil)
        #expect(MemoryRoom.all().first.map { $0.totalByteCount > 0 } == true)
    }

    @Test func groups() {
        let statistics = "cache 10\ninactive_file 50\ntotal_inactive_file 70\n"
        #expect(
            MemoryRoom(limit: "1000\n", usage: "900\n", statistics: statistics)
                == MemoryRoom(totalByteCount: 1000, availableByteCount: 170))
        #expect(
            MemoryRoom(limit: "1000", usage: "1200", statistics: "")
                == MemoryRoom(totalByteCount: 1000, availableByteCount: 0))
        #expect(MemoryRoom(limit: "max\n", usage: "900\n", statistics: "") == nil)
        #expect(MemoryRoom(limit: "9223372036854771712", usage: "1", statistics: "") == nil)
        #expect(MemoryRoom(limit: "", usage: "", statistics: "") == nil)
    }

    @Test func whereGroupsAre() {
        let first = "9:name=systemd:/\n4:cpu,memory:/a/b\n3:cpuset:/\n"
        let root = "/sys/fs/cgroup"
        #expect(
            MemoryRoom.groupFolders(first)
                == ["\(root)/memory/a/b", "\(root)/memory/a", "\(root)/memory"])
        #expect(
            MemoryRoom.groupFolders("0::/system.slice/x.service\n")
                == ["\(root)/system.slice/x.service", "\(root)/system.slice", root])
        #expect(MemoryRoom.groupFolders("nonsense") == [])
    }
}
