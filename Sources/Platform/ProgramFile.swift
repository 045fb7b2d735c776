// The file of the running program, and becoming another program.

internal import Glibc

/// The functions on the program that runs here.
package enum ProgramFile {
    /// The absolute path from which this program was started; nil when it is there no more.
    package static func path() -> String? {
        let path = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4_096) { room in
            guard let base = room.baseAddress else { return String?.none }
            let count = unsafe readlink("/proc/self/exe", base, room.count)
            if count <= 0 { return nil }
            return unsafe String(
                decoding: UnsafeRawBufferPointer(start: base, count: count), as: UTF8.self)
        }
        guard let path, unsafe access(path, X_OK) == 0 else { return nil }
        return path
    }

    /// Becomes another program, with the number and the descriptors of this process.
    ///
    /// The C function is `execve`. Only before any other thread was started.
    ///
    /// - Returns: why that was not possible.
    package static func become(
        _ path: String, _ arguments: [String], name: String, environment: [String]
    ) -> Errno {
        unsafe withCStrings([name] + arguments) { words in
            unsafe withCStrings(environment) { entries in
                _ = unsafe execve(path, words, entries)
                return Errno.current
            }
        }
    }
}
