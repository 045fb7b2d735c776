// modelfs-keeper: holds a cache's mounts while one worker follows another, and nothing else.
//
// modelfs-keeper [--order] PROGRAM [ARGUMENT]…
//
// Started by `modelfs mount`. With --order the first worker gets descriptor 3 of this process. It
// ends as its last worker did.

internal import Glibc
internal import Keeping
internal import Platform
internal import Settings

Signals.ignoreBrokenPipes()
var words = CommandLine.arguments.dropFirst()
let hasOrder = words.first == "--order"
if hasOrder { words = words.dropFirst() }
guard let path = words.popFirst() else {
    writeText("modelfs-keeper: started by 'modelfs mount', and not for people\n", to: 2)
    exit(2)
}
do throws(Errno) {
    let keeper = try KeeperProcess(
        path: path, arguments: Array(words), order: hasOrder ? 3 : nil)
    switch keeper.run() {
    case .exited(let code): exit(code)
    case .killed(let number):
        // Whoever waits for this process sees what became of the worker.
        _ = signal(number, SIG_DFL)
        _ = kill(getpid(), number)
        exit(128 + number)
    }
} catch {
    writeText("modelfs-keeper: \(path) cannot be started: \(error)\n", to: 2)
    exit(1)
}
