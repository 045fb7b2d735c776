// Single flight: many ask for the same thing, it is fetched once, all are told. Pure.

/// Who waits for which fetch.
///
/// `Key` is what is fetched; a waiter is known by a number that its owner chose.
package struct SingleFlight<Key: Hashable & Sendable>: Sendable {
    /// A waiter's number, unique among all that wait.
    package typealias WaiterID = UInt64

    private var waiters: [Key: [WaiterID]] = [:]
    private var keys: [WaiterID: Key] = [:]

    package init() {}

    /// What is being fetched.
    package var keysInFlight: [Key] { Array(waiters.keys) }

    /// Whether somebody has asked for it and it has not come.
    package func isInFlight(_ key: Key) -> Bool { waiters[key] != nil }

    /// Adds a waiter; true when the caller has to start the fetch.
    package mutating func join(_ key: Key, _ waiter: WaiterID) -> Bool {
        precondition(keys[waiter] == nil, "a waiter waits for one thing at a time")
        keys[waiter] = key
        let isFirst = waiters[key] == nil
        waiters[key, default: []].append(waiter)
        return isFirst
    }

    /// Takes out a waiter that gave up; false when it no longer waited.
    ///
    /// The fetch goes on.
    package mutating func leave(_ waiter: WaiterID) -> Bool {
        guard let key = keys.removeValue(forKey: waiter) else { return false }
        waiters[key]?.removeAll { $0 == waiter }
        return true
    }

    /// The fetch has ended: returns those to be told, in the order in which they came.
    package mutating func finish(_ key: Key) -> [WaiterID] {
        let told = waiters.removeValue(forKey: key) ?? []
        for waiter in told { keys[waiter] = nil }
        return told
    }
}
