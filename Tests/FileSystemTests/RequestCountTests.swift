// What a large tree costs: a page for each thousand entries, once, and then nothing ever.

import Fetching
import FileSystem
import Platform
import Testing

@Suite struct RequestCountTests {
    @Test func tenThousandFilesCostFourteenRequestsOnce() throws {
        let bench = try TreeBench()
        // Requests are counted, and none is to come because a sanitizer takes its time.
        bench.options.fetch.metadataDeadlineSeconds = 110
        bench.options.tree.renewalSeconds = 3600
        bench.options.variables = ["HF_HUB_DOWNLOAD_TIMEOUT": "60", "HF_HUB_ETAG_TIMEOUT": "60"]
        var files: [String: [UInt8]] = [:]
        for index in 0..<10_000 {
            files["part-\(index % 110)/file-\(index).bin"] = Array("\(index)".utf8)
        }
        bench.hub.commit("models/org/big", "a", files)
        var stack = try bench.stack()
        let cost = try bench.requests { () throws in
            let paths = try stack.walk(try stack.node("models/org/big@main"))
            #expect(paths.count == 10_110)
        }
        #expect(cost <= 14, "\(cost) requests")
        for _ in 0..<2 {
            let again = try bench.requests { () throws in
                let folder = try stack.node("models/org/big@main")
                let paths = try stack.walk(folder)
                #expect(paths.count == 10_110)
                for index in stride(from: 0, to: 10_000, by: 97) {
                    let path = "models/org/big@main/part-\(index % 110)/file-\(index).bin"
                    let found = try stack.find(path)
                    #expect(found?.sizeBytes == Int64("\(index)".utf8.count))
                }
            }
            #expect(again == 0)
            stack = try bench.reopen()
        }
        // Another name of the same commit asks what it stands for, and for nothing else.
        let other = try bench.requests { () throws in
            _ = try stack.walk(try stack.node("models/org/big@\(SmallHub.id("a"))"))
        }
        #expect(other == 0)
    }

    @Test func aSecondRevisionCostsItsListing() throws {
        let bench = try TreeBench()
        bench.hub.commit("models/org/name", "a", ["f": randomBytes(3_000_000, seed: 1), "g": [1]])
        bench.hub.commit(
            "models/org/name", "b", ["f": randomBytes(3_000_000, seed: 1), "g": [2]], branch: "v2")
        let stack = try bench.stack()
        _ = try stack.read("models/org/name@main/f")
        let cost = try bench.requests { () throws in
            #expect(try stack.read("models/org/name@v2/f").count == 3_000_000)
        }
        #expect(cost == 2, "the revision and its tree: equal bytes are here")
    }
}
