import Glibc
import HubAPI
import Testing
import Transport

@Suite struct HubConfigurationTests {
    private func configuration(_ variables: [String: String]) throws -> HubConfiguration {
        try HubConfiguration(
            environment: variables.merging(["HOME": "/home/u"], uniquingKeysWith: { a, _ in a }),
            agent: "modelfs/0")
    }

    @Test func defaults() throws {
        let configuration = try configuration([:])
        #expect(configuration.endpoint == "https://huggingface.co")
        #expect(configuration.tokenPath == "/home/u/.cache/huggingface/token")
        #expect(configuration.sendsToken && configuration.environmentToken == nil)
        #expect(!configuration.isOffline && !configuration.disablesXet)
        #expect(configuration.userAgent == "modelfs/0")
        #expect(configuration.downloadTimeoutSeconds == 10)
        #expect(configuration.metadataTimeoutSeconds == 10)
    }

    @Test(arguments: [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/x"),
        ("http://127.0.0.1:8080//", "http://127.0.0.1:8080/api/x"),
        ("https://hub.example/hf/", "https://hub.example/hf/api/x"),
        ("", "https://huggingface.co/api/x"),
    ])
    func endpoints(value: String, url: String) throws {
        #expect(try configuration(["HF_ENDPOINT": value]).url("/api/x").text == url)
    }

    @Test(arguments: ["huggingface.co", "ftp://h", "http://u:p@h", "http://h/?x=y"])
    func badEndpoints(value: String) {
        #expect(throws: HubConfigurationError.badEndpoint(value)) {
            try configuration(["HF_ENDPOINT": value])
        }
    }

    @Test func tokens() throws {
        let both = ["HF_TOKEN": " hf_a\n", "HUGGING_FACE_HUB_TOKEN": "hf_b"]
        #expect(try configuration(both).environmentToken == AccessToken("hf_a"))
        let legacy = ["HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": "hf_b"]
        #expect(try configuration(legacy).environmentToken == AccessToken("hf_b"))
        #expect(try configuration(["HF_HUB_DISABLE_IMPLICIT_TOKEN": "yes"]).sendsToken == false)
    }

    @Test func tokenFiles() throws {
        #expect(try configuration(["XDG_CACHE_HOME": "/x"]).tokenPath == "/x/huggingface/token")
        #expect(try configuration(["HF_HOME": "~/hf"]).tokenPath == "/home/u/hf/token")
        #expect(
            try configuration(["HF_HOME": "$B/$C/${B}", "B": "/b"]).tokenPath == "/b/$C//b/token")
        #expect(
            try configuration(["HF_TOKEN_PATH": "~/t", "HF_HOME": "/h"]).tokenPath == "/home/u/t")
    }

    @Test(arguments: [
        (["HF_HUB_OFFLINE": "1"], true), (["HF_HUB_OFFLINE": "on"], true),
        (["TRANSFORMERS_OFFLINE": "True"], true), (["HF_HUB_OFFLINE": "0"], false),
        (["HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"], false),
        (["HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": "1"], true),
        (["HF_HUB_OFFLINE": "maybe"], false),
    ])
    func offline(variables: [String: String], isOffline: Bool) throws {
        #expect(try configuration(variables).isOffline == isOffline)
    }

    @Test func timeouts() throws {
        let configuration = try configuration([
            "HF_HUB_DOWNLOAD_TIMEOUT": "42", "HF_HUB_ETAG_TIMEOUT": "0",
        ])
        #expect(configuration.downloadTimeoutSeconds == 42)
        #expect(configuration.metadataTimeoutSeconds == 10)
        #expect(throws: HubConfigurationError.self) {
            try self.configuration(["HF_HUB_DOWNLOAD_TIMEOUT": "soon"])
        }
    }

    @Test func origin() throws {
        let agent = try configuration(["HF_HUB_USER_AGENT_ORIGIN": "us\r\nX: y"]).userAgent
        #expect(agent == "modelfs/0; origin/usX: y")
    }

    @Test func tokensCannotBePrinted() throws {
        let token = try #require(AccessToken("hf_secret"))
        var dumped = ""
        dump(token, to: &dumped)
        let configuration = try configuration(["HF_TOKEN": "hf_secret"])
        var whole = ""
        dump(configuration, to: &whole)
        for text in ["\(token)", String(reflecting: token), dumped, whole, "\(configuration)"] {
            #expect(!text.contains("secret"), "\(text)")
        }
        #expect("\(token)" == "<token>")
    }
}
