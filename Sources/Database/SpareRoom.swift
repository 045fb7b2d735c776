// Room on the disk that is kept for a database, for the time when others have filled the disk.
//
// A file of zeros beside the database. It is given up when a change finds the disk full, which is
// then tried again, and taken anew when there is plenty of room. Without it a full disk would show
// nobody a name that is new, since every name that the kernel knows stands in a database.

internal import Glibc
internal import Platform

/// A file that holds room.
///
/// Used on the writer's thread alone.
struct SpareRoom {
    /// Enough for some ten thousand names, or for the places of 8 GiB of bytes.
    static let byteCount: Int64 = 4 << 20
    /// The disk must have so many times as much free before it is taken.
    private static let plentyFactor: Int64 = 8
    /// Between two looks at whether it can be taken again.
    private static let retrySeconds = 10.0

    private let path: String
    private var isHeld = false
    private var nextTry = MonotonicInstant(nanoseconds: 0)

    /// - Parameter database: the file that it is kept for.
    init(for database: String) {
        path = "\(database)-room"
    }

    /// Takes the room, if it is not held and the disk has plenty.
    mutating func take(at now: MonotonicInstant) {
        if isHeld || now < nextTry { return }
        nextTry = now + SpareRoom.retrySeconds
        if let size = try? FileDescriptor.open(path, O_RDONLY).size(), size == SpareRoom.byteCount {
            isHeld = true
            return
        }
        guard let freeByteCount = SpareRoom.freeByteCount(beside: path),
            freeByteCount >= SpareRoom.byteCount * SpareRoom.plentyFactor
        else { return }
        do throws(Errno) {
            let file = try FileDescriptor.open(path, O_RDWR | O_CREAT | O_TRUNC)
            if posix_fallocate(file.rawValue, 0, off_t(SpareRoom.byteCount)) != 0 {
                throw .noSpace
            }
            isHeld = true
        } catch {
            _ = unsafe unlink(path)
        }
    }

    /// Gives the room to whoever needs it.
    ///
    /// - Returns: false if it was not held.
    mutating func give(at now: MonotonicInstant) -> Bool {
        if !isHeld { return false }
        isHeld = false
        nextTry = now + SpareRoom.retrySeconds
        return unsafe unlink(path) == 0
    }

    /// Nil where the disk does not tell.
    private static func freeByteCount(beside path: String) -> Int64? {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        var status = statvfs()
        if unsafe statvfs(folder, &status) != 0 { return nil }
        return Int64(status.f_bavail) * Int64(status.f_frsize)
    }
}
