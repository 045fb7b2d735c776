// Runs seeds of the simulation, one after the other: `simulator --first 1 --count 100`.
//
// `--seed N` runs one, `--log` tells what happens in it, `--twice` runs each again and compares.
// A failing seed is printed with the command that runs it alone.

import Glibc
import Simulation

exit(SimulatorCommand(CommandLine.arguments).run())
