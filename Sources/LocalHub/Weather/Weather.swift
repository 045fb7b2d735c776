// Latency, bandwidth and faults: what a network does to answers, made here, from a seed.
//
// Owns the counts and the random numbers of the rules. A rule's decisions are a fixed sequence for
// a seed; which of several simultaneous requests gets which is up to their order.

internal import Platform

/// What may be changed while the server runs.
package struct WeatherSettings: Sendable {
    /// Before each answer.
    package var latencySeconds = 0.0
    /// Of all connections together; unlimited if nil.
    package var bytesPerSecond: Int64?
    /// Of each connection; unlimited if nil.
    package var connectionBytesPerSecond: Int64?
    package var faults: [FaultRule] = []
    package var seed: UInt64 = 0

    package init() {}
}

/// What is in store for one answer.
struct Forecast {
    var latencySeconds = 0.0
    var fault: FaultKind?
    /// Says which byte is flipped.
    var random: UInt64 = 0
    var bytesPerSecond: Int64?
    var connectionBytesPerSecond: Int64?

    /// Whether the body can go out as it is.
    var isClear: Bool {
        if bytesPerSecond != nil || connectionBytesPerSecond != nil { return false }
        switch fault {
        case nil, .status, .expire: return true
        case .stall, .truncate, .flip, .reset, .length, .drip: return false
        }
    }
}

/// The weather of a server.
///
/// Shared by all threads.
package final class Weather: Sendable {
    private struct State {
        var settings: WeatherSettings
        var lookedAt: [Int]
        var random: [UInt64]
        var pacer: Pacer?

        init(_ settings: WeatherSettings) {
            self.settings = settings
            lookedAt = settings.faults.map { _ in 0 }
            random = settings.faults.indices.map { settings.seed &+ UInt64($0) &* 0x1_0000_0001 }
            pacer = settings.bytesPerSecond.map { Pacer(bytesPerSecond: $0) }
        }
    }

    private let state: Lock<State>

    /// - Parameter settings: may be changed later.
    package init(_ settings: WeatherSettings) {
        state = Lock(State(settings))
    }

    /// The settings that hold now.
    package var settings: WeatherSettings { state.withLock { $0.settings } }

    /// Other weather from now on; counts and random numbers start anew.
    package func change(to settings: WeatherSettings) {
        state.withLock { $0 = State(settings) }
    }

    /// Decides about a request: the first rule that matches and strikes is the fault.
    func forecast(path: String) -> Forecast {
        state.withLock { state in
            var forecast = Forecast(
                latencySeconds: state.settings.latencySeconds,
                bytesPerSecond: state.settings.bytesPerSecond,
                connectionBytesPerSecond: state.settings.connectionBytesPerSecond)
            for (index, rule) in state.settings.faults.enumerated() {
                guard forecast.fault == nil, matches(path, pattern: rule.pathPattern),
                    state.lookedAt[index] < rule.countMax ?? .max
                else { continue }
                state.lookedAt[index] += 1
                let number = nextRandom(&state.random[index])
                // 53 bits are as many as a Double holds exactly.
                guard Double(number >> 11) / Double(1 << 53) < rule.rate else { continue }
                forecast.fault = rule.kind
                if case .drip(let rate) = rule.kind {
                    forecast.connectionBytesPerSecond = min(
                        rate, forecast.connectionBytesPerSecond ?? .max)
                }
                forecast.random = nextRandom(&state.random[index])
            }
            return forecast
        }
    }

    /// When so many bytes may be sent, of the bandwidth that all share; nil if it is unlimited.
    func reserve(byteCount: Int, at now: MonotonicInstant) -> MonotonicInstant? {
        state.withLock { $0.pacer?.reserve(byteCount: byteCount, at: now) }
    }
}

/// The next number of a generator with a seed (SplitMix64, by its published constants).
private func nextRandom(_ state: inout UInt64) -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
}
