// Where a user's files belong: the XDG base directories, and the home folder they start from.
//
// Source: the XDG Base Directory Specification, whose rule that a relative path is ignored holds
// here too.

/// The folders of the user whose environment it is.
package struct StandardFolders: Equatable, Sendable {
    /// The home folder; `/` for a process without one.
    package let home: String
    /// `$XDG_CACHE_HOME`, or `.cache` in the home folder.
    package let cache: String
    /// `$XDG_CONFIG_HOME`, or `.config` in the home folder.
    package let configuration: String

    /// Derives the folders; none of them is created or looked at.
    package init(_ environment: Environment) {
        let home = StandardFolders.absolute(environment["HOME"]) ?? "/"
        let base = home == "/" ? "" : home
        self.home = home
        cache = StandardFolders.absolute(environment["XDG_CACHE_HOME"]) ?? "\(base)/.cache"
        configuration =
            StandardFolders.absolute(environment["XDG_CONFIG_HOME"]) ?? "\(base)/.config"
    }

    /// `~` and `~/…` with the home folder in place of the tilde; other paths as they are.
    package func expandingTilde(_ path: String) -> String {
        if path == "~" { return home }
        guard path.hasPrefix("~/") else { return path }
        return (home == "/" ? "" : home) + String(path.dropFirst(1))
    }

    private static func absolute(_ path: String?) -> String? {
        guard let path, path.hasPrefix("/") else { return nil }
        return path
    }
}
