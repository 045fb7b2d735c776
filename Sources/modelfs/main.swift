// modelfs: the wiring of the command line to the filesystem, and nothing else. Called as
// mount.modelfs it is what mount(8) and fstab ask for.

internal import Daemon
internal import Glibc
internal import Platform
internal import Settings

Signals.ignoreBrokenPipes()
let program = Program(
    ModelFSCommand.root(TreeBackend.factory), version: programVersion,
    values: ModelFSCommand.values)
exit(SystemMountCall.isCalled ? SystemMountCall.run(program) : program.run().rawValue)
