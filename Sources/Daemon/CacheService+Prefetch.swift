// Whole files, folders and revisions on request: found in the tree, brought, and reported.

internal import Catalog
internal import ChunkStore
internal import Fetching
internal import FileSystem
internal import Hashing
internal import HubAPI
internal import Platform
internal import Settings

extension CacheService {
    /// Between two reports of progress, in seconds.
    private static let reportSeconds = 0.2

    func prefetch(
        _ targets: [PrefetchTarget], _ progress: (CacheProgress) -> Bool
    ) throws(MountFailure) -> PrefetchReport {
        let began = MonotonicInstant.now
        var report = PrefetchReport()
        var wanted: [PrefetchRun.Wanted] = []
        var known: Set<ContentID> = []
        for target in targets.prefix(PrefetchReport.targetCountMax) {
            let found = try findFiles(target, false)
            report.places.append(
                PrefetchReport.Place(
                    text: target.text, repository: found.repository.description,
                    commit: found.commit.hex, path: target.path))
            for file in found.files where known.insert(file.content).inserted {
                let content = try ask { () throws(CatalogError) in
                    try catalog.content(file.content)
                }
                guard let content else { continue }
                wanted.append(
                    PrefetchRun.Wanted(name: "\(found.repository)/\(file.path)", content: content))
            }
        }
        report.fileCount = wanted.count
        for item in wanted {
            report.sizeBytes += item.content.sizeBytes
            report.presentBytes +=
                store.state(of: item.content.hash, size: item.content.sizeBytes).cachedByteCount
        }
        var due = began
        var run = PrefetchRun(wanted, store: store, fetcher: fetcher)
        run.run { done in
            if MonotonicInstant.now < due { return true }
            due = .now + CacheService.reportSeconds
            return progress(done)
        } ended: { item, ending in
            switch ending {
            case .proven: report.provenCount += 1
            case .failed(let error): report.note(error, item.name)
            }
        }
        report.seconds = MonotonicInstant.now.seconds(since: began)
        return report
    }
}

extension PrefetchReport {
    fileprivate mutating func note(_ error: FetchError, _ file: String) {
        failedCount += 1
        if failures.count == PrefetchReport.failureCountMax { return }
        let (reason, code) = PrefetchReport.meaning(of: error)
        failures.append(Failure(file: file, reason: reason, exitCode: code))
    }

    private static func meaning(of error: FetchError) -> (String, ExitCode) {
        switch error {
        case .hub(.repositoryNotFound), .hub(.revisionNotFound), .hub(.entryNotFound):
            ("the Hub does not have it", .notFound)
        case .hub(.gated): ("it is gated, and access was not granted", .accessDenied)
        case .hub(.tokenRefused), .hub(.disabled), .hub(.forbidden):
            ("the Hub refuses it", .accessDenied)
        case .hub(.offline): ("the Hub must not be asked (offline)", .hubUnreachable)
        case .hub: ("the Hub did not give it", .hubUnreachable)
        case .catalog: ("the catalog cannot be read", .cache)
        case .tooLarge: ("the cache has no room for all of it (--cache-size)", .cache)
        case .noRoom: ("the cache has no room for it beside what is in use", .cache)
        case .notProven: ("it is not what its hash says, again and again", .failure)
        case .noSource: ("no repository is known that has it", .notFound)
        case .stopped: ("the daemon was stopped", .daemonSilent)
        }
    }

    /// What a command ends with: the code of the first that failed.
    var exitCode: ExitCode { failures.first?.exitCode ?? .success }
}
