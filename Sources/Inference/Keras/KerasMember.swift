// One Keras file with the scalers beside it: a model, or one fold of an ensemble.

internal import HDF5Files
internal import JSON
internal import Platform
internal import Weights

/// A network that is open, with its scalers.
struct KerasMember: Sendable {
    /// Relative to the folder.
    let file: String
    let network: KerasGraph
    let scaler: ScalerSource?
    let outputScaler: ScalerSource?
    /// The folder of its scalers, with `/` at its end; empty for the model's own.
    let subfolder: String
    let parameterCount: Int64
    let byteCount: Int64

    /// How many numbers it gives for a row.
    var outputWidth: Int {
        network.graph.outputs.reduce(0) { $0 + network.graph.shape(of: $1).reduce(1, *) }
    }

    var inputWidth: Int { network.inputs.reduce(0) { $0 + $1.shape.reduce(1, *) } }

    init(
        _ file: String, in folder: ModelFolder, _ description: PredictorDescription?
    ) throws(InferenceError) {
        let path = folder.path(of: file)
        if file.hasSuffix(".keras") {
            throw .unsupported(
                path: path, found: "Keras's archive, whose weights are packed",
                supported: ["HDF5: model.save(\"model.h5\")"])
        }
        let keras: KerasFile
        do throws(WeightFileError) { keras = try KerasFile.open(path) } catch {
            throw InferenceError(error)
        }
        guard let text = keras.modelConfig else {
            throw .malformed(
                path: path,
                reason: "it has weights and no model_config: save it by model.save, not by"
                    + " save_weights")
        }
        self.file = file
        let configuration: KerasConfiguration
        do throws(JSONFault) {
            var reader = ModelJSONReader(model: Array(text.utf8))
            let json = try reader.value()
            do throws(KerasConfiguration.Flaw) {
                configuration = try KerasConfiguration(json)
            } catch { throw JSONFault(reason: error.reason, byteOffset: 0) }
        } catch { throw .malformed(path: path, reason: "model_config: \(error.reason)") }
        network = try KerasGraph(
            configuration, weights: keras.tensors,
            isKeras3: !(keras.kerasVersion?.hasPrefix("2.") ?? false),
            inputCount: description?.inputs?.count, file: path)
        subfolder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
        scaler = description?.scaler ?? KerasMember.scaler(in: folder, subfolder, forOutputs: false)
        outputScaler =
            description?.outputScaler
            ?? KerasMember.scaler(in: folder, subfolder, forOutputs: true)
        parameterCount = keras.tensors.tensors.values.reduce(Int64(0)) {
            $0 + Int64($1.elementCount)
        }
        byteCount = Int64(keras.file.byteCount)
    }

    // MARK: Scalers

    private static let targetWords: Set<String> = [
        "y", "target", "targets", "output", "outputs", "label", "labels",
    ]

    /// The scaler that stands beside a model, known by its name: `scaler.pkl`, `scaler_x.pkl`,
    /// `scaler_y.pkl`, `target_scaler.joblib` and the like.
    private static func scaler(
        in folder: ModelFolder, _ subfolder: String, forOutputs: Bool
    ) -> ScalerSource? {
        let found = folder.files.filter { file in
            guard file.hasPrefix(subfolder) else { return false }
            let name = file.dropFirst(subfolder.count).lowercased()
            guard !name.contains("/"), name.contains("scaler"),
                name.hasSuffix(".pkl") || name.hasSuffix(".joblib") || name.hasSuffix(".pickle")
            else { return false }
            let words = name.split { !$0.isLetter && !$0.isNumber }.map(String.init)
            return words.contains(where: targetWords.contains) == forOutputs
        }
        // Of several nobody knows which one it is: predictor.json says it.
        if found.count != 1 { return nil }
        return ScalerSource(String(found[0].dropFirst(subfolder.count)))
    }
}
