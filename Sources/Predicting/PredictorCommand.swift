// The command line of modelfs-predictor: options into settings, and a service that runs until it
// is told to stop.

package import Settings

/// The command.
package let predictorCommand: Command = {
    Command("modelfs-predictor", purpose: "serve predictions of a model from its mapped weights")
}()
