// What has to be done with each file of a pull: decided from what is wanted, what an earlier pull
// left, and what stands there now. Reads and writes nothing.

/// A file that is wanted at a path.
struct PullFile: Equatable, Sendable {
    /// From the destination.
    let path: String
    /// The content's hash, in hexadecimal digits.
    let hash: String
    let sizeBytes: Int64
}

/// The steps of one pull.
struct PullPlan: Equatable, Sendable {
    /// What is to be written; nothing stands there, or what an earlier pull put there.
    private(set) var writes: [Int] = []
    /// What is right as it is: an earlier pull put it there, and nobody has changed it.
    private(set) var unchanged: [Int] = []
    /// What has the right size and is nobody's that we know: right or not, its bytes tell.
    private(set) var looks: [Int] = []
    /// What stands there and is not ours.
    private(set) var conflicts: [Int] = []
    /// Paths of an earlier pull that are not wanted any more, and were not changed since.
    private(set) var removals: [String] = []

    /// - Parameters:
    ///   - files: all that is wanted; the numbers in the plan are their places.
    ///   - manifest: what an earlier pull left.
    ///   - isWhole: whether all of the revision is wanted, so that what it lacks can go.
    ///   - isForced: whether what is there and differs may be replaced.
    ///   - state: what stands at a path.
    init(
        _ files: [PullFile], _ manifest: PullManifest, isWhole: Bool, isForced: Bool,
        state: (String) -> PathState
    ) {
        for (index, file) in files.enumerated() {
            let entry = manifest.files[file.path]
            switch state(file.path) {
            case .nothing: writes.append(index)
            case .other: conflicts.append(index)
            case .file(let size, let changed):
                let isOurs = entry?.sizeBytes == size && entry?.changedNanoseconds == changed
                if isOurs && entry?.hash == file.hash {
                    unchanged.append(index)
                } else if isOurs {
                    writes.append(index)
                } else if size == file.sizeBytes {
                    looks.append(index)
                } else if isForced {
                    writes.append(index)
                } else {
                    conflicts.append(index)
                }
            }
        }
        guard isWhole else { return }
        let wanted = Set(files.map(\.path))
        for (path, entry) in manifest.files where !wanted.contains(path) {
            let isOurs =
                state(path)
                == .file(
                    sizeBytes: entry.sizeBytes, changedNanoseconds: entry.changedNanoseconds)
            if isOurs { removals.append(path) }
        }
        removals.sort()
    }

    /// What a look at the bytes of a file has shown.
    mutating func settle(_ index: Int, isRight: Bool, isForced: Bool) {
        looks.removeAll { $0 == index }
        if isRight {
            unchanged.append(index)
        } else if isForced {
            writes.append(index)
        } else {
            conflicts.append(index)
        }
    }
}
