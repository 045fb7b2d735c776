// Tiny weight files, as the formats' own libraries write them: safetensors 0.8.0, NumPy 2.4 and
// gguf 0.19, each by its `save`, `savez` or `GGUFWriter`; and builders of what no small library
// writes.

/// Weight files in hexadecimal digits.
package enum WeightFixtures {
    private static func bytes(_ digits: String) -> [UInt8] {
        let digits = Array(digits.utf8).map { $0 < 0x60 ? $0 - 0x30 : $0 - 0x57 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// `b.weight` (2, 3) float32, `a.bias` (2) float16, `n` () int64, `empty` (0, 4) uint8.
    package static let safetensors = bytes(
        """
        10010000000000007b225f5f6d657461646174615f5f223a7b22666f726d6174223a226e70227d2c226e223a\
        7b226474797065223a22493634222c227368617065223a5b5d2c22646174615f6f666673657473223a5b302c\
        385d7d2c22622e776569676874223a7b226474797065223a22463332222c227368617065223a5b322c335d2c\
        22646174615f6f666673657473223a5b382c33325d7d2c22612e62696173223a7b226474797065223a224631\
        36222c227368617065223a5b325d2c22646174615f6f666673657473223a5b33322c33365d7d2c22656d7074\
        79223a7b226474797065223a225538222c227368617065223a5b302c345d2c22646174615f6f666673657473\
        223a5b33362c33365d7d7d20202020200700000000000000000000000000803f000000400000404000008040\
        0000a040003c0040
        """)

    /// (2, 3) float32, 0 to 5.
    package static let array = bytes(
        """
        934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f72646572273a20\
        46616c73652c20277368617065273a2028322c2033292c207d20202020202020202020202020202020202020\
        2020202020202020202020202020202020202020202020202020202020202020202020202020200a00000000\
        0000803f0000004000004040000080400000a040
        """)

    /// `w.npy` (3) int64, and `v.npy` (2, 2) float64, column-major.
    package static let arrays = bytes(
        """
        504b03042d000000000000002100f74012eaffffffffffffffff05001400772e6e7079010010009800000000\
        0000009800000000000000934e554d5059010076007b276465736372273a20273c6938272c2027666f727472\
        616e5f6f72646572273a2046616c73652c20277368617065273a2028332c292c207d20202020202020202020\
        2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020\
        2020202020200a000000000000000001000000000000000200000000000000504b03042d0000000000000021\
        00242e6c7dffffffffffffffff05001400762e6e707901001000a000000000000000a000000000000000934e\
        554d5059010076007b276465736372273a20273c6638272c2027666f727472616e5f6f72646572273a205472\
        75652c20277368617065273a2028322c2032292c207d20202020202020202020202020202020202020202020\
        202020202020202020202020202020202020202020202020202020202020202020202020200a000000000000\
        f03f000000000000f03f000000000000f03f000000000000f03f504b01022d032d000000000000002100f740\
        12ea9800000098000000050000000000000000000000800100000000772e6e7079504b01022d032d00000000\
        0000002100242e6c7da0000000a00000000500000000000000000000008001cf000000762e6e7079504b0506\
        000000000200020066000000a60100000000
        """)

    /// `token_embd.weight` (2, 4) float32, and `blk.0.w` (2, 32) in blocks of Q8_0.
    package static let gguf = bytes(
        """
        474755460300000002000000000000000400000000000000140000000000000067656e6572616c2e61726368\
        69746563747572650800000005000000000000006c6c616d610c0000000000000067656e6572616c2e6e616d\
        6508000000040000000000000074696e791500000000000000746f6b656e697a65722e67676d6c2e746f6b65\
        6e73090000000800000003000000000000000100000000000000610200000000000000626303000000000000\
        006465660900000000000000782e6e756d626572730900000005000000030000000000000001000000020000\
        00030000001100000000000000746f6b656e5f656d62642e7765696768740200000004000000000000000200\
        0000000000000000000000000000000000000700000000000000626c6b2e302e770200000020000000000000\
        0002000000000000000800000020000000000000000000000000000000000000000000000000000000000000\
        000000000000803f0000004000004040000080400000a0400000c0400000e04008207f7f7f7f7f7f7f7f7f7f\
        7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f08207f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f\
        7f7f7f7f7f7f7f7f7f7f7f7f00000000000000000000000000000000000000000000000000000000
        """)

    /// A safetensors file of any header, and so many bytes after it.
    package static func safetensors(header: String, dataByteCount: Int) -> [UInt8] {
        number(UInt64(header.utf8.count), 8) + Array(header.utf8)
            + [UInt8](repeating: 7, count: dataByteCount)
    }

    /// A zip archive of members that are stored as they are, in the order given.
    ///
    /// - Parameters:
    ///   - padding: so many bytes in the extra field of each member's own header, as
    ///     `torch.save` writes them to align the values.
    ///   - isLarge: with the records of zip64.
    package static func zip(
        _ members: [(name: String, bytes: [UInt8])], padding: Int = 0, isLarge: Bool = false
    ) -> [UInt8] {
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for member in members {
            let offset = file.count
            let name = Array(member.name.utf8)
            let sizes =
                number(UInt64(member.bytes.count), 4) + number(UInt64(member.bytes.count), 4)
            // Versions, flags, method, time, date, checksum.
            let common = number(0, 2) + number(0, 2) + number(0, 4) + number(0, 4)
            file += number(0x0403_4b50, 4) + number(20, 2) + common + sizes
            file += number(UInt64(name.count), 2) + number(UInt64(padding), 2) + name
            file += [UInt8](repeating: 0, count: padding) + member.bytes
            let large = number(1, 2) + number(8, 2) + number(UInt64(offset), 8)
            directory += number(0x0201_4b50, 4) + number(20, 2) + number(20, 2) + common + sizes
            directory +=
                number(UInt64(name.count), 2) + number(UInt64(isLarge ? large.count : 0), 2)
            directory += number(0, 2) + number(0, 2) + number(0, 2) + number(0, 4)
            directory += number(isLarge ? 0xffff_ffff : UInt64(offset), 4) + name
            if isLarge { directory += large }
        }
        let start = UInt64(file.count)
        let (count, length) = (UInt64(members.count), UInt64(directory.count))
        file += directory
        if isLarge {
            let end = UInt64(file.count)
            file += number(0x0606_4b50, 4) + number(44, 8) + number(45, 2) + number(45, 2)
            file += number(0, 4) + number(0, 4) + number(count, 8) + number(count, 8)
            file += number(length, 8) + number(start, 8)
            file += number(0x0706_4b50, 4) + number(0, 4) + number(end, 8) + number(1, 4)
        }
        file += number(0x0605_4b50, 4) + number(0, 4)
        file += number(isLarge ? 0xffff : count, 2) + number(isLarge ? 0xffff : count, 2)
        file += number(isLarge ? 0xffff_ffff : length, 4)
        return file + number(isLarge ? 0xffff_ffff : start, 4) + number(0, 2)
    }

    /// The lowest byte first.
    package static func number(_ value: UInt64, _ byteCount: Int) -> [UInt8] {
        (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }
}
