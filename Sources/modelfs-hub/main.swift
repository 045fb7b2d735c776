// modelfs-hub: a local Hub. This file only hands the command line over.

internal import Glibc
internal import Settings

exit(Program(hubCommand, version: programVersion).run().rawValue)
