// The log: static messages with fields, one line each, on standard error or a file.
//
// A message never contains a value: values are fields, so lines can be counted and searched by
// message. The same message about the same subject is written at most once per `quietSeconds`,
// with the number of lines left out, so an error can never become a storm. Secrets are never
// fields; the modules that hold them have no function that prints them.

internal import Glibc
package import Platform

/// How much a line matters.
package enum LogLevel: Int, Comparable, Sendable {
    case debug, info, warning, error

    package static func < (left: LogLevel, right: LogLevel) -> Bool {
        left.rawValue < right.rawValue
    }

    /// As it is written in a line.
    package var name: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .warning: "warning"
        case .error: "error"
        }
    }
}

/// Where lines go.
///
/// Shared by all threads of a process.
package final class Log: Sendable {
    /// A line that was written, as `status` shows it.
    package struct Line: Sendable {
        /// When it was written.
        package let time: WallTime
        /// How much it matters.
        package let level: LogLevel
        /// The static text, without any value in it.
        package let message: String
        /// The values, in the order of the call.
        package let fields: [(key: String, value: String)]
    }

    private struct State {
        var recent: [Line] = []
        var quiet: [String: (until: MonotonicInstant, suppressed: Int)] = [:]
    }

    /// How long an identical line is held back.
    package static let quietSeconds = 10.0
    /// How many warnings and errors `status` can show.
    package static let recentCountMax = 32
    private static let quietCountMax = 1024

    /// How a line is written.
    package enum Format: String, CaseIterable, Sendable {
        /// For people: time, level, message, fields.
        case text
        /// For programs: an object a line, with `time`, `level`, `message` and the fields.
        case json
    }

    private let minimum: LogLevel
    private let descriptor: CInt
    private let format: Format
    private let state = Lock(State())

    /// - Parameters:
    ///   - minimum: lines below this level are dropped.
    ///   - descriptor: written to, never closed.
    ///   - format: how a line is written.
    package init(minimum: LogLevel = .info, descriptor: CInt = 2, format: Format = .text) {
        self.minimum = minimum
        self.descriptor = descriptor
        self.format = format
    }

    /// For those who follow one request through the program.
    package func debug(_ message: StaticString, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.debug, message, fields)
    }

    /// For what a user may want to know while all is well.
    package func info(_ message: StaticString, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.info, message, fields)
    }

    /// For what went wrong and was got over.
    package func warning(_ message: StaticString, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.warning, message, fields)
    }

    /// For what went wrong and was felt by a user.
    package func error(_ message: StaticString, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.error, message, fields)
    }

    /// The newest warnings and errors, oldest first.
    package var recentProblems: [Line] { state.withLock { $0.recent } }

    private func write(
        _ level: LogLevel, _ message: StaticString, _ fields: KeyValuePairs<String, String>
    ) {
        if level < minimum { return }
        let line = Line(
            time: .now, level: level, message: message.description,
            fields: fields.map { (key: $0.key, value: $0.value) })
        guard let suppressed = admit(line) else { return }
        emit(line, suppressed: suppressed)
    }

    /// Nil when the line is held back, else how many like it were since the last one.
    private func admit(_ line: Line) -> Int? {
        let now = MonotonicInstant.now
        let key = line.message + line.fields.map { "\u{1}\($0.value)" }.joined()
        return state.withLock { state in
            if line.level < .warning { return 0 }
            if let held = state.quiet[key], now < held.until {
                state.quiet[key] = (held.until, held.suppressed + 1)
                return nil
            }
            let suppressed = state.quiet[key]?.suppressed ?? 0
            if state.quiet.count >= Log.quietCountMax {
                state.quiet = state.quiet.filter { now < $0.value.until }
                if state.quiet.count >= Log.quietCountMax { state.quiet.removeAll() }
            }
            state.quiet[key] = (now + Log.quietSeconds, 0)
            state.recent.append(line)
            if state.recent.count > Log.recentCountMax { state.recent.removeFirst() }
            return suppressed
        }
    }

    private func emit(_ line: Line, suppressed: Int) {
        var text = format == .json ? Log.json(line, suppressed) : Log.text(line, suppressed)
        text += "\n"
        // One write a line, so lines of several threads never mix.
        text.withUTF8 { bytes in
            _ = unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        }
    }

    private static func text(_ line: Line, _ suppressed: Int) -> String {
        var text = "\(line.time.iso8601) \(line.level.name): \(line.message)"
        for field in line.fields { text += " \(field.key)=\(quoted(field.value))" }
        if suppressed > 0 { text += " repeated=\(suppressed)" }
        return text
    }

    /// Fields have an object of their own, so that none can stand for the line's own names.
    private static func json(_ line: Line, _ suppressed: Int) -> String {
        var text = "{\"time\":\(jsonString(line.time.iso8601))"
        text += ",\"level\":\(jsonString(line.level.name))"
        text += ",\"message\":\(jsonString(line.message))"
        let fields = line.fields.map { "\(jsonString($0.key)):\(jsonString($0.value))" }
        if !fields.isEmpty { text += ",\"fields\":{\(fields.joined(separator: ","))}" }
        if suppressed > 0 { text += ",\"repeated\":\(suppressed)" }
        return text + "}"
    }

    private static func jsonString(_ value: String) -> String {
        var made = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": made += "\\\""
            case "\\": made += "\\\\"
            case "\n": made += "\\n"
            case "\t": made += "\\t"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7f {
                    let digits = String(scalar.value, radix: 16)
                    made += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    made.unicodeScalars.append(scalar)
                }
            }
        }
        return made + "\""
    }

    /// The value as it stands in a line: quoted where it has spaces, control characters escaped.
    package static func quoted(_ value: String) -> String {
        let plain = value.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "\"" && $0 != "\\" }
        if plain && !value.isEmpty { return value }
        var out = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7f {
                    out += "\\u{\(String(scalar.value, radix: 16))}"
                } else {
                    out.unicodeScalars.append(scalar)
                }
            }
        }
        return out + "\""
    }
}
