// The status page, word for word.

import Settings
import Testing

@testable import Daemon

private func status() -> DaemonStatus {
    var backend = BackendStatus()
    backend.usedBytes = 12_300_000_000
    backend.limitBytes = 80_000_000_000
    backend.hotBytes = 4_000_000_000
    backend.hotLimitBytes = 40_000_000_000
    backend.packedBytes = 8_300_000_000
    backend.cache.evictions = 3
    backend.cache.healedBlocks = 17
    backend.hub.endpoint = "https://huggingface.co"
    backend.hub.state = .away
    backend.hub.detail = "could not resolve host"
    backend.hub.tokenSource = "file"
    backend.hub.tokenPath = "/root/.cache/huggingface/token"
    backend.kernelMessages = ["READ": 99, "LOOKUP": 1_234_567, "GETATTR": 99]
    backend.hubRequests = ["tree": 12, "resolve": 34]
    backend.bytesFetched = 4_560_000
    backend.fetches = [
        FetchStatus(
            file: "org/name@v1/model.safetensors", doneBytes: 1_200_000_000,
            totalBytes: 4_800_000_000)
    ]
    backend.reading.isByKernel = true
    backend.reading.files = [
        FileReadingStatus(
            file: "org/name@v1/model.safetensors", isByKernel: true, reason: nil, openCount: 2),
        FileReadingStatus(
            file: "org/name@v1/config.json", isByKernel: false, reason: "it was packed",
            openCount: 0),
    ]
    backend.reading.files[0].otherPlaceCount = 2
    backend.reading.files[1].otherPlaceCount = 0
    backend.reading.settings = [
        KernelTuning.limited("request_bytes", 1 << 20, 1 << 16, "fs.fuse.max_pages_limit"),
        KernelTuning.limited("max_background", 256, nil, "the fuse module's max_user_bgreq"),
    ]
    backend.refusals = [
        RefusalStatus(
            repository: "models/org/closed", reason: "gated",
            advice: "Ask for access at https://huggingface.co/org/closed")
    ]
    return DaemonStatus(
        processID: 4242, version: "0.1.0", startedAt: "2026-11-21T01:00:00Z",
        cachePath: "/data/.cache/modelfs",
        mounts: [
            MountInfo(source: "hf://models", mountpoint: "/data/models"),
            MountInfo(
                source: "hf://openai-community/gpt2@main", mountpoint: "/gpt2",
                repository: "models/openai-community/gpt2",
                commit: "607a30d783dfa663caf39e06633721c8d4cfcd7e"),
        ],
        fileSystem: backend,
        problems: [
            .init(
                time: "2026-11-21T02:00:00Z", level: "warning",
                text: "hub not reachable host=huggingface.co")
        ])
}

@Suite struct StatusPageTests {
    @Test func forPeople() {
        // Two hours and five minutes after the start.
        let page = StatusPage(
            status(), style: .plain, secondsSince1970: 1_795_222_800 + 7500)
        #expect(
            page.rendered() == """
                modelfs 0.1.0, process 4242, running for 2h5m

                Mounts
                  /data/models  hf://models
                  /gpt2         hf://openai-community/gpt2@main
                    pinned to commit 607a30d783df of models/openai-community/gpt2

                Cache
                  /data/.cache/modelfs
                  12.3 GB of 80.0 GB used (15 %)
                  4.00 GB flat (at most 40.0 GB), 8.30 GB packed
                  since the start: blocks healed 17, evicted 3

                Hub
                  https://huggingface.co  not reachable
                  could not resolve host
                  the daemon has no token; it would read one from /root/.cache/huggingface/token
                  4.56 MB fetched
                  requests: resolve 34, tree 12

                Reading
                  the kernel reads files by itself when they are cached, proven and flat
                  org/name@v1/model.safetensors, open; also at 2 others
                    by the kernel
                  org/name@v1/config.json
                    through the daemon: it was packed
                  request_bytes: 65,536 instead of 1,048,576, fs.fuse.max_pages_limit is 65536

                Being fetched
                  org/name@v1/model.safetensors
                    1.20 GB of 4.80 GB (25 %)

                Refused by the Hub
                  models/org/closed
                    gated
                    Ask for access at https://huggingface.co/org/closed

                Messages from the kernel
                  LOOKUP 1,234,567, GETATTR 99, READ 99

                Last problems
                  2026-11-21T02:00:00Z warning
                    hub not reachable host=huggingface.co

                """)
    }

    @Test func whatIsGivenUp() {
        var confinement = ConfinementStatus(
            isConfined: true, capabilities: ["DAC_OVERRIDE", "SYS_ADMIN"], gainsPrivileges: false,
            bindablePorts: [9464], signalsOthers: false, reason: nil)
        #expect(
            confinement.words == [
                "has the capabilities DAC_OVERRIDE, SYS_ADMIN alone",
                "starts nothing with more privileges", "binds no TCP port but 9464",
                "signals nobody else",
            ])
        confinement.capabilities = Array(repeating: "CHOWN", count: 41)
        confinement.gainsPrivileges = true
        confinement.bindablePorts = nil
        confinement.signalsOthers = true
        #expect(
            confinement.words == ["has 41 capabilities", "may start programs with more privileges"])
        confinement.capabilities = []
        confinement.bindablePorts = []
        #expect(confinement.words.first == "has no capability")
        #expect(confinement.words.last == "binds no TCP port")
        var status = status()
        status.confinement = confinement
        status.confinement?.reason = "--confine none"
        let page = StatusPage(status, style: .plain, secondsSince1970: 1_795_222_800).rendered()
        #expect(page.contains("\nConfinement\n  the daemon has no capability, "))
        #expect(page.contains("\n  not more: --confine none\n"))
    }

    @Test func listsAreBounded() {
        var backend = BackendStatus()
        let fetch = FetchStatus(file: "f", doneBytes: 1, totalBytes: 2)
        backend.fetches = Array(repeating: fetch, count: 5000)
        let mount = MountInfo(source: "hf://models", mountpoint: "/m")
        let status = DaemonStatus(
            processID: 1, version: "0", startedAt: "", cachePath: "/c",
            mounts: Array(repeating: mount, count: 5000), fileSystem: backend, problems: [])
        #expect(status.fileSystem.fetches.count == 100)
        #expect(status.mounts.count == 1000)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")])
    func groupsDigits(number: Int64, text: String) {
        #expect(grouped(number) == text)
    }
}
