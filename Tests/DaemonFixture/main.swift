// modelfs with a filesystem made up for tests: the commands and the daemon are the real ones.
//
// Mounting does what the source says, so that tests can have it slow, failing or dying. A source
// that ends in `/kernel` makes a real FUSE mount (root only) whose messages nobody answers: enough
// for the kernel's mount table, and dead once the process is.

import Daemon
import Glibc
import Platform
import Settings
import Telemetry

Signals.ignoreBrokenPipes()
let root = ModelFSCommand.root { _, _, _ throws(MountFailure) in FixtureBackend() }
exit(Program(root, version: "fixture").run().rawValue)
