// What a worker leaves with its keeper: named bytes, some with an open descriptor.
//
// The keeper knows neither names nor bytes. Limits hold for all of it together, so that no worker
// can make the keeper grow.

package import Platform

/// One thing that is kept for the next worker.
package final class Keepsake: Sendable {
    /// The worker's own name for it.
    package let name: String
    /// The worker's own words about it.
    package let bytes: [UInt8]
    private let descriptor: Lock<FileDescriptor?>
    /// Nil where there is none.
    let descriptorNumber: CInt?

    /// - Parameter descriptor: owned from here on.
    package init(name: String, bytes: [UInt8], descriptor: consuming FileDescriptor?) {
        self.name = name
        self.bytes = bytes
        descriptorNumber = descriptor?.rawValue
        self.descriptor = Lock(descriptor)
    }

    /// Gives the descriptor away, once.
    package func takeDescriptor() -> FileDescriptor? {
        descriptor.withLock { $0.take() }
    }
}

/// All that is kept, in the order in which it first came.
struct Keepsakes {
    /// A connection and a note for each of a thousand mounts, and the worker's own few.
    static let countMax = 2_048
    /// With the longest of paths each has about 8 KiB, and few are so long.
    static let byteCountMax = 4 << 20

    private(set) var all: [Keepsake] = []
    private var byteCount = 0

    private func size(_ item: Keepsake) -> Int { item.name.utf8.count + item.bytes.count }

    /// Takes it, in place of what had its name.
    ///
    /// - Returns: whether there was room.
    mutating func keep(_ item: Keepsake) -> Bool {
        let index = all.firstIndex { $0.name == item.name }
        let freed = index.map { size(all[$0]) } ?? 0
        if byteCount - freed + size(item) > Keepsakes.byteCountMax { return false }
        if index == nil && all.count >= Keepsakes.countMax { return false }
        byteCount += size(item) - freed
        if let index { all[index] = item } else { all.append(item) }
        return true
    }

    /// Lets go of what has that name.
    mutating func drop(_ name: String) {
        guard let index = all.firstIndex(where: { $0.name == name }) else { return }
        byteCount -= size(all[index])
        all.remove(at: index)
    }

    /// Lets go of everything.
    mutating func dropAll() {
        all = []
        byteCount = 0
    }
}
