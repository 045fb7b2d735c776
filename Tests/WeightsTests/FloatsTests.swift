// Numbers of every type as floats, in both forms of the loops, at any address.

import Platform
import TestSupport
import Testing

@testable import Weights

@Suite struct FloatsTests {
    private static let forms = Processor.hasWideVectors ? [false, true] : [false]

    private func converted<Value>(
        _ values: [Value], _ type: ElementType, shift: Int, isWide: Bool
    ) throws -> [Float] {
        var bytes = [UInt8](repeating: 0, count: shift)
        values.withUnsafeBytes { bytes += Array($0) }
        let kind = try #require(ElementKind(type))
        var floats = [Float](repeating: -99, count: values.count)
        var span = floats.mutableSpan
        bytes.withUnsafeBytes { buffer in
            kind.convert(
                UnsafeRawBufferPointer(rebasing: buffer[shift...]).bytes, count: values.count,
                into: &span, isWide: isWide)
        }
        return floats
    }

    @Test(arguments: forms, [0, 1, 3]) func `every type becomes floats`(
        isWide: Bool, shift: Int
    ) throws {
        func expect<Value: BinaryInteger>(_ type: ElementType, _ values: [Value]) throws {
            let found = try converted(values, type, shift: shift, isWide: isWide)
            #expect(found == values.map { Float($0) }, "\(type)")
        }
        try expect(.int8, (0..<37).map { Int8(truncatingIfNeeded: $0 * 7) })
        try expect(.uint8, (0..<37).map { UInt8(truncatingIfNeeded: $0 * 7) })
        try expect(.int16, (0..<37).map { Int16(truncatingIfNeeded: $0 * 1777) })
        try expect(.uint16, (0..<37).map { UInt16(truncatingIfNeeded: $0 * 1777) })
        try expect(.int32, (0..<37).map { Int32(truncatingIfNeeded: $0 * 117_000_777) })
        try expect(.uint32, (0..<37).map { UInt32(truncatingIfNeeded: $0 * 117_000_777) })
        try expect(.int64, (0..<37).map { Int64($0 - 18) << 57 })
        try expect(.uint64, (0..<37).map { UInt64($0) << 58 })
        let doubles = (0..<37).map { Double($0) * 0.1 - 2 }
        #expect(
            try converted(doubles, .float64, shift: shift, isWide: isWide)
                == doubles.map { Float($0) })
        let floats = doubles.map { Float($0) }
        #expect(try converted(floats, .float32, shift: shift, isWide: isWide) == floats)
    }

    /// Swift's own conversion is the judge.
    @Test(arguments: forms) func `every half is exact`(isWide: Bool) throws {
        let all = (0...UInt16.max).map { $0 }
        let found = try converted(all, .float16, shift: 1, isWide: isWide)
        for (bits, float) in zip(all, found) {
            let expected = Float(Float16(bitPattern: bits))
            if expected.isNaN {
                #expect(float.isNaN)
            } else if float != expected {
                Issue.record("\(bits): \(float), not \(expected)")
            }
        }
        let brains = try converted(all, .bfloat16, shift: 0, isWide: isWide)
        let isExact = zip(all, brains).allSatisfy { $1.bitPattern == UInt32($0) << 16 }
        #expect(isExact)
    }

    @Test func `both forms give the same bits of halves`() throws {
        guard Processor.hasWideVectors else { return }
        let all = (0...UInt16.max).map { $0 }
        let narrow = try converted(all, .float16, shift: 0, isWide: false).map(\.bitPattern)
        let wide = try converted(all, .float16, shift: 0, isWide: true).map(\.bitPattern)
        #expect(narrow == wide)
    }

    private func view<Value>(_ values: [Value], _ element: ElementType) -> TensorView {
        let bytes = values.withUnsafeBytes { Array($0) }
        let memory = PrivateBytes(byteCount: bytes.count) { room in
            for (index, byte) in bytes.enumerated() {
                room.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
            }
        }
        return TensorView(
            memory: memory, type: TensorType(element: element, shape: [Int64(values.count)]))
    }

    @Test func `what is no number is found`() {
        var values = [Float](repeating: 1, count: 10_000)
        #expect(view(values, .float32).firstNotFinite() == nil)
        values[8_191] = .infinity
        values[9_000] = .nan
        #expect(view(values, .float32).firstNotFinite() == 8_191)
        #expect(view([UInt16(0x7bff), 0xfc00], .float16).firstNotFinite() == 1)
        #expect(view([UInt16(0x7f7f), 0x7fc0], .bfloat16).firstNotFinite() == 1)
        #expect(view([1.0, -.infinity], .float64).firstNotFinite() == 1)
        #expect(view([Int64.max], .int64).firstNotFinite() == nil)
        let sound = view([Float(1)], .float32)
        #expect(WeightSet(["a": sound, "b": view(values, .float32)]).firstNotFinite() == "b")
        #expect(WeightSet(["a": sound]).firstNotFinite() == nil)
    }

    @Test func `floats are lent where they lie`() throws {
        let view = view([Float(1), 2, 3], .float32)
        #expect(view.withFloats { $0[2] } == 3)
        #expect(self.view([1.0], .float64).withFloats { $0[0] } == nil)
        var tile = [Float](repeating: 0, count: 2)
        var span = tile.mutableSpan
        try view.copyFloats(1..<3, into: &span)
        #expect(tile == [2, 3])
        #expect(!self.view([UInt64(1)], .complex64).hasFloats)
        #expect(try self.view([Int64.max - 1], .int64).doubles() == [Double(Int64.max)])
    }
}
