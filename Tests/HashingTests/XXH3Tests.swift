// XXH3: both forms against the official library's own, at every length where the algorithm
// changes its way, and wherever the bytes begin.

import CXXHash
import Platform
import Testing

@testable import Hashing

@Suite struct XXH3Tests {
    @Test(arguments: Processor.hasWideVectors ? [false, true] : [false])
    func `it is what the official library gives`(isWide: Bool) {
        let bytes = (0..<140_000).map { UInt8(truncatingIfNeeded: $0 &* 0x9E37_79B1 >> 11) }
        let counts =
            Array(0...300) + [511, 512, 513, 1023, 1024, 1025, 4096, 65_536, 131_072, 139_990]
        bytes.withUnsafeBytes { all in
            for count in counts {
                for start in [0, 1, 7] {
                    let part = UnsafeRawBufferPointer(rebasing: all[start..<start + count])
                    #expect(
                        xxh3(part, isWide: isWide) == XXH3_64bits(part.baseAddress, count),
                        "\(count) bytes from \(start)")
                }
            }
        }
    }

    @Test func `of nothing it is the known value`() {
        #expect(xxh3(UnsafeRawBufferPointer(start: nil, count: 0)) == 0x2D06_8005_38D3_94C2)
    }
}
