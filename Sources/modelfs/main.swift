// modelfs: the wiring of the command line to the filesystem, and nothing else.

internal import Daemon
internal import Glibc
internal import Platform
internal import Settings

/// The one place where the filesystem is chosen. It is called in the process that becomes the
/// daemon, once the cache is locked.
let makeBackend: BackendFactory = { _, _, _ throws(MountFailure) in
    throw .failed(detail: "this build of modelfs has no filesystem in it")
}

Signals.ignoreBrokenPipes()
exit(Program(ModelFSCommand.root(makeBackend), version: programVersion).run().rawValue)
