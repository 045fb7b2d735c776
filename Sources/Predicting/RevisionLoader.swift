// From a folder to a revision that serves: map, populate, prove, open, check.
//
// Nothing is read through a mapping before its pages are there and the file is proven, so a model
// is never made of bytes that turn out to be wrong, and no page is a SIGBUS. What the stages took
// is kept, and logged.

internal import Inference
internal import JSON
internal import Platform
internal import Telemetry

/// Loads revisions.
struct RevisionLoader: Sendable {
    let task: ModelTask?
    let kinds: [ModelKind]
    let proofSeconds: Double
    let log: Log
    /// Whether the process ends.
    let isOver: @Sendable () -> Bool

    private static let descriptionByteCountMax = 4 << 20
    private static let cardByteCountMax = 1 << 20
    /// Pauses between looks at a proof: short at first, since it often is there at once.
    private static let proofPauseSeconds = 0.01
    private static let proofPauseSecondsMax = 0.25

    /// Loads what is in a folder.
    func load(
        _ folder: RevisionFolder, _ progress: LoadProgress
    ) throws(PredictorError) -> LoadedRevision {
        let (listed, kind) = try progress.run(.recognise) { () throws(PredictorError) in
            try inference(folder) { () throws(InferenceError) in
                let listed = try ModelFolder(listing: folder.path)
                return (listed, try ModelRecognition.kind(of: listed, task: task, among: kinds))
            }
        }
        let names = kind.files(listed)
        let isProven = names.allSatisfy { folder.verification(of: $0) != "no" }
        var files = try progress.run(.map) { () throws(PredictorError) in
            try map(names, folder, progress)
        }
        try progress.run(.populate) { () throws(PredictorError) in
            try PagePopulation.run(files, progress, isOver: isOver)
        }
        let proofs = try progress.run(.prove) { () throws(PredictorError) in
            try prove(names, folder, progress)
        }
        if !isProven {
            // Now that they are proven, the kernel may read the files by itself, once nobody has
            // them open in the way in which they were read before.
            files = []
            files = try map(names, folder, progress)
            try PagePopulation.run(files, progress, isOver: isOver)
        }
        // The model's own mappings are shares of these, whose pages are there.
        defer { withExtendedLifetime(files) {} }
        let model = try progress.run(.open) { () throws(PredictorError) in
            try inference(folder) { () throws(InferenceError) in try kind.open(listed, task) }
        }
        let sample = try progress.run(.check) { () throws(PredictorError) in
            try SmokeCheck(try description(folder), model.inputs).run(model)
        }
        let card = try? folder.contents(
            of: "README.md", byteCountMax: RevisionLoader.cardByteCountMax)
        let revision = LoadedRevision(
            folder: folder, kindName: kind.name, model: model,
            card: card.map { ModelCard(String(decoding: $0, as: UTF8.self)) }, sample: sample,
            times: progress.now.times, proofs: proofs)
        tell(revision)
        return revision
    }

    private func inference<Result>(
        _ folder: RevisionFolder, _ body: () throws(InferenceError) -> Result
    ) throws(PredictorError) -> Result {
        do throws(InferenceError) {
            return try body()
        } catch {
            throw .inference(folder.named(error))
        }
    }

    private func map(
        _ names: [String], _ folder: RevisionFolder, _ progress: LoadProgress
    ) throws(PredictorError) -> [(name: String, file: MappedFile)] {
        var files: [(name: String, file: MappedFile)] = []
        for name in names {
            progress.turn(to: name)
            do throws(Errno) {
                files.append((name, try MappedFile(folder.path(of: name))))
            } catch {
                throw .inference(.file(path: "\(folder.name)/\(name)", error))
            }
        }
        return files
    }

    /// Waits until the daemon has compared each file with its hash.
    private func prove(
        _ names: [String], _ folder: RevisionFolder, _ progress: LoadProgress
    ) throws(PredictorError) -> [(file: String, verified: String?)] {
        var proofs: [(file: String, verified: String?)] = []
        let deadline = MonotonicInstant.now + proofSeconds
        for name in names {
            progress.turn(to: name)
            var pause = RevisionLoader.proofPauseSeconds
            var verified = folder.verification(of: name)
            while verified == "no" && !isOver() {
                if MonotonicInstant.now > deadline {
                    throw .unproven(file: "\(folder.name)/\(name)", seconds: proofSeconds)
                }
                sleep(seconds: pause)
                pause = min(pause * 2, RevisionLoader.proofPauseSecondsMax)
                verified = folder.verification(of: name)
            }
            if verified == "failed" { throw .damaged(file: "\(folder.name)/\(name)") }
            proofs.append((name, verified))
        }
        return proofs
    }

    private func description(_ folder: RevisionFolder) throws(PredictorError) -> JSONValue? {
        let bytes = try inference(folder) { () throws(InferenceError) in
            try folder.contents(
                of: "predictor.json", byteCountMax: RevisionLoader.descriptionByteCountMax)
        }
        guard let bytes else { return nil }
        do throws(JSONFault) {
            return try JSONValue.parse(bytes)
        } catch {
            throw .description("\(error.reason), at byte \(error.byteOffset)")
        }
    }

    private func tell(_ revision: LoadedRevision) {
        let identity = revision.folder.identity
        for time in revision.times {
            log.info(
                "loaded a part",
                [
                    "stage": time.stage.rawValue, "milliseconds": milliseconds(time.seconds),
                ])
        }
        let total = revision.times.reduce(0) { $0 + $1.seconds }
        log.info(
            "the model is ready",
            [
                "model": identity.repository ?? revision.folder.name,
                "commit": identity.commit ?? "-", "kind": revision.kindName,
                "architecture": revision.model.facts.architecture,
                "milliseconds": milliseconds(total),
            ])
    }
}

/// A time in milliseconds with one decimal.
func milliseconds(_ seconds: Double) -> String {
    let tenths = Int((seconds * 10_000).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}
