// What mount(8) hands over, and what becomes of it.

import Settings
import Testing

@testable import Daemon

@Suite struct SystemMountCallTests {
    private let home = Environment(["HOME": "/home/a"])

    private func words(_ call: [String], hasDataDisk: Bool = false) throws -> [String]? {
        try SystemMountCall(call, home, hasDataDisk: hasDataDisk).words
    }

    @Test func optionsBecomeWords() throws {
        let options = "rw,cache=/c,cache_size=80%,allow_other,uid=5,_netdev,x-systemd.automount"
        #expect(
            try words(["hf://models", "/models", "-o", options])
                == [
                    "mount", "--cache", "/c", "--cache-size", "80%", "--allow-other", "--uid", "5",
                    "hf://models", "/models",
                ])
    }

    @Test func variablesAreNotOnTheCommandLine() throws {
        let call = try SystemMountCall(
            ["hf://models", "/m", "-o", "hf_endpoint=http://127.0.0.1:1,token_path=/t"], home,
            hasDataDisk: false)
        #expect(call.words == ["mount", "hf://models", "/m"])
        #expect(
            call.variables == ["HF_ENDPOINT": "http://127.0.0.1:1", "HF_TOKEN_PATH": "/t"])
    }

    @Test func aMachineWithoutAHomeHasACacheOfItsOwn() throws {
        let boot = Environment([:])
        #expect(
            try SystemMountCall(["hf://models", "/m"], boot, hasDataDisk: false).words
                == ["mount", "--cache", "/var/cache/modelfs", "hf://models", "/m"])
        #expect(
            try SystemMountCall(["hf://models", "/m"], boot, hasDataDisk: true).words
                == ["mount", "hf://models", "/m"])
    }

    @Test func aDryRunDoesNothing() throws {
        #expect(try words(["-f", "hf://models", "/m"]) == nil)
        #expect(try words(["-n", "-s", "-v", "hf://models", "/m", "-t", "modelfs"]) != nil)
    }

    @Test func quotedCommasSeparateNothing() throws {
        #expect(
            try words(["hf://models", "/m", "-o", "cache=\"/a,b\",ro"])
                == ["mount", "--cache", "/a,b", "hf://models", "/m"])
    }

    @Test(arguments: [
        ["hf://models"], ["hf://models", "/m", "-o"], ["hf://m", "/m", "-o", "odd"],
    ])
    func whatIsWrongIsSaid(call: [String]) throws {
        let failure = #expect(throws: CommandFailure.self) {
            _ = try SystemMountCall(call, home, hasDataDisk: false)
        }
        #expect(failure?.code == .usage)
        #expect(failure?.advice.contains("fstab") == true)
    }
}
