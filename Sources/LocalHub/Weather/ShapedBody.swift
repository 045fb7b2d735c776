// A body that goes out as the weather lets it: slowly, with a stall, cut short, or with a wrong
// byte. It runs on the thread of its connection, so it waits by sleeping.

internal import Glibc
internal import HTTPService
internal import Platform

/// Where the bytes of a shaped body come from.
private enum ShapedSource {
    case bytes([UInt8])
    /// The descriptor is owned by the body.
    case file(CInt, offset: Int64)
}

/// The state of one body under way.
final class ShapedBody: Sendable {
    private struct State {
        var pacer: Pacer?
        var hasStalled = false
    }

    private let source: ShapedSource
    private let byteCount: Int64
    private let forecast: Forecast
    private let weather: Weather
    private let pause: HTTPPause
    // One thread calls at a time; the lock tells the compiler.
    private let state: Lock<State>

    private init(
        _ source: ShapedSource, byteCount: Int64, forecast: Forecast, weather: Weather,
        pause: HTTPPause
    ) {
        self.source = source
        self.byteCount = byteCount
        self.forecast = forecast
        self.weather = weather
        self.pause = pause
        state = Lock(
            State(
                pacer: forecast.connectionBytesPerSecond.map { Pacer(bytesPerSecond: $0) }))
    }

    deinit {
        if case .file(let number, _) = source { _ = close(number) }
    }

    /// The response as the forecast lets it out.
    static func shape(
        _ response: HTTPResponse, _ forecast: Forecast, weather: Weather,
        pause: HTTPPause, isHead: Bool
    ) -> HTTPResponse {
        if forecast.isClear { return response }
        let byteCount = isHead ? 0 : response.bodyLength ?? 0
        guard byteCount > 0 else {
            return shapeEmpty(response, forecast.fault, pause: pause)
        }
        let source: ShapedSource
        switch response.body {
        case .bytes(let bytes): source = .bytes(bytes)
        case .file(let file, let offset, _):
            guard let descriptor = file.take() else { return HTTPResponse(status: 500) }
            source = .file(descriptor.release(), offset: offset)
        case .generated, .hangUp:
            // Nothing of ours answers with these.
            return HTTPResponse(status: 500)
        }
        let told = forecast.fault == .length ? byteCount / 2 : byteCount
        let body = ShapedBody(
            source, byteCount: told, forecast: forecast, weather: weather, pause: pause)
        return unsafe HTTPResponse(
            status: response.status, headers: response.headers,
            body: .generated(length: told) { buffer, position in
                unsafe body.fill(buffer, at: position)
            })
    }

    /// An answer without a body has nothing to slow down, but it can be late or lost.
    private static func shapeEmpty(
        _ response: HTTPResponse, _ fault: FaultKind?, pause: HTTPPause
    ) -> HTTPResponse {
        switch fault {
        case .stall(let seconds):
            pause.wait(seconds: seconds)
            return response
        case .truncate: return HTTPResponse(status: 0, body: .hangUp(isReset: false))
        case .reset: return HTTPResponse(status: 0, body: .hangUp(isReset: true))
        case nil, .status, .flip, .expire, .length, .drip: return response
        }
    }

    /// Fills the buffer with what stands at that position, when its time has come.
    private func fill(
        _ buffer: UnsafeMutableRawBufferPointer, at position: Int64
    ) -> HTTPBodyStep {
        let middle = byteCount / 2
        if position >= middle {
            switch forecast.fault {
            case .truncate: return .cut
            case .reset: return .reset
            case .stall(let seconds):
                let isFirst = state.withLock { state in
                    defer { state.hasStalled = true }
                    return !state.hasStalled
                }
                if isFirst { pause.wait(seconds: seconds) }
            case nil, .status, .flip, .expire, .length, .drip: break
            }
        }
        // A step ends in the middle, where faults happen.
        let end = position < middle ? middle : byteCount
        let wanted = min(Int64(stepByteCount), min(Int64(buffer.count), end - position))
        let count = unsafe copy(
            to: UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(wanted)]), from: position)
        guard count > 0 else { return .cut }
        if forecast.fault == .flip {
            let flipped = Int64(forecast.random % UInt64(byteCount)) - position
            if flipped >= 0 && flipped < Int64(count) { unsafe buffer[Int(flipped)] ^= 0x01 }
        }
        wait(forByteCount: count)
        return .wrote(count)
    }

    private var stepByteCount: Int {
        let slowest = min(
            forecast.bytesPerSecond ?? .max, forecast.connectionBytesPerSecond ?? .max)
        return slowest == .max ? 256 << 10 : Pacer.stepByteCount(bytesPerSecond: slowest)
    }

    private func copy(to buffer: UnsafeMutableRawBufferPointer, from position: Int64) -> Int {
        switch source {
        case .bytes(let bytes):
            unsafe buffer.copyBytes(from: bytes[Int(position)..<Int(position) + buffer.count])
            return buffer.count
        case .file(let number, let offset):
            return (try? unsafe readAll(from: number, into: buffer, at: offset + position)) ?? 0
        }
    }

    private func wait(forByteCount count: Int) {
        let now = MonotonicInstant.now
        let shared = weather.reserve(byteCount: count, at: now)
        let own = state.withLock { $0.pacer?.reserve(byteCount: count, at: now) }
        if let instant = [shared, own].compactMap({ $0 }).max() { pause.wait(until: instant) }
    }
}
