// The service manager that started this process, as systemd is one: what it is told, and what it
// stores for the next process of the service, in sd_notify(3)'s protocol.
//
// Each keepsake is stored as a file in memory with its name and bytes, and its descriptor beside
// it under the same number, so that the keeper may die too.

internal import CShims
internal import Glibc
internal import Platform
internal import Settings

/// The service manager, with its store.
struct ServiceStore {
    /// How a stored descriptor is named: this and the keepsake's number.
    private enum Prefix {
        /// The bytes of a keepsake that has a descriptor.
        static let described: Character = "b"
        /// The bytes of one that has none.
        static let alone: Character = "a"
        /// A keepsake's descriptor.
        static let descriptor: Character = "d"
    }

    /// The first descriptor that a service manager hands over.
    ///
    /// Source: `SD_LISTEN_FDS_START`.
    private static let descriptorMin: CInt = 3

    private let address: String
    /// Whether it wants to be told regularly that the service is well.
    let isWatching: Bool
    /// By the names of the keepsakes.
    private var numbers: [String: Int] = [:]
    private var nextNumber = 1

    /// Nil where no service manager wants to be told.
    init?(_ environment: Environment) {
        guard let address = environment["NOTIFY_SOCKET"] else { return nil }
        self.address = address
        isWatching = environment["WATCHDOG_USEC"] != nil
    }

    /// Tells it something; that it cannot be told is no failure of ours.
    func tell(_ text: String, descriptor: CInt? = nil) {
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes {
            unsafe modelfs_notify_service(address, $0.baseAddress, $0.count, descriptor ?? -1)
        }
    }

    // MARK: Storing

    /// Stores a keepsake, in place of what had its name.
    mutating func store(_ item: Keepsake) {
        let earlier = numbers[item.name]
        let number = nextNumber
        nextNumber += 1
        let message = KeepingMessage.kept(name: item.name, bytes: item.bytes).encoded
        let file = modelfs_memory_file()
        guard file >= 0 else { return }
        let memory = FileDescriptor(owning: file)
        guard (try? memory.writeBytes(message)) != nil else { return }
        let prefix = item.descriptorNumber == nil ? Prefix.alone : Prefix.described
        if let descriptor = item.descriptorNumber {
            store(descriptor, "\(Prefix.descriptor)\(number)")
        }
        store(memory.rawValue, "\(prefix)\(number)")
        numbers[item.name] = number
        if let earlier { remove(number: earlier) }
    }

    private func store(_ descriptor: CInt, _ name: String) {
        tell("FDSTORE=1\nFDNAME=\(name)", descriptor: descriptor)
    }

    /// Lets go of what is stored under that name.
    mutating func remove(_ name: String) {
        if let number = numbers.removeValue(forKey: name) { remove(number: number) }
    }

    private func remove(number: Int) {
        for prefix in [Prefix.described, Prefix.alone, Prefix.descriptor] {
            tell("FDSTOREREMOVE=1\nFDNAME=\(prefix)\(number)")
        }
    }

    /// Lets go of everything.
    mutating func removeAll() {
        for name in numbers.keys.sorted() { remove(name) }
    }

    // MARK: Taking back

    /// What an earlier process of the service has stored.
    mutating func takeBack(_ environment: Environment) -> [Keepsake] {
        guard environment["LISTEN_PID"] == "\(getpid())",
            let count = environment["LISTEN_FDS"].flatMap({ CInt($0) }), count > 0
        else { return [] }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(
            separator: ":", omittingEmptySubsequences: false)
        var descriptors: [Int: CInt] = [:]
        var memories: [(number: Int, isDescribed: Bool, file: CInt)] = []
        for (index, name) in names.prefix(Int(count)).enumerated() {
            let file = ServiceStore.descriptorMin + CInt(index)
            _ = fcntl(file, F_SETFD, FD_CLOEXEC)
            guard let prefix = name.first, let number = Int(name.dropFirst()) else { continue }
            nextNumber = max(nextNumber, number + 1)
            switch prefix {
            case Prefix.descriptor: descriptors[number] = file
            case Prefix.described: memories.append((number, true, file))
            case Prefix.alone: memories.append((number, false, file))
            default: continue
            }
        }
        return memories.sorted { $0.number < $1.number }.compactMap { item in
            let memory = FileDescriptor(owning: item.file)
            let descriptor = descriptors[item.number].map { FileDescriptor(owning: $0) }
            guard item.isDescribed == (descriptors[item.number] != nil),
                let bytes = try? memory.readBytes(countMax: MessageSocket.byteCountMax),
                case .kept(let name, let kept)? = KeepingMessage(bytes)
            else {
                // The connection has ended meanwhile, and the manager has let go of it.
                remove(number: item.number)
                return nil
            }
            numbers[name] = item.number
            return Keepsake(name: name, bytes: kept, descriptor: descriptor)
        }
    }
}
