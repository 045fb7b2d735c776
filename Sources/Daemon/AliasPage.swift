// What the commands of aliases show to a person.

internal import Settings

/// Lays out what is told of aliases.
struct AliasPage {
    private let report: AliasReport
    private let style: TextStyle

    init(_ report: AliasReport, style: TextStyle) {
        self.report = report
        self.style = style
    }

    /// The whole page, with a newline at its end.
    func rendered() -> String {
        var text = ""
        if report.failedCount > 0 {
            text += style.error("not set") + ": \(report.failedCount) files are not here whole\n"
            for failure in report.failures { text += "  \(failure.file): \(failure.reason)\n" }
            if report.failures.count < report.failedCount { text += "  and more\n" }
            return text
        }
        switch report.kind {
        case .aliases:
            if report.rows.isEmpty { text += "there are no aliases\n" }
            for row in report.rows {
                text += style.bold("@\(row.name)") + "  \(words(row.to))"
                text += style.faint("  since \(row.changedAt), by \(row.who)") + "\n"
            }
        case .history:
            if report.rows.isEmpty { text += "no alias was ever set\n" }
            for row in report.rows {
                text += "\(row.changedAt)  " + style.bold("@\(row.name)") + "  \(row.who)"
                text += "  \(words(row.from)) → \(words(row.to))\n"
            }
        case .change:
            for row in report.rows {
                text += style.bold("@\(row.name)") + ": \(words(row.from)) → \(words(row.to))\n"
            }
        case .unchanged:
            for row in report.rows {
                text += style.bold("@\(row.name)") + ": \(words(row.to)) already"
                text += style.faint(", since \(row.changedAt), by \(row.who)") + "\n"
            }
        }
        if report.isTruncated { text += "and more; name an alias to see its own\n" }
        return text
    }

    private func words(_ target: AliasReport.Target?) -> String { target?.words ?? "nothing" }
}
