// What a keeper and its worker say to each other, as bytes.
//
// A message is: its kind (1 byte), the length of a name (2 bytes, the lowest first), the name, and
// the rest, which belongs to the kind. A descriptor may come with it. Both ends are of one
// installation or of two that follow each other, so kinds are only ever added.

/// A message, without its descriptor.
enum KeepingMessage: Equatable, Sendable {
    // From the worker.

    /// Keep this for the next worker, in place of what has the same name.
    case keep(name: String, bytes: [UInt8])
    /// Let go of it.
    case drop(name: String)
    /// Requests are answered: from here on the worker is replaced when it dies.
    case ready
    /// The worker ends in order, and nothing is to be kept any more.
    case finishing
    /// The worker lives.
    case alive
    /// The worker is about to end, to be followed by the program that is installed now.
    case replace
    /// What the keeper and its next workers write goes to the descriptor that comes with this.
    case output

    // From the keeper.

    /// Kept by an earlier worker.
    case kept(name: String, bytes: [UInt8])
    /// That was all; so many workers there were before.
    case begin(workerCount: UInt32)

    private var kind: UInt8 {
        switch self {
        case .keep: 1
        case .drop: 2
        case .ready: 3
        case .finishing: 4
        case .alive: 5
        case .replace: 6
        case .output: 7
        case .kept: 65
        case .begin: 66
        }
    }

    /// The bytes of the message.
    ///
    /// REQUIRES: names have at most 65,535 bytes.
    var encoded: [UInt8] {
        var name: [UInt8] = []
        var rest: [UInt8] = []
        switch self {
        case .keep(let text, let bytes), .kept(let text, let bytes):
            name = Array(text.utf8)
            rest = bytes
        case .drop(let text): name = Array(text.utf8)
        case .begin(let count):
            rest = [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: count >> UInt32($0)) }
        case .ready, .finishing, .alive, .replace, .output: break
        }
        let length = [UInt8(name.count & 0xff), UInt8(name.count >> 8 & 0xff)]
        return [kind] + length + name + rest
    }

    /// Nil for what is no message, or of a kind that is not known.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 3 else { return nil }
        let length = Int(bytes[1]) | Int(bytes[2]) << 8
        guard bytes.count >= 3 + length else { return nil }
        let name = String(decoding: bytes[3..<3 + length], as: UTF8.self)
        let rest = Array(bytes[(3 + length)...])
        switch bytes[0] {
        case 1: self = .keep(name: name, bytes: rest)
        case 2: self = .drop(name: name)
        case 3: self = .ready
        case 4: self = .finishing
        case 5: self = .alive
        case 6: self = .replace
        case 7: self = .output
        case 65: self = .kept(name: name, bytes: rest)
        case 66:
            guard rest.count == 4 else { return nil }
            self = .begin(workerCount: rest.reversed().reduce(0) { $0 << 8 | UInt32($1) })
        default: return nil
        }
    }
}
