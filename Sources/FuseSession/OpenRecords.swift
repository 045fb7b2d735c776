// Which contents the kernel holds open and how, in a file that outlives the process.
//
// A successor that takes over the connection has to answer further opens of a content as the first
// one was answered, with the same backing number. So each content that is open has a slot in a file
// in the cache's folder, mapped into memory: a store to it survives the end of the process at
// once, without a system call, and no reboot, after which there is no connection either.
// docs/FORMATS.md has the bytes.
//
// An open is noted before it is answered and a close after it was, so what a killed process left
// counts at least what the kernel holds. Only the thread with the lock around it touches this.

internal import Catalog
internal import Glibc
internal import Platform

/// The slots of the contents that are open.
@safe
struct OpenRecords: ~Copyable {
    /// Contents that are open at once; one more is not recorded, and the file says so.
    static let slotCountMax = 16_384

    /// Places in the head and in a slot.
    private enum Place {
        static let magic = 0
        static let isIncomplete = 8
        static let slots = 64
        static let node = 0
        static let count = 8
        static let backingID = 12
        static let slotByteCount = 16
    }

    /// "MFSOPEN1" as a number of the machine's own order: the file never leaves it.
    private static let magic: UInt64 = 0x4D46_534F_5045_4E31
    private static let byteCount = Place.slots + slotCountMax * Place.slotByteCount

    private let memory: UnsafeMutableRawPointer
    private var slots: [NodeID: Int] = [:]
    private var free: [Int]

    /// Makes the file, or takes over what is in it.
    ///
    /// - Throws: what the disk said; `invalidArgument` for a file of another form.
    init(path: String, resuming: Bool) throws(Errno) {
        let memory = try unsafe OpenRecords.map(path, resuming: resuming)
        unsafe self.memory = memory
        free = []
        for slot in (0..<OpenRecords.slotCountMax).reversed() {
            let node: UInt64 = unsafe memory.load(
                fromByteOffset: OpenRecords.offset(slot), as: UInt64.self)
            if node == 0 { free.append(slot) } else { slots[NodeID(rawValue: node)] = slot }
        }
    }

    private static func map(
        _ path: String, resuming: Bool
    ) throws(Errno) -> UnsafeMutableRawPointer {
        let file = try FileDescriptor.open(path, resuming ? O_RDWR : O_RDWR | O_CREAT)
        if !resuming {
            try file.truncate(to: 0)
            // With its blocks taken, since a store to a hole of a full disk would end the process.
            let status = posix_fallocate(file.rawValue, 0, off_t(byteCount))
            if status != 0 { throw Errno(status) }
            var head = WireBytes()
            head.append(magic)
            try file.writeBytes(head.bytes)
        } else if try file.size() != Int64(byteCount) {
            throw .invalidArgument
        }
        let mapped = unsafe mmap(
            nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file.rawValue, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { throw .current }
        if unsafe mapped.load(as: UInt64.self) == magic { return unsafe mapped }
        unsafe munmap(mapped, byteCount)
        throw .invalidArgument
    }

    deinit {
        unsafe munmap(memory, OpenRecords.byteCount)
    }

    /// Notes how often a content is open, and how.
    mutating func note(_ node: NodeID, _ mode: OpenMode, count: Int) {
        var backingID: UInt32 = 0
        if case .passthrough(let number) = mode { backingID = number }
        if let slot = slots[node] {
            store(UInt32(count), slot, Place.count)
            return
        }
        guard let slot = free.popLast() else {
            unsafe memory.storeBytes(
                of: 1, toByteOffset: Place.isIncomplete, as: UInt32.self)
            return
        }
        slots[node] = slot
        store(UInt32(count), slot, Place.count)
        store(backingID, slot, Place.backingID)
        // Last: what has no node is no record.
        store(node.rawValue, slot, Place.node)
    }

    /// Nobody has the content open any more.
    mutating func remove(_ node: NodeID) {
        guard let slot = slots.removeValue(forKey: node) else { return }
        store(UInt64(0), slot, Place.node)
        free.append(slot)
    }

    /// What is noted.
    func all() -> [(node: NodeID, mode: OpenMode, count: Int)] {
        slots.map { node, slot in
            let start = OpenRecords.offset(slot)
            let count = unsafe memory.load(fromByteOffset: start + Place.count, as: UInt32.self)
            let backingID = unsafe memory.load(
                fromByteOffset: start + Place.backingID, as: UInt32.self)
            // The kernel's numbers begin with 1.
            return (node, backingID == 0 ? .cached : .passthrough(backingID: backingID), Int(count))
        }
    }

    private static func offset(_ slot: Int) -> Int { Place.slots + slot * Place.slotByteCount }

    private func store(
        _ number: some FixedWidthInteger & BitwiseCopyable, _ slot: Int, _ place: Int
    ) {
        unsafe memory.storeBytes(
            of: number, toByteOffset: OpenRecords.offset(slot) + place, as: type(of: number))
    }
}
