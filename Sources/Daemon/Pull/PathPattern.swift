// Patterns of paths as --include and --exclude take them: what fits, as the official client has it.
//
// `*` stands for any characters, `/` among them; `?` for one; `[ab]` and `[!ab]` for one of or none
// of some; a pattern that ends in `/` stands for all below that folder. Letters count as they are.

/// One pattern.
struct PathPattern: Equatable, Sendable {
    private enum Part: Equatable {
        case anything
        case one
        case byte(UInt8)
        case among(ranges: [ClosedRange<UInt8>], isNegated: Bool)
    }

    private let parts: [Part]

    init(_ text: String) {
        let bytes = Array(text.utf8) + (text.hasSuffix("/") ? [UInt8(ascii: "*")] : [])
        var parts: [Part] = []
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "*"):
                if parts.last != .anything { parts.append(.anything) }
                index += 1
            case UInt8(ascii: "?"):
                parts.append(.one)
                index += 1
            case UInt8(ascii: "["):
                if let (part, next) = PathPattern.set(bytes, from: index) {
                    parts.append(part)
                    index = next
                } else {
                    parts.append(.byte(bytes[index]))
                    index += 1
                }
            default:
                parts.append(.byte(bytes[index]))
                index += 1
            }
        }
        self.parts = parts
    }

    /// What stands between brackets; nil where no bracket closes it.
    private static func set(_ bytes: [UInt8], from start: Int) -> (Part, Int)? {
        var index = start + 1
        let isNegated = index < bytes.count && bytes[index] == UInt8(ascii: "!")
        if isNegated { index += 1 }
        let first = index
        var ranges: [ClosedRange<UInt8>] = []
        while index < bytes.count, bytes[index] != UInt8(ascii: "]") || index == first {
            let isRange =
                index + 2 < bytes.count && bytes[index + 1] == UInt8(ascii: "-")
                && bytes[index + 2] != UInt8(ascii: "]")
            if isRange {
                if bytes[index] <= bytes[index + 2] {
                    ranges.append(bytes[index]...bytes[index + 2])
                }
                index += 3
            } else {
                ranges.append(bytes[index]...bytes[index])
                index += 1
            }
        }
        if index >= bytes.count { return nil }
        return (.among(ranges: ranges, isNegated: isNegated), index + 1)
    }

    /// Whether a path from the root of the repository fits.
    ///
    /// Takes at most the product of both lengths: of several `*` only the last is tried again.
    func fits(_ path: String) -> Bool {
        let bytes = Array(path.utf8)
        var (part, index) = (0, 0)
        var retry: (part: Int, index: Int)?
        while index < bytes.count {
            if part < parts.count, parts[part] == .anything {
                retry = (part, index)
                part += 1
            } else if part < parts.count, PathPattern.fits(parts[part], bytes[index]) {
                part += 1
                index += 1
            } else if let (star, begin) = retry {
                retry = (star, begin + 1)
                (part, index) = (star + 1, begin + 1)
            } else {
                return false
            }
        }
        return parts[part...].allSatisfy { $0 == .anything }
    }

    private static func fits(_ part: Part, _ byte: UInt8) -> Bool {
        switch part {
        case .anything: false
        case .one: true
        case .byte(let wanted): byte == wanted
        case .among(let ranges, let isNegated):
            ranges.contains { $0.contains(byte) } != isNegated
        }
    }
}

/// Which paths are wanted.
struct PathSelection: Equatable, Sendable {
    private let includes: [PathPattern]
    private let excludes: [PathPattern]

    init(includes: [String], excludes: [String]) {
        self.includes = includes.map { PathPattern($0) }
        self.excludes = excludes.map { PathPattern($0) }
    }

    /// Whether every path is wanted.
    var isWhole: Bool { includes.isEmpty && excludes.isEmpty }

    func has(_ path: String) -> Bool {
        (includes.isEmpty || includes.contains { $0.fits(path) })
            && !excludes.contains { $0.fits(path) }
    }
}
