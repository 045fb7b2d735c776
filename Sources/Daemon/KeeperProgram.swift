// Where the keeper's program lies, and how this program is handed to it.

internal import Glibc
internal import Keeping
internal import Platform
internal import Settings

/// The program `modelfs-keeper`, which is installed beside this one.
struct KeeperProgram {
    /// Its own path.
    let path: String
    /// That of the program which it starts: this one.
    let worker: String

    /// Nil where it is not installed: mounts then end with their daemon.
    static func installed() -> KeeperProgram? {
        guard let own = ProgramFile.path(), let slash = own.lastIndex(of: "/") else { return nil }
        let path = own[..<slash] + "/modelfs-keeper"
        if unsafe access(String(path), X_OK) != 0 { return nil }
        return KeeperProgram(path: String(path), worker: own)
    }

    /// The keeper that started this process; nil when none did.
    static func link() -> KeeperLink? {
        guard let text = Environment.process[KeeperLink.variable], let number = CInt(text)
        else { return nil }
        return try? KeeperLink(descriptor: number)
    }
}
