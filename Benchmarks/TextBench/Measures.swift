// Time and memory of this process.

import Glibc

/// Milliseconds.
func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
}

/// Memory that is no file's, in KiB.
func privateKiB() -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
        let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let words = String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\t" }
        if words.count > 1, words[0] == "RssAnon:", let size = Int(words[1]) { return size }
    }
    return 0
}
