// Byte grouping against its definition, byte by byte.

import Testing

@testable import Compression

@Suite struct ByteGroupsTests {
    static func grouped(_ bytes: [UInt8], _ groups: ByteGroups, isWide: Bool) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: bytes.count)
        bytes.withUnsafeBytes { bytes in
            output.withUnsafeMutableBytes { groups.group(bytes, into: $0, isWide: isWide) }
        }
        return output
    }

    @Test(arguments: ByteGroups.allCases, TopBytesTests.forms)
    func `groups are what the definition says, and are undone`(
        groups: ByteGroups, isWide: Bool
    ) {
        for count in Array(0...70) + [1000, 4097, 65_533, 65_536] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 8) }
            // Group k has the bytes whose index is k modulo the width, in their order.
            let expected = (0..<groups.rawValue).flatMap { group in
                stride(from: group, to: count, by: groups.rawValue).map { bytes[$0] }
            }
            let result = Self.grouped(bytes, groups, isWide: isWide)
            #expect(result == expected)
            var back = [UInt8](repeating: 0, count: count)
            result.withUnsafeBytes { result in
                back.withUnsafeMutableBytes { groups.ungroup(result, into: $0, isWide: isWide) }
            }
            #expect(back == bytes)
        }
    }
}
