// Synthetic weights: normally distributed numbers, as trained models have them.

import Glibc

/// A kind of numbers that weights are made of.
enum WeightKind: String, CaseIterable {
    case bf16, fp32, fp16, text

    /// So many bytes of them, the same in every run.
    func bytes(_ count: Int) -> [UInt8] {
        var generator = Generator(state: 42)
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            var place = 0
            while place < count {
                switch self {
                case .text:
                    let word = generator.next() % 1_000
                    for byte in "word \(word) ".utf8 where place < count {
                        buffer[place] = byte
                        place += 1
                    }
                    continue
                case .bf16:
                    let bits = UInt16(truncatingIfNeeded: generator.normal().bitPattern >> 16)
                    buffer[place] = UInt8(truncatingIfNeeded: bits)
                    if place + 1 < count { buffer[place + 1] = UInt8(bits >> 8) }
                    place += 2
                case .fp16:
                    let bits = Float16(generator.normal()).bitPattern
                    buffer[place] = UInt8(truncatingIfNeeded: bits)
                    if place + 1 < count { buffer[place + 1] = UInt8(bits >> 8) }
                    place += 2
                case .fp32:
                    let bits = generator.normal().bitPattern
                    for shift in 0..<4 where place + shift < count {
                        buffer[place + shift] = UInt8(truncatingIfNeeded: bits >> (8 * shift))
                    }
                    place += 4
                }
            }
            initialized = count
        }
    }
}

/// SplitMix64 (by its published constants), and sums of its numbers.
struct Generator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    /// Nearly normal, with a deviation of 0.02: the sum of twelve uniform numbers is.
    mutating func normal() -> Float {
        var sum: Float = -6
        for _ in 0..<6 {
            let word = next()
            sum += Float(word & 0xff_ffff) / 0x1p24 + Float(word >> 40) / 0x1p24
        }
        return sum * 0.02
    }
}
