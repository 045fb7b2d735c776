// modelfs: the wiring of the command line to the filesystem, and nothing else.

internal import Daemon
internal import Glibc
internal import Platform
internal import Settings

Signals.ignoreBrokenPipes()
exit(Program(ModelFSCommand.root(TreeBackend.factory), version: programVersion).run().rawValue)
