// What `modelfs status` says of what the daemon has given up.

extension ConfinementStatus {
    /// More than a daemon that gave up what it could.
    private static let listedCountMax = 4

    /// In words, for people.
    var words: [String] {
        var words: [String] = []
        if let capabilities { words.append(ConfinementStatus.words(capabilities)) }
        let started = gainsPrivileges ? "may start programs" : "starts nothing"
        words.append("\(started) with more privileges")
        if let bindablePorts {
            let ports = bindablePorts.map { $0 == 0 ? "one that is free" : "\($0)" }
            let but = ports.isEmpty ? "" : " but \(ports.joined(separator: ", "))"
            words.append("binds no TCP port\(but)")
        }
        if !signalsOthers { words.append("signals nobody else") }
        return words
    }

    private static func words(_ capabilities: [String]) -> String {
        if capabilities.isEmpty { return "has no capability" }
        if capabilities.count > listedCountMax { return "has \(capabilities.count) capabilities" }
        let noun = capabilities.count == 1 ? "capability" : "capabilities"
        return "has the \(noun) \(capabilities.joined(separator: ", ")) alone"
    }
}
