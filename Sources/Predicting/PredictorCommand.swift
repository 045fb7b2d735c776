// The command line of modelfs-predictor.

package import Settings

/// The command.
package let predictorCommand: Command = {
    Command("modelfs-predictor", purpose: "serve predictions of a model from its mapped weights")
}()
