// MPNet's buckets of distances: near ones have one each, far ones share by their logarithm.

internal import Glibc

/// Which bucket a distance belongs to.
enum DistanceBuckets {
    /// From here on all distances are in the last bucket.
    private static let distanceMax: Float = 128

    /// The bucket of the distance from one token to another, of `count` buckets in all.
    static func bucket(of distance: Int, count: Int) -> Int {
        let half = count / 2
        // One half is for tokens behind, the other for those before and for the token itself.
        let side = distance > 0 ? half : 0
        let size = abs(distance)
        let near = half / 2
        if size < near || near == 0 { return side + min(size, max(half - 1, 0)) }
        let step = logf(Float(size) / Float(near)) / logf(distanceMax / Float(near))
        return side + min(near + Int(step * Float(half - near)), half - 1)
    }
}
