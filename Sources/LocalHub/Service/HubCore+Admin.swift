// The routes by which a test reads the counts and changes the weather while the server runs.

internal import FoundationEssentials
internal import HTTPService
internal import Settings

/// New weather, as it is posted.
///
/// What is left out stays; `"off"` ends a limit.
private struct WeatherJSON: Decodable {
    let latency: String?
    let bandwidth: String?
    let connectionBandwidth: String?
    let faults: [String]?
    let seed: UInt64?
}

extension HubCore {
    /// `/_modelfs/{name}`.
    func administer(_ name: String, _ context: RequestContext) -> HTTPResponse {
        switch (context.request.method, name) {
        case ("GET", "stats"):
            return context.answer(statistics.json)
        case ("POST", "stats/reset"):
            statistics.reset()
            return context.answer(statistics.json)
        case ("GET", "faults"):
            return context.answer(HubCore.json(of: weather.settings))
        case ("POST", "faults"):
            guard
                let json = try? JSONDecoder().decode(
                    WeatherJSON.self, from: Data(context.request.body))
            else { return Refusal.badRequest("the body is not JSON of the known form").response() }
            do throws(ValueProblem) {
                weather.change(to: try HubCore.changed(weather.settings, by: json))
            } catch {
                return Refusal.badRequest(error.sentence).response()
            }
            return context.answer(HubCore.json(of: weather.settings))
        default:
            return Refusal.noPage.response()
        }
    }

    private static func changed(
        _ settings: WeatherSettings, by json: WeatherJSON
    ) throws(ValueProblem) -> WeatherSettings {
        var settings = settings
        if let text = json.latency {
            settings.latencySeconds = text == "off" ? 0 : try TimeSpan(parsing: text).seconds
            if !settings.latencySeconds.isFinite { throw ValueProblem("latency has an end") }
        }
        if let text = json.bandwidth { settings.bytesPerSecond = try rate(text) }
        if let text = json.connectionBandwidth {
            settings.connectionBytesPerSecond = try rate(text)
        }
        if let seed = json.seed { settings.seed = seed }
        if let texts = json.faults {
            var rules: [FaultRule] = []
            for text in texts { rules.append(try FaultRule(parsing: text)) }
            settings.faults = rules
        }
        return settings
    }

    private static func rate(_ text: String) throws(ValueProblem) -> Int64? {
        text == "off" ? nil : try ByteRate(parsing: text).bytesPerSecond
    }

    private static func json(of settings: WeatherSettings) -> JSON {
        .object([
            ("latencySeconds", .string("\(settings.latencySeconds)")),
            ("bytesPerSecond", settings.bytesPerSecond.map { .int($0) } ?? .null),
            (
                "connectionBytesPerSecond",
                settings.connectionBytesPerSecond.map { .int($0) } ?? .null
            ),
            ("faultCount", .count(settings.faults.count)),
        ])
    }
}
