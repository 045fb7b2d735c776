// Weights made from a seed: numbers from a normal distribution, in the types that models come in.
//
// Trained weights are close to normal, most with a deviation near 0.02. What decides how they
// compress is that their exponents are alike and their low mantissa bits are noise; both hold here.
// Real files compress a little better, having zeros, norms and repeated rows too.

import Compression
import Glibc
import TestSupport

/// The types of numbers that are measured.
enum Element: String, CaseIterable {
    case fp32, bf16, fp16, int8
    /// fp32 that was made from bf16, as many models are kept: its low bytes are zeros.
    case upcast = "fp32 of bf16"
    /// No weights, but what lies beside them: a vocabulary as JSON.
    case json = "JSON"

    var byteCount: Int {
        switch self {
        case .fp32, .upcast: 4
        case .bf16, .fp16: 2
        case .int8, .json: 1
        }
    }

    /// What suits it best of the codecs with LZ4.
    var groupedCodec: ChunkCodec {
        switch self {
        case .fp32, .upcast: .lz4GroupedBy4
        case .bf16, .fp16, .int8: .lz4GroupedBy2
        case .json: .lz4
        }
    }
}

/// Draws normal numbers by interpolating a table of the distribution's quantiles.
struct NormalGenerator {
    /// 2^12 bins hold the noise of the mantissa; the last one ends at 5 deviations.
    private static let binCount = 4_096
    private let quantiles: [Float]
    private var generator: SeededGenerator

    init(seed: UInt64, deviation: Double) {
        generator = SeededGenerator(seed: seed)
        let count = NormalGenerator.binCount
        var made: [Float] = []
        for index in 0...count {
            let share = Double(index) / Double(count)
            made.append(Float(deviation * NormalGenerator.quantile(share)))
        }
        quantiles = made
    }

    mutating func next() -> Float {
        let bits = generator.next()
        let bin = Int(bits >> 52)
        let part = Float(bits & 0xff_ffff) / 16_777_216
        return quantiles[bin] + (quantiles[bin + 1] - quantiles[bin]) * part
    }

    /// The bits of a number as bf16, rounded to the nearest, as converters do.
    mutating func nextBF16() -> UInt16 {
        UInt16(truncatingIfNeeded: (next().bitPattern + 0x8000) >> 16)
    }

    /// The inverse of the standard normal distribution, by bisection of `erf`, within 5.
    private static func quantile(_ share: Double) -> Double {
        var (low, high) = (-5.0, 5.0)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if 0.5 * (1 + erf(middle / 2.0.squareRoot())) < share {
                low = middle
            } else {
                high = middle
            }
        }
        return (low + high) / 2
    }
}

/// So many bytes of weights; a multiple of 4.
func weights(_ element: Element, byteCount: Int, seed: UInt64) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
        fill(UnsafeMutableRawBufferPointer(buffer), with: element, seed: seed)
        count = byteCount
    }
}

/// Fills a buffer with weights.
func fill(_ buffer: UnsafeMutableRawBufferPointer, with element: Element, seed: UInt64) {
    var numbers = NormalGenerator(seed: seed, deviation: 0.02)
    switch element {
    case .fp32:
        let target = buffer.bindMemory(to: Float.self)
        for index in target.indices { target[index] = numbers.next() }
    case .bf16:
        let target = buffer.bindMemory(to: UInt16.self)
        for index in target.indices { target[index] = numbers.nextBF16() }
    case .upcast:
        let target = buffer.bindMemory(to: UInt32.self)
        for index in target.indices { target[index] = UInt32(numbers.nextBF16()) << 16 }
    case .fp16:
        let target = buffer.bindMemory(to: UInt16.self)
        for index in target.indices { target[index] = halfBits(numbers.next()) }
    case .int8:
        // Scaled as quantisers do: four deviations are the largest number.
        let target = buffer.bindMemory(to: Int8.self)
        for index in target.indices {
            target[index] = Int8(max(-127, min(127, (numbers.next() / 0.08 * 127).rounded())))
        }
    case .json: fillWithVocabulary(buffer, seed: seed)
    }
}

/// Lines such as `"ninaro": 5312,` with words of syllables, numbered one after another.
private func fillWithVocabulary(_ buffer: UnsafeMutableRawBufferPointer, seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let syllables = ["an", "ba", "ci", "do", "en", "fu", "ga", "hi", "in", "ko", "la", "mu", "ni"]
    var (place, number) = (0, 0)
    while place < buffer.count {
        var word = ""
        for _ in 0...Int(generator.next() >> 62) {
            word += syllables[Int(generator.next() >> 33) % syllables.count]
        }
        let line = Array("    \"\(word)\": \(number),\n".utf8).prefix(buffer.count - place)
        UnsafeMutableRawBufferPointer(rebasing: buffer[place..<place + line.count])
            .copyBytes(from: line)
        place += line.count
        number += 1
    }
}

/// The bits of a number as fp16, rounded to the nearest; for magnitudes below 65,504.
private func halfBits(_ number: Float) -> UInt16 {
    let bits = number.bitPattern
    let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
    let exponent = Int(bits >> 23 & 0xff) - 127 + 15
    if exponent <= 0 {
        // Subnormal: multiples of 2^-24.
        return sign | UInt16((abs(number) * 16_777_216).rounded())
    }
    // A carry out of the mantissa goes on into the exponent, as it should.
    let mantissa = (bits & 0x7f_ffff) + 0x1000
    return sign | UInt16(truncatingIfNeeded: (UInt32(exponent) << 10) + (mantissa >> 13))
}
