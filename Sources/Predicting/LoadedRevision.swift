// A revision that is ready: its model, what it is, and how it came to be ready.
//
// Let go of when no request uses it any more; its mappings go with it.

internal import Inference
internal import Platform

/// A revision that serves, or has served.
final class LoadedRevision: Sendable {
    let folder: RevisionFolder
    let kindName: String
    let model: any Model
    let card: ModelCard?
    /// What `predictor.json` says; nil for none.
    let sample: Prediction
    let times: [LoadTime]
    /// What the mount says of each file that is read; nil outside of mounts.
    let proofs: [(file: String, verified: String?)]
    let loadedAt: WallTime
    let reader: RowReader

    init(
        folder: RevisionFolder, kindName: String, model: any Model, card: ModelCard?,
        sample: Prediction, times: [LoadTime], proofs: [(file: String, verified: String?)]
    ) {
        self.folder = folder
        self.kindName = kindName
        self.model = model
        self.card = card
        self.sample = sample
        self.times = times
        self.proofs = proofs
        loadedAt = .now
        reader = RowReader(model.inputs)
    }

    /// What it is called where one of several is meant: its commit, or its path outside of mounts.
    var key: String { folder.identity.commit ?? folder.name }
}
