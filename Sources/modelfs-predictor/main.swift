// modelfs-predictor: a model on mapped weights, served over HTTP. This file only hands the command
// line over.

internal import Glibc
internal import Platform
internal import Predicting
internal import Settings

Signals.ignoreBrokenPipes()
exit(Program(predictorCommand, version: programVersion).run().rawValue)
