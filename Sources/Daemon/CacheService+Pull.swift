// A revision put into a real folder, or into the cache of the official client: what is there and
// right stays, what is missing comes through the cache, and no file has its name before it was
// proven.

internal import Catalog
internal import ChunkStore
internal import FileSystem
internal import Glibc
internal import Hashing
internal import HubAPI
internal import Platform
internal import Settings
internal import Telemetry

extension CacheService {
    func pull(
        _ request: PullRequest, _ progress: Progress
    ) throws(MountFailure) -> PullReport {
        let began = MonotonicInstant.now
        let found = try findFiles(request.target, true)
        var report = PullReport()
        report.repository = found.repository.description
        report.commit = found.commit.hex
        report.destination = request.destination
        let place = PullPlace(request, found.repository, commit: found.commit.hex)
        let lock = try onDestination(request.destination) { () throws(Errno) in
            try place.prepare()
        }
        defer { _ = lock.rawValue }
        let wanted = try wantedFiles(found, request)
        report.fileCount = wanted.count
        for item in wanted {
            report.sizeBytes += item.content.sizeBytes
        }
        let copy = PullCopy(store: store, reader: reader)
        var manifest = PullManifest()
        if place.layout == .folder { manifest = PullManifest.read(request.destination) }
        let plan = try plan(wanted, manifest, place, request, copy)
        report.unchangedCount = plan.unchanged.count
        var run = PullRun(wanted, plan, place, copy: copy)
        let missingBefore = plan.writes.reduce(Int64(0)) { sum, index in
            let content = wanted[index].content
            let state = store.state(of: content.hash, size: content.sizeBytes)
            return sum + content.sizeBytes - state.cachedByteCount
        }
        let ended = run.run(progress)
        report.missingBytes = missingBefore
        report.writtenCount = ended.written.count
        report.writtenBytes = ended.written.reduce(0) { $0 + wanted[$1].content.sizeBytes }
        for failure in ended.failures { report.note(failure.error, wanted[failure.index].name) }
        try finish(
            request, place, wanted, plan, ended, &manifest, &report, whole: found.repository)
        if let error = ended.destinationError {
            throw .destinationFailed(path: request.destination, error)
        }
        report.seconds = MonotonicInstant.now.seconds(since: began)
        log.info(
            "pulled",
            [
                "repository": report.repository, "commit": report.commit,
                "to": request.destination, "written": "\(report.writtenCount)",
                "failed": "\(report.failedCount)",
            ])
        return report
    }

    private func wantedFiles(
        _ found: RevisionFiles, _ request: PullRequest
    ) throws(MountFailure) -> [PullRun.Wanted] {
        let selection = PathSelection(includes: request.includes, excludes: request.excludes)
        var wanted: [PullRun.Wanted] = []
        for file in found.files where selection.has(file.path) {
            let content = try ask { () throws(CatalogError) in try catalog.content(file.content) }
            guard let content else { continue }
            wanted.append(
                PullRun.Wanted(
                    name: "\(found.repository)/\(file.path)", path: file.path, content: content))
        }
        if wanted.isEmpty && !selection.isWhole {
            throw .nothingSelected(target: request.target.text)
        }
        return wanted
    }

    private func plan(
        _ wanted: [PullRun.Wanted], _ manifest: PullManifest, _ place: PullPlace,
        _ request: PullRequest, _ copy: PullCopy
    ) throws(MountFailure) -> PullPlan {
        let files = wanted.map {
            PullFile(
                path: place.name(of: $0.path, hash: $0.content.hash.hex),
                hash: $0.content.hash.hex, sizeBytes: $0.content.sizeBytes)
        }
        // What has a hash for its name and is something else is damaged, whoever made it.
        let isForced = request.isForced || place.layout == .hubCache
        let isWhole =
            place.layout == .folder && request.includes.isEmpty && request.excludes.isEmpty
            && request.target.path.isEmpty
        var plan = PullPlan(files, manifest, isWhole: isWhole, isForced: isForced) {
            // A blob may be a link to one that several repositories share.
            PathState("\(place.files)/\($0)", followsLinks: place.layout == .hubCache)
        }
        for index in plan.looks {
            let path = "\(place.files)/\(files[index].path)"
            plan.settle(
                index, isRight: copy.holds(path, wanted[index].content), isForced: isForced)
        }
        if !plan.conflicts.isEmpty {
            let paths = plan.conflicts.map { files[$0].path }
            throw .destinationDiffers(
                path: request.destination,
                foreign: DifferingFiles(paths.filter { manifest.files[$0] == nil }),
                changed: DifferingFiles(paths.filter { manifest.files[$0] != nil }))
        }
        return plan
    }

    /// Leaves what tells of this pull: for the next one, or for the official client.
    private func finish(
        _ request: PullRequest, _ place: PullPlace, _ wanted: [PullRun.Wanted], _ plan: PullPlan,
        _ ended: PullRun.Ending, _ manifest: inout PullManifest, _ report: inout PullReport,
        whole repository: RepositoryID
    ) throws(MountFailure) {
        let here = plan.unchanged + ended.written
        switch place.layout {
        case .folder:
            manifest.repository = report.repository
            manifest.commit = report.commit
            for index in here {
                let item = wanted[index]
                guard
                    case .file(let size, let changed) = PathState("\(place.files)/\(item.path)")
                else { continue }
                manifest.files[item.path] = PullManifest.Entry(
                    hash: item.content.hash.hex, sizeBytes: size, changedNanoseconds: changed)
            }
            let isComplete = report.failedCount == 0 && ended.destinationError == nil
            for path in plan.removals where isComplete {
                if unsafe unlink("\(place.files)/\(path)") == 0 { report.removedCount += 1 }
                manifest.files[path] = nil
                removeEmptyFolders(above: path, in: place.files)
            }
            // Where the disk is full, the next pull looks at the bytes instead.
            do throws(Errno) { try manifest.write(request.destination) } catch {
                if isComplete {
                    throw .destinationFailed(path: request.destination, error)
                }
            }
        case .hubCache:
            try onDestination(request.destination) { () throws(Errno) in
                for index in here {
                    let item = wanted[index]
                    try place.link(item.path, to: item.content.hash.hex)
                }
                if ended.destinationError != nil { return }
                let revision = request.target.revision ?? "main"
                if revision != report.commit { try place.note(revision, commit: report.commit) }
            }
        }
    }

    private func removeEmptyFolders(above path: String, in root: String) {
        var folder = path
        while let slash = folder.lastIndex(of: "/") {
            folder = String(folder[..<slash])
            if unsafe rmdir("\(root)/\(folder)") != 0 { return }
        }
    }

    private func onDestination<Result: ~Copyable>(
        _ path: String, _ body: () throws(Errno) -> Result
    ) throws(MountFailure) -> Result {
        do throws(Errno) { return try body() } catch {
            if error == .wouldBlock { throw .destinationBusy(path: path) }
            throw .destinationFailed(path: path, error)
        }
    }
}

extension DifferingFiles {
    /// Nil where there are none.
    fileprivate init?(_ paths: [String]) {
        guard let first = paths.first else { return nil }
        self.init(count: paths.count, first: first)
    }
}

extension PullReport {
    fileprivate mutating func note(_ error: PullError, _ file: String) {
        failedCount += 1
        if failures.count == PrefetchReport.failureCountMax { return }
        let (reason, code) = PullReport.meaning(of: error)
        failures.append(
            PrefetchReport.Failure(file: file, reason: reason, exitCode: code))
    }

    private static func meaning(of error: PullError) -> (String, ExitCode) {
        switch error {
        case .source(.accessDenied): ("the Hub refuses it", .accessDenied)
        case .source(.notFound): ("the Hub does not have it", .notFound)
        case .source(.tooLarge):
            ("the cache has no room for all of it (--cache-size)", .cache)
        case .source: ("the Hub did not give it", .hubUnreachable)
        case .wrong: ("it is not what its hash says, again and again", .failure)
        case .destination(let error): ("it cannot be written: \(error)", .storage)
        case .cancelled: ("it was not wanted any more", .failure)
        }
    }

    /// What a command ends with: the code of the first that failed.
    var exitCode: ExitCode { failures.first?.exitCode ?? .success }
}
