// What a shell is offered, and the man page: both from the declaration that the parser reads.

import Testing

@testable import Settings

private let mode = Option("--mode", "MODE", .word(["fast", "first", "slow"]), help: "How.")
private let file = Option("--file", "FILE", .path, help: "Which.")
private let loud = Flag("--loud", help: "With words.")
private let place = Positional("PLACE", .text, .many(1), help: "Where; '.' is here.")

private let root: Command = {
    var root = Command("tool", purpose: "does things - well")
    var go = Command("go", purpose: "goes")
    go.options = [OptionGroup([mode, file, loud])]
    go.positionals = [place.specification]
    go.examples = [Example("Go", "tool go --mode fast .")]
    go.exitCodes = [.success]
    var secret = Command("secret", purpose: "is nobody's")
    secret.isInternal = true
    root.subcommands = [go, secret, Command("gone", purpose: "went")]
    return root
}()

@Suite struct CompletionTests {
    private func offered(_ words: String...) -> Completion {
        Completion(root, words) { argument, begin in
            argument == "PLACE" ? ["here", "there"].filter { $0.hasPrefix(begin) } : nil
        }
    }

    @Test func commandsBegin() {
        #expect(offered("").words == ["go", "gone"])
        #expect(offered("gon").words == ["gone"])
        #expect(offered("se").words.isEmpty, "internal ones are not shown")
    }

    @Test func optionsAndTheirWords() {
        #expect(offered("go", "--m").words == ["--mode"])
        #expect(offered("go", "--mode", "f").words == ["fast", "first"])
        #expect(offered("go", "--file", "x") == offered("go", "--file", ""))
        #expect(offered("go", "--file", "x").hasFiles)
    }

    @Test func argumentsFollowTheirCommand() {
        #expect(offered("go", "").words == ["here", "there"])
        #expect(offered("go", "--mode", "fast", "--loud", "th").words == ["there"])
        #expect(offered("go", "here", "h").words == ["here"], "it takes several")
        #expect(offered("gone", "x") == offered("gone", ""))
    }
}

@Suite struct ManPageTests {
    @Test func signsOfGroffAreNotTheTexts() throws {
        let go = try #require(root.subcommands.first)
        let page = ManPage(go, path: ["tool", "go"], version: "1", related: ["tool"]).rendered()
        #expect(page.hasPrefix(".TH \"TOOL-GO\" 1 \"\" \"tool 1\" \"ModelFS\"\n"))
        #expect(page.contains(".SH NAME\ntool\\-go \\- goes\n"))
        #expect(page.contains("\\fB\\-\\-mode MODE\\fR\nHow.\n"))
        #expect(page.contains("Where; \\(aq.\\(aq is here."))
        #expect(page.contains("\\fBtool\\fR(1)"))
        for line in page.split(separator: "\n") where line.hasPrefix(".") {
            #expect([".TH", ".SH", ".TP", ".PP", ".br", ".nf", ".fi"].contains(line.prefix(3)))
        }
    }
}
