// What the commands of a cache show to a person: the same facts as --json, laid out to be read.

internal import Platform
internal import Settings

/// Lays out an answer.
struct CachePage {
    private let answer: CacheAnswer
    private let style: TextStyle
    private var text = ""

    init(_ answer: CacheAnswer, style: TextStyle) {
        self.answer = answer
        self.style = style
    }

    /// The whole page, with a newline at its end.
    func rendered() -> String {
        var page = self
        page.write()
        return page.text
    }

    private mutating func write() {
        switch answer {
        case .list(let listing): writeList(listing)
        case .statistics(let sums): writeSums(sums)
        case .verified(let check): writeCheck(check)
        case .collected(let change): text += "\(size(change.freedBytes)) given back\n"
        case .evicted(let change): writeEvicted(change)
        case .pinned(let change): writePinned(change, "pinned")
        case .unpinned(let change): writePinned(change, "no longer pinned")
        case .cooled(let change):
            text += "\(files(change.contentCount)) packed, \(size(change.contentBytes));"
            text += " the cache takes \(size(change.freedBytes)) less\n"
        case .rebuilt(let rebuild): writeRebuild(rebuild)
        case .prefetched(let report): writePrefetched(report)
        case .pulled(let report): writePulled(report)
        case .alias(let report): text += AliasPage(report, style: style).rendered()
        }
    }

    private mutating func writeList(_ listing: CacheListing) {
        if listing.revisions.isEmpty { text += "no revision is known yet\n" }
        var repository = ""
        for revision in listing.revisions {
            if revision.repository != repository {
                repository = revision.repository
                text += style.bold(repository) + "\n"
            }
            let names = revision.names.map { $0.isEmpty ? "(default)" : $0 }
            text += "  \(revision.commit.prefix(12))  "
            text += "\(size(revision.cachedBytes)) of \(size(revision.sizeBytes))"
            text += ", \(revision.provenCount) of \(files(revision.contentCount)) proven"
            if revision.isPinned { text += ", " + style.good("pinned") }
            if let used = revision.lastUsedAt { text += style.faint(", used \(used)") }
            text += "\n"
            if !names.isEmpty { text += style.faint("    \(names.joined(separator: ", "))") + "\n" }
        }
        if listing.isTruncated { text += "and more; name a repository to see its own\n" }
        if listing.otherContentCount > 0 {
            text += "\(files(listing.otherContentCount)) of no known revision: "
            text += "\(size(listing.otherCachedBytes))\n"
        }
    }

    private mutating func writeSums(_ sums: CacheSums) {
        text += style.bold("Cache") + "\n"
        write(sums.total)
        text += "  on the disk   \(size(sums.hotBytes)) flat"
        if sums.hotLimitBytes > 0 { text += " (of \(size(sums.hotLimitBytes)))" }
        text += ", \(size(sums.packedBytes)) packed"
        if sums.limitBytes > 0 { text += "; at most \(size(sums.limitBytes))" }
        text += "\n"
        for repository in sums.repositories {
            text += "\n" + style.bold(repository.repository) + "\n"
            write(repository.sums)
        }
        if sums.isTruncated { text += "\nand more; name a repository to see its own\n" }
    }

    private mutating func write(_ sums: CacheSums.Sums) {
        text += "  copies        \(size(sums.copiesBytes))\n"
        text += "  logical       \(size(sums.logicalBytes)) in \(files(sums.contentCount))\n"
        text += "  unique        \(size(sums.uniqueBytes))"
        text += saved(sums.logicalBytes - sums.uniqueBytes, "deduplication") + "\n"
        text += "  stored        \(size(sums.storedBytes))"
        text += saved(sums.uniqueBytes - sums.storedBytes, "compression") + "\n"
    }

    private func saved(_ byteCount: Int64, _ by: String) -> String {
        byteCount > 0 ? ", \(by) saved \(size(byteCount))" : ""
    }

    private mutating func writeCheck(_ check: CacheCheck) {
        text += "\(files(check.contentCount)), \(size(check.checkedBytes)) checked: "
        if check.damagedCount == 0 {
            text += style.good("all is well") + "\n"
            return
        }
        text += style.error("\(files(check.damagedCount)) damaged")
        text += ", \(check.repairedCount) repaired\n"
        for damage in check.damaged {
            let state =
                damage.isRepaired ? style.good("repaired") : "fetched again when it is read"
            text += "  \(damage.file): \(size(damage.lostBytes)) dropped, \(state)\n"
        }
        if check.damaged.count < check.damagedCount { text += "  and more\n" }
    }

    private mutating func writeEvicted(_ change: CacheChange) {
        text += "\(files(change.contentCount)) dropped, \(size(change.freedBytes)) given back\n"
        if change.sharedCount > 0 {
            text += "\(files(change.sharedCount)) stay, since other revisions have them too"
            text += " (--shared drops them)\n"
        }
        if change.pinnedCount > 0 {
            text += "\(files(change.pinnedCount)) stay, since they are pinned\n"
        }
    }

    private mutating func writePinned(_ change: CacheChange, _ word: String) {
        if change.commits.isEmpty { text += "nothing of it was pinned\n" }
        for commit in change.commits { text += "commit \(commit.prefix(12)) is \(word)\n" }
        if change.contentCount > 0 {
            text += "\(files(change.contentCount)), \(size(change.contentBytes))\n"
        }
    }

    private mutating func writeRebuild(_ rebuild: CacheRebuild) {
        if rebuild.isPostponed {
            text += "noted: a daemon serves the cache, and it is done when a daemon starts next\n"
        } else {
            text += "made anew: \(files(rebuild.contentCount)),"
            text += " \(rebuild.revisionCount) revisions\n"
        }
    }

    private mutating func writePrefetched(_ report: PrefetchReport) {
        text += "\(files(report.fileCount)), \(size(report.sizeBytes)): "
        text += "\(size(report.presentBytes)) there before"
        text += report.failedCount == 0 ? ", " + style.good("all there and proven") : ""
        text += " after \(TimeSpan(milliseconds: Int64(report.seconds * 1000)))\n"
        if report.inMemoryBytes > 0 { text += "\(size(report.inMemoryBytes)) read into memory\n" }
        writeFailures(report.failures, count: report.failedCount)
    }

    private mutating func writePulled(_ report: PullReport) {
        text += "\(report.repository)@\(report.commit.prefix(12)) in \(report.destination)\n"
        text += "\(files(report.fileCount)), \(size(report.sizeBytes)): "
        text += "\(report.unchangedCount) unchanged, \(report.writtenCount) written"
        if report.removedCount > 0 { text += ", \(report.removedCount) removed" }
        text += " (\(size(report.missingBytes)) were not in the cache)"
        text += " after \(TimeSpan(milliseconds: Int64(report.seconds * 1000)))\n"
        writeFailures(report.failures, count: report.failedCount)
    }

    private mutating func writeFailures(_ failures: [PrefetchReport.Failure], count: Int) {
        if count == 0 { return }
        text += style.error("\(files(count)) not there") + "\n"
        for failure in failures { text += "  \(failure.file): \(failure.reason)\n" }
        if failures.count < count { text += "  and more\n" }
    }

    private func size(_ byteCount: Int64) -> String { "\(ByteSize(max(0, byteCount)))" }

    private func files(_ count: Int) -> String { count == 1 ? "1 file" : "\(count) files" }
}
