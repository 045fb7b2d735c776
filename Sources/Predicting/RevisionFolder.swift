// The folder of one revision, held so that it stays the same when its name leads elsewhere.
//
// A path such as NAME@main is looked up once; what is opened after that goes through the open
// folder, so that one model is never read from two commits. Names for people keep the path that was
// given. Owns the folder's descriptor, as long as anybody uses the revision.

internal import Glibc
internal import Inference
internal import Platform

/// A folder that is held open.
final class RevisionFolder: Sendable {
    /// What a mount says of the folder; all nil outside of mounts.
    struct Identity: Equatable, Sendable {
        var repository: String?
        /// What stands after the `@`.
        var revision: String?
        var commit: String?
    }

    /// As it was given.
    let name: String
    /// A path that leads to this very folder, whatever its name leads to meanwhile.
    let path: String
    let identity: Identity
    private let descriptor: FileDescriptor

    /// Looks the path up.
    init(_ name: String) throws(InferenceError) {
        let trimmed = name.count > 1 && name.hasSuffix("/") ? String(name.dropLast()) : name
        self.name = trimmed
        do throws(Errno) {
            descriptor = try FileDescriptor.open(trimmed, O_RDONLY | O_DIRECTORY)
        } catch {
            throw .file(path: trimmed, error)
        }
        path = "/proc/self/fd/\(descriptor.rawValue)"
        let path = path
        func attribute(_ name: String) -> String? {
            guard let value = try? ExtendedAttribute.value("user.modelfs.\(name)", of: path)
            else { return nil }
            return String(decoding: value, as: UTF8.self)
        }
        identity = Identity(
            repository: attribute("repo"), revision: attribute("revision"),
            commit: attribute("commit"))
    }

    /// The path of a file in it.
    func path(of file: String) -> String { "\(path)/\(file)" }

    /// A message with the folder's name in place of the path through its descriptor.
    func named(_ text: String) -> String { text.replacing(path, with: name) }

    /// An error that names the folder as it was given.
    func named(_ error: InferenceError) -> InferenceError {
        switch error {
        case .file(let path, let errno): .file(path: named(path), errno)
        case .weights(let path, let error): .weights(path: named(path), error)
        case .malformed(let path, let reason): .malformed(path: named(path), reason: reason)
        case .unknownModel(let folder, let found):
            .unknownModel(folder: named(folder), found: found)
        case .unsupported(let path, let found, let supported):
            .unsupported(path: named(path), found: found, supported: supported)
        default: error
        }
    }

    /// What a mount says of the proof of a file; nil outside of mounts.
    func verification(of file: String) -> String? {
        guard let value = try? ExtendedAttribute.value("user.modelfs.verified", of: path(of: file))
        else { return nil }
        return String(decoding: value, as: UTF8.self)
    }

    /// A small file of it; nil when there is none.
    func contents(of file: String, byteCountMax: Int) throws(InferenceError) -> [UInt8]? {
        do throws(Errno) {
            let opened = try FileDescriptor.open(path(of: file), O_RDONLY)
            return try opened.readBytes(countMax: byteCountMax)
        } catch {
            if error == .noEntry { return nil }
            throw .file(path: "\(name)/\(file)", error)
        }
    }
}
