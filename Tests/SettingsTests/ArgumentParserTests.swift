// The grammar of command lines, on a program made up for the purpose.

import Settings
import Testing

private let size = Option("--size", short: "-s", "SIZE", .byteSize, help: "How large it may grow.")
private let read = Option("--read", "REPO", .text, repeats: true, help: "May be read.")
private let force = Flag("--force", short: "-f", help: "Do it anyway.")
private let target = Positional("TARGET", .path, help: "Where to.")
private let label = Positional("LABEL", .text, .optional, help: "What to call it.")
private let sources = Positional("SOURCE", .path, .many(1), help: "Where from.")

private let program: Command = {
    var copy = Command("copy", purpose: "copy things")
    copy.positionals = [sources.specification, target.specification]
    copy.options = [OptionGroup([size, read, force])]
    copy.exitCodes = [.success, .usage]
    copy.examples = [Example("Copy all", "tool copy a b c")]
    copy.run = { _ throws(CommandFailure) in .success }
    var mark = Command("mark", purpose: "mark things")
    mark.positionals = [label.specification, target.specification]
    mark.run = { _ throws(CommandFailure) in .success }
    var secret = Command("internal", purpose: "for itself")
    secret.isInternal = true
    secret.run = { _ throws(CommandFailure) in .failure }
    var root = Command("tool", purpose: "do things")
    root.subcommands = [copy, mark, secret]
    return root
}()

private let parser = ArgumentParser(program, environment: Environment([:]))

private func arguments(_ words: String...) throws -> Arguments {
    guard case .run(_, let arguments) = try parser.parse(words) else {
        throw ArgumentError.missingCommand(known: [])
    }
    return arguments
}

private func mistake(_ words: String...) -> ArgumentError? {
    do {
        _ = try parser.parse(words)
        return nil
    } catch {
        return error.error
    }
}

@Suite struct ArgumentParserTests {
    @Test func optionsStandAnywhereAndInBothForms() throws {
        for words in [
            ["copy", "--size", "1kB", "a", "b"], ["copy", "a", "--size=1kB", "b"],
            ["copy", "a", "b", "-s", "1kB"],
        ] {
            guard case .run(_, let arguments) = try parser.parse(words) else {
                Issue.record("not run")
                continue
            }
            #expect(arguments[size] == ByteSize(1000))
            #expect(arguments.all(sources) == ["a"])
            #expect(arguments[target] == "b")
            #expect(!arguments[force])
        }
    }

    @Test func repeatedOptionsKeepTheirOrder() throws {
        let arguments = try arguments("copy", "--read", "x", "a", "--read=y", "b", "-f", "-f")
        #expect(arguments.all(read) == ["x", "y"])
        #expect(arguments[force])
    }

    @Test func afterTwoDashesAllAreArguments() throws {
        let arguments = try arguments("copy", "--", "--size", "--help", "-")
        #expect(arguments.all(sources) == ["--size", "--help"])
        #expect(arguments[target] == "-")
    }

    @Test func argumentsAreSharedOut() throws {
        #expect(try arguments("copy", "a", "b", "c").all(sources) == ["a", "b"])
        let one = try arguments("mark", "t")
        #expect(one[label] == nil)
        #expect(one[target] == "t")
        let two = try arguments("mark", "l", "t")
        #expect(two[label] == "l")
        #expect(two[target] == "t")
    }

    @Test func mistakesAreNamed() {
        #expect(mistake() == .missingCommand(known: ["copy", "mark"]))
        #expect(
            mistake("cpoy") == .unknownCommand("cpoy", meant: "copy", known: ["copy", "mark"]))
        #expect(
            mistake("intern") == .unknownCommand("intern", meant: nil, known: ["copy", "mark"]))
        #expect(
            mistake("copy", "a", "b", "--siez", "1")
                == .unknownOption("--siez", meant: "--size"))
        #expect(mistake("copy", "a", "b", "--xyzzy") == .unknownOption("--xyzzy", meant: nil))
        #expect(
            mistake("copy", "a", "b", "--size")
                == .missingValue(option: "--size", valueName: "SIZE"))
        #expect(
            mistake("copy", "a", "b", "--size", "--force")
                == .missingValue(option: "--size", valueName: "SIZE"))
        #expect(mistake("copy", "--force=1", "a", "b") == .unexpectedValue(option: "--force"))
        #expect(
            mistake("copy", "-s", "1B", "--size=2B", "a", "b") == .repeatedOption("--size"))
        #expect(mistake("copy", "a") == .missingArgument("TARGET"))
        #expect(mistake("copy") == .missingArgument("SOURCE"))
        #expect(mistake("mark", "a", "b", "c") == .extraArgument("c"))
        guard case .badValue("9Q", "--size", let sentence) = mistake("copy", "--size", "9Q", "a")
        else {
            Issue.record("9Q was accepted")
            return
        }
        #expect(sentence.contains("KiB"))
    }

    @Test func everyMistakePointsToHelp() {
        let failure = ArgumentError.missingArgument("TARGET").failure(for: ["tool", "copy"])
        #expect(failure.code == .usage)
        #expect(
            failure.rendered(for: "tool copy", style: .plain)
                == "tool copy: TARGET is missing\n"
                + "  'tool copy --help' explains how it is used.\n")
        let unknown = ArgumentError.unknownCommand("cpoy", meant: "copy", known: ["copy"])
        #expect(unknown.failure(for: ["tool"]).advice.hasPrefix("Did you mean 'copy'?\n"))
    }

    @Test(arguments: [
        ["--help"], ["-h"], ["help"], ["help", "copy"], ["copy", "--help"],
        ["copy", "--xyzzy", "-h"],
    ])
    func helpWinsOverMistakes(words: [String]) throws {
        guard case .help(let command, _) = try parser.parse(words) else {
            Issue.record("no help for \(words)")
            return
        }
        #expect(command.name == (words.contains("copy") ? "copy" : "tool"))
    }

    @Test func helpAsAnOptionsValueIsAValue() throws {
        #expect(try arguments("copy", "--read", "--help", "a", "b").all(read) == ["--help"])
    }

    @Test func versionIsAskedForAnywhere() throws {
        for words in [["--version"], ["copy", "--version"]] {
            guard case .version = try parser.parse(words) else {
                Issue.record("no version for \(words)")
                continue
            }
        }
    }

    @Test func internalCommandsRunButAreNotShown() throws {
        _ = try arguments("internal")
        let page = HelpPage(program, path: ["tool"], style: .plain).rendered()
        #expect(!page.contains("internal"))
    }
}

@Suite struct HelpPageTests {
    @Test func teaches() {
        guard let copy = program.subcommands.first else { return }
        let page = HelpPage(copy, path: ["tool", "copy"], style: .plain).rendered()
        #expect(
            page == """
                tool copy - copy things

                Usage:
                  tool copy [OPTIONS] SOURCE … TARGET

                Examples:
                  Copy all:
                    tool copy a b c

                Arguments:
                  SOURCE  Where from.
                  TARGET  Where to.

                Options:
                  -s, --size SIZE  How large it may grow.
                  --read REPO      May be read.
                  -f, --force      Do it anyway.

                Help:
                  -h, --help  Print this page.
                  --version   Print the version.

                Exit codes:
                  0  all was done
                  2  the command line was not understood; nothing was done

                """)
    }

    @Test func staysWithinEightyColumnsAndWithoutEscapes() {
        var command = Command("long", purpose: "say much")
        let words = Array(repeating: "word", count: 60).joined(separator: " ")
        command.description = [words]
        command.options = [
            OptionGroup([
                Option("--a-name-that-is-quite-long-indeed", "VALUE", .text, help: words),
                Flag("--short", help: words),
            ])
        ]
        let page = HelpPage(command, path: ["tool", "long"], style: .plain).rendered()
        for line in page.split(separator: "\n") { #expect(line.count <= 80) }
        #expect(!page.contains("\u{1b}"))
        let colored = HelpPage(command, path: ["t"], style: TextStyle(isColored: true)).rendered()
        #expect(colored.contains("\u{1b}[1mUsage:\u{1b}[0m"))
    }

    @Test func exitCodesHaveNumbersOfTheirOwn() {
        #expect(Set(ExitCode.allCases.map(\.rawValue)).count == ExitCode.allCases.count)
        #expect(ExitCode.usage.rawValue == 2)
        for code in ExitCode.allCases { #expect((0...63).contains(code.rawValue)) }
    }
}
