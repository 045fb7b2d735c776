// What the store says about a content: how much of it is here, and what is proven of that.

package import Platform

/// Whether the bytes of a content were proven to be what its hash says.
package enum Verification: Equatable, Sendable {
    /// Not yet, or not since a part of it was fetched again.
    case none
    /// The whole content was hashed, and it was right.
    case proven(WallTime)
    /// The chunks that it came in give the hash that Xet names the file by; its own is not proven
    /// yet.
    case provenByChunks(WallTime)
    /// It was hashed and found wrong, and dropped; nothing was written since.
    case failed

    /// Whether the whole is what its own hash says.
    package var isProven: Bool {
        if case .proven = self { return true }
        return false
    }
}

/// How much of a content is here.
package struct ContentState: Equatable, Sendable {
    /// Bytes that can be read from the store.
    package let cachedByteCount: Int64
    /// Those of them that lie in the flat file.
    package let flatByteCount: Int64
    /// Whether the cached bytes are all.
    package let isComplete: Bool
    package let verification: Verification

    /// Whether all of it is here and was compared with its hash.
    package var isProven: Bool { isComplete && verification.isProven }

    static let nothing = ContentState(
        cachedByteCount: 0, flatByteCount: 0, isComplete: false, verification: .none)
}

/// What a read found.
package enum ReadOutcome: Equatable, Sendable {
    /// So many bytes are in the buffer: all that was asked for, or up to the content's end.
    case bytes(Int)
    /// Some of them are not here, or were damaged and are here no longer.
    case missing
}
