// Every failure says what is wrong and what to do next, and ends with its code.

import FoundationEssentials
import Platform
import Settings
import Testing

@testable import Daemon

private let allFailures: [(MountFailure, ExitCode)] = [
    (.fuseDeviceMissing(path: "/dev/fuse"), .fuseUnavailable),
    (.fuseDeviceRefused(path: "/dev/fuse", .notPermitted), .fuseUnavailable),
    (.fusermountMissing, .fuseUnavailable),
    (.userNameless(userID: 1234), .fuseUnavailable),
    (.allowOtherNotEnabled(configuration: "/etc/fuse.conf"), .fuseUnavailable),
    (.kernelRefused(mountpoint: "/m", .notPermitted), .fuseUnavailable),
    (.kernelRefused(mountpoint: "/m", .invalidArgument), .fuseUnavailable),
    (.mountpointMissing(path: "/m m"), .mountpoint),
    (.mountpointNotDirectory(path: "/m"), .mountpoint),
    (.mountpointNotEmpty(path: "/m", entry: "x"), .mountpoint),
    (.mountpointTaken(path: "/m", type: "fuse.modelfs", source: "hf://models"), .mountpoint),
    (.mountpointTaken(path: "/m", type: "ext4", source: "/dev/sda"), .mountpoint),
    (.mountpointStale(path: "/m", .notPermitted), .mountpoint),
    (.mountpointSilent(path: "/m"), .mountpoint),
    (.mountpointRefused(path: "/m", .accessDenied), .mountpoint),
    (.mountpointRefused(path: "/m", .inputOutput), .mountpoint),
    (.mountpointInsideCache(path: "/c/m", cache: "/c"), .mountpoint),
    (.mountpointInUse(path: "/m"), .inUse),
    (.notMounted(path: "/m"), .notFound),
    (.cacheNotWritable(path: "/c", .readOnly), .cache),
    (.cacheNotWritable(path: "/c", .noSpace), .cache),
    (.cacheNotDirectory(path: "/c"), .cache),
    (.cacheOfOtherUser(path: "/c", userID: 7), .cache),
    (.cacheOfOtherVersion(path: "/c", found: "modelfs cache 9", known: 1), .cache),
    (.notACache(path: "/c", entry: "x"), .cache),
    (.cacheServed(path: "/c", processID: 42), .inUse),
    (.cacheDamaged(path: "/c", detail: "catalog.db is no database"), .cache),
    (.cacheMissing(path: "/c"), .cache),
    (.notCached(target: "org/name@v9"), .notFound),
    (.pathNotShown(path: "/m/x", detail: "it lies in no revision"), .notFound),
    (.destinationFailed(path: "/d", .noSpace), .storage),
    (.destinationFailed(path: "/d", .accessDenied), .storage),
    (.destinationBusy(path: "/d"), .inUse),
    (
        .destinationDiffers(
            path: "/d", foreign: DifferingFiles(count: 1, first: "a"), changed: nil), .storage
    ),
    (
        .destinationDiffers(
            path: "/d", foreign: DifferingFiles(count: 2, first: "a"),
            changed: DifferingFiles(count: 1, first: "b")), .storage
    ),
    (.nothingSelected(target: "hf://org/name"), .notFound),
    (.aliasMalformed(name: "a/b/c"), .usage),
    (.aliasMissing(name: "prod"), .notFound),
    (.aliasUnchanged(name: "prod", detail: "it was nothing else before"), .failure),
    (.sourceMalformed(source: "gpt2", detail: "it does not begin with hf://"), .usage),
    (
        .hubUnreachable(
            source: "hf://gpt2", endpoint: "https://huggingface.co",
            detail: "could not resolve host"), .hubUnreachable
    ),
    (.offlineNotCached(source: "hf://gpt2"), .hubUnreachable),
    (
        .repositoryNotFound(
            repository: "org/x", endpoint: "https://huggingface.co", hasToken: true), .notFound
    ),
    (
        .repositoryNotFound(
            repository: "org/x", endpoint: "https://huggingface.co", hasToken: false), .notFound
    ),
    (
        .repositoryNotFound(
            repository: "org/x", endpoint: "https://huggingface.co", hasToken: nil), .notFound
    ),
    (.revisionNotFound(repository: "gpt2", revision: "v9"), .notFound),
    (.folderNotFound(repository: "gpt2", revision: "main", folder: "a/b"), .notFound),
    (.gated(repository: "org/x", askAt: "https://huggingface.co/org/x"), .accessDenied),
    (.tokenRefused(endpoint: "https://huggingface.co"), .accessDenied),
    (.daemonAbsent(cache: "/c"), .notRunning),
    (.daemonSilent(cache: "/c", processID: 42), .daemonSilent),
    (.daemonSilent(cache: "/c", processID: nil), .daemonSilent),
    (.daemonDied(ending: "it was killed by SIGKILL", log: "/c/daemon.log"), .daemonSilent),
    (.daemonOfOtherVersion(cache: "/c", processID: 42), .daemonSilent),
    (.daemonBusy(cache: "/c"), .daemonSilent),
    (.daemonUnkept(cache: "/c"), .failure),
    (.metricsRefused(address: "127.0.0.1:1", detail: "permission denied"), .listen),
    (.upgradeRefused(program: "/usr/bin/modelfs", detail: "it is older"), .cache),
    (.optionConflict(option: "--uid", held: "uid 0"), .failure),
    (.environmentMalformed(detail: "HF_ENDPOINT is 'x', which is not a URL"), .usage),
    (.failed(detail: "it broke"), .failure),
]

/// A new case does not compile here, and so is not forgotten in the list.
private func position(_ failure: MountFailure) -> Int {
    switch failure {
    case .fuseDeviceMissing: 0
    case .fuseDeviceRefused: 1
    case .fusermountMissing: 2
    case .allowOtherNotEnabled: 3
    case .kernelRefused: 4
    case .mountpointMissing: 5
    case .mountpointNotDirectory: 6
    case .mountpointNotEmpty: 7
    case .mountpointTaken: 8
    case .mountpointStale: 9
    case .mountpointSilent: 10
    case .mountpointRefused: 11
    case .mountpointInsideCache: 12
    case .mountpointInUse: 13
    case .notMounted: 14
    case .cacheNotWritable: 15
    case .cacheNotDirectory: 16
    case .cacheOfOtherUser: 17
    case .cacheOfOtherVersion: 18
    case .notACache: 19
    case .cacheServed: 20
    case .cacheDamaged: 21
    case .sourceMalformed: 22
    case .hubUnreachable: 23
    case .offlineNotCached: 24
    case .repositoryNotFound: 25
    case .revisionNotFound: 26
    case .folderNotFound: 27
    case .gated: 28
    case .tokenRefused: 29
    case .daemonAbsent: 30
    case .daemonSilent: 31
    case .daemonDied: 32
    case .daemonOfOtherVersion: 33
    case .daemonBusy: 34
    case .optionConflict: 35
    case .failed: 36
    case .userNameless: 37
    case .cacheMissing: 38
    case .notCached: 39
    case .daemonUnkept: 40
    case .upgradeRefused: 41
    case .environmentMalformed: 42
    case .pathNotShown: 43
    case .destinationFailed: 44
    case .destinationBusy: 45
    case .destinationDiffers: 46
    case .nothingSelected: 47
    case .aliasMalformed: 48
    case .aliasMissing: 49
    case .aliasUnchanged: 50
    case .metricsRefused: 51
    }
}

@Suite struct MountFailureTests {
    @Test func allAreListed() {
        #expect(Set(allFailures.map { position($0.0) }) == Set(0...51))
    }

    @Test(arguments: allFailures.indices)
    func saysWhatIsWrongAndWhatToDo(index: Int) throws {
        let (failure, code) = allFailures[index]
        #expect(failure.exitCode == code)
        #expect(!failure.message.isEmpty)
        #expect(!failure.message.hasSuffix("."))
        #expect(!failure.advice.isEmpty)
        #expect(!failure.advice.contains("Optional("))
        for line in failure.advice.split(separator: "\n") {
            // A line is a thought of its own, or something to type: it is wrapped when printed.
            let isWhole = line.first?.isLowercase != true
            #expect(isWhole || line.hasPrefix("hf://") || line.hasPrefix("rm "), "\(line)")
        }
        let text = failure.commandFailure.rendered(for: "modelfs mount", style: .plain)
        #expect(text.hasPrefix("modelfs mount: \(failure.message)\n  "))
        #expect(text.hasSuffix("\n"))
        // It reads the same on the other side of the socket.
        let json = try JSONEncoder().encode(failure)
        #expect(try JSONDecoder().decode(MountFailure.self, from: json) == failure)
    }

    @Test func theWordsOfTheCommonOnes() {
        func text(_ failure: MountFailure) -> String {
            failure.commandFailure.rendered(for: "modelfs mount", style: .plain)
        }
        #expect(
            text(.fuseDeviceMissing(path: "/dev/fuse")) == """
                modelfs mount: there is no /dev/fuse, so nothing can be mounted with FUSE here
                  On a machine: modprobe fuse
                  In a container: start it with --device /dev/fuse --cap-add SYS_ADMIN

                """)
        #expect(
            text(.mountpointMissing(path: "/my  models")) == """
                modelfs mount: the mountpoint /my  models does not exist
                  Create it: mkdir -p '/my  models'

                """)
        #expect(
            text(.gated(repository: "org/x", askAt: "https://huggingface.co/org/x")) == """
                modelfs mount: org/x is gated, and access was not granted
                  Ask for access at https://huggingface.co/org/x
                  Then make the token known: HF_TOKEN, or 'hf auth login'.

                """)
        let notThere = MountFailure.repositoryNotFound(
            repository: "models/org/modle", endpoint: "https://huggingface.co", hasToken: true)
        #expect(text(notThere).contains("not for this token"))
        let notShown = MountFailure.repositoryNotFound(
            repository: "models/org/modle", endpoint: "https://huggingface.co", hasToken: false)
        #expect(!text(notShown).contains("this token") && text(notShown).contains("no token"))
        #expect(
            text(notThere).hasSuffix(
                """
                  Check the name models/org/modle, and for a private repository the token: it is
                  read from HF_TOKEN, or from the file that 'hf auth login' writes.

                """))
        for (source, isNamed) in [("org/model@v1", true), ("datasets/o/n", true), ("/x", false)] {
            let failure = MountFailure.sourceMalformed(source: source, detail: "no scheme")
            #expect(text(failure).contains("Did you mean hf://\(source)?") == isNamed)
        }
        #expect(
            text(.allowOtherNotEnabled(configuration: "/etc/fuse.conf"))
                .contains("echo user_allow_other | sudo tee -a /etc/fuse.conf"))
    }

    @Test(arguments: [
        ("/plain/path", "/plain/path"), ("/with blank", "'/with blank'"),
        ("/it's", "'/it'\\''s'"), ("", "''"), ("/ü", "/ü"), ("$HOME", "'$HOME'"),
    ])
    func quotesForTheShell(text: String, quoted: String) {
        #expect(shellQuoted(text) == quoted)
    }

    @Test func theDocumentListsEveryExitCode() {
        let here = #filePath.split(separator: "/").dropLast(3)
        let document = text(of: "/" + here.joined(separator: "/") + "/docs/EXIT-CODES.md")
        for code in ExitCode.allCases {
            #expect(document.contains("| \(code.rawValue) | \(code) | \(code.explanation) |\n"))
        }
    }
}
