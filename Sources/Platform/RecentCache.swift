// A bounded cache that forgets what was not used recently. Pure; its user holds the lock.
//
// Two generations: what is used goes into the young one; when that is full it becomes the old one
// and the former old one is dropped. A use costs one or two dictionary look-ups, and nothing is
// ever moved in a list, at the price of an order that is only roughly "least recently used".

/// Keys to values, bounded by the sum of what the values cost.
package struct RecentCache<Key: Hashable, Value> {
    private var young: [Key: Value] = [:]
    private var old: [Key: Value] = [:]
    private var youngCost = 0
    private let generationCostMax: Int
    private let cost: (Value) -> Int

    /// - Parameters:
    ///   - costMax: never exceeded by more than the cost of one value.
    ///   - cost: what a value counts for, such as its bytes; 1 for all by default.
    package init(costMax: Int, cost: @escaping @Sendable (Value) -> Int = { _ in 1 }) {
        generationCostMax = max(1, costMax / 2)
        self.cost = cost
    }

    /// The value, which counts as a use of it.
    package mutating func value(for key: Key) -> Value? {
        if let value = young[key] { return value }
        guard let value = old.removeValue(forKey: key) else { return nil }
        insert(value, for: key)
        return value
    }

    /// Adds or replaces a value.
    package mutating func insert(_ value: Value, for key: Key) {
        old[key] = nil
        if let replaced = young.updateValue(value, forKey: key) { youngCost -= cost(replaced) }
        youngCost += cost(value)
        if youngCost >= generationCostMax {
            old = young
            young = [:]
            youngCost = 0
        }
    }

    /// All that is kept, in no order.
    package var entries: [(key: Key, value: Value)] {
        Array(young) + Array(old)
    }

    /// Forgets a value.
    package mutating func remove(_ key: Key) {
        old[key] = nil
        if let removed = young.removeValue(forKey: key) { youngCost -= cost(removed) }
    }

    /// Forgets everything.
    package mutating func removeAll() {
        young = [:]
        old = [:]
        youngCost = 0
    }
}
