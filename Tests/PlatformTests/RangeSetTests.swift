// Range sets against the simplest model: one flag for each position.

import Platform
import TestSupport
import Testing

@Suite struct RangeSetTests {
    private func ranges(of bitmap: [Bool], in range: Range<Int>, _ value: Bool) -> [Range<Int64>] {
        var found: [Range<Int64>] = []
        for position in range where bitmap[position] == value {
            if let last = found.last, last.upperBound == Int64(position) {
                found[found.count - 1] = last.lowerBound..<Int64(position) + 1
            } else {
                found.append(Int64(position)..<Int64(position) + 1)
            }
        }
        return found
    }

    @Test(arguments: seeds(60))
    func everyOperationIsThatOfABitmap(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let size = Int.random(in: 1...80, using: &random)
        var bitmap = [Bool](repeating: false, count: size)
        var set = RangeSet()
        for _ in 0..<200 {
            let lower = Int.random(in: 0...size, using: &random)
            let upper = Int.random(in: lower...size, using: &random)
            let range = Int64(lower)..<Int64(upper)
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                set.insert(range)
                for position in lower..<upper { bitmap[position] = true }
            case 2:
                set.remove(range)
                for position in lower..<upper { bitmap[position] = false }
            default:
                #expect(set.gaps(in: range) == ranges(of: bitmap, in: lower..<upper, false))
                #expect(set.intersects(range) == bitmap[lower..<upper].contains(true))
            }
            #expect(set.ranges == ranges(of: bitmap, in: 0..<size, true))
            #expect(set.byteCount == Int64(bitmap.count { $0 }))
            #expect(set.isEmpty == !bitmap.contains(true))
        }
    }

    @Test func touchingRangesBecomeOne() {
        var set = RangeSet()
        set.insert(0..<10)
        set.insert(20..<30)
        set.insert(10..<20)
        #expect(set.ranges == [0..<30])
        set.insert(5..<5)
        set.remove(7..<7)
        #expect(set.ranges == [0..<30])
        #expect(set.gaps(in: 25..<40) == [30..<40])
        #expect(set.gaps(in: 40..<40) == [])
        #expect(!set.intersects(4..<4))
    }
}
