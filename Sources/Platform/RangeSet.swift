// A set of byte positions, kept as sorted, disjoint, non-touching ranges. Pure.

/// Which bytes of a content something holds for.
package struct RangeSet: Equatable, Sendable {
    /// In rising order; neither overlapping nor touching.
    package private(set) var ranges: [Range<Int64>] = []

    package init() {}

    /// The number of bytes in all ranges together.
    package var byteCount: Int64 { ranges.reduce(0) { $0 + Int64($1.count) } }

    package var isEmpty: Bool { ranges.isEmpty }

    /// Adds all positions of `range`.
    package mutating func insert(_ range: Range<Int64>) {
        if range.isEmpty { return }
        let first = firstIndex(endingAtOrAfter: range.lowerBound)
        var last = first
        var merged = range
        while last < ranges.count, ranges[last].lowerBound <= range.upperBound {
            merged =
                min(
                    merged.lowerBound, ranges[last].lowerBound)..<max(
                    merged.upperBound, ranges[last].upperBound)
            last += 1
        }
        ranges.replaceSubrange(first..<last, with: [merged])
    }

    /// Takes out all positions of `range`.
    package mutating func remove(_ range: Range<Int64>) {
        if range.isEmpty { return }
        let first = firstIndex(endingAtOrAfter: range.lowerBound + 1)
        var last = first
        var kept: [Range<Int64>] = []
        while last < ranges.count, ranges[last].lowerBound < range.upperBound {
            let old = ranges[last]
            if old.lowerBound < range.lowerBound { kept.append(old.lowerBound..<range.lowerBound) }
            if range.upperBound < old.upperBound { kept.append(range.upperBound..<old.upperBound) }
            last += 1
        }
        ranges.replaceSubrange(first..<last, with: kept)
    }

    /// Whether any position of `range` is in the set.
    package func intersects(_ range: Range<Int64>) -> Bool {
        let first = firstIndex(endingAtOrAfter: range.lowerBound + 1)
        return first < ranges.count && ranges[first].lowerBound < range.upperBound
            && !range.isEmpty
    }

    /// The parts of `range` that are not in the set, in rising order.
    package func gaps(in range: Range<Int64>) -> [Range<Int64>] {
        var gaps: [Range<Int64>] = []
        var position = range.lowerBound
        var index = firstIndex(endingAtOrAfter: range.lowerBound + 1)
        while position < range.upperBound {
            guard index < ranges.count, ranges[index].lowerBound < range.upperBound else {
                gaps.append(position..<range.upperBound)
                break
            }
            if position < ranges[index].lowerBound {
                gaps.append(position..<ranges[index].lowerBound)
            }
            position = max(position, ranges[index].upperBound)
            index += 1
        }
        return gaps
    }

    /// The index of the first range whose end is at or after `position`.
    private func firstIndex(endingAtOrAfter position: Int64) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < position {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
