// Networks that Keras 2 and 3 saved, against their own answers; and what is refused of them.

import JSON
import Platform
import TestSupport
import Testing
import Weights

@testable import Inference

@Suite struct KerasModelTests {
    @Test(arguments: [
        "sequential", "functional", "lstm", "keras2-sequential", "keras2-functional", "keras2-lstm",
    ])
    func `a network gives Keras's values`(name: String) throws {
        let fixture = try TabularFixture("keras/\(name)")
        #expect(KerasModel.kind.recognises(fixture.folder))
        let task: ModelTask? = name.hasSuffix("sequential") ? .tabularRegression : nil
        let model = try KerasModel.kind.open(fixture.folder, task)
        let found = try model.predict(fixture.rows)
        for (row, expected) in zip(found, try fixture.answers()) {
            #expect(isNear(row.numbers(), expected), "\(row.numbers()) for \(expected)")
        }
    }

    @Test func `a network that ends with softmax tells classes`() throws {
        let fixture = try TabularFixture("keras/sequential")
        let model = try KerasModel.kind.open(fixture.folder, nil)
        #expect(model.facts.task == .tabularClassification)
        #expect(model.inputs.map(\.name).first == "input_layer_0" || model.inputs.count == 6)
        let found = try model.predict(fixture.rows)
        for (row, expected) in zip(found, try fixture.answers()) {
            #expect(isNear(row.numbers(labels: ["0", "1", "2"]), expected))
        }
    }

    @Test func `folds give a mean and a deviation for each property`() throws {
        let fixture = try TabularFixture("keras/folds")
        let model = try KerasModel.kind.open(fixture.folder, nil)
        let found = try model.predict(fixture.rows)
        let deviations = try fixture.answers("deviations")
        for (index, expected) in try fixture.answers().enumerated() {
            guard case .values(let values) = found[index] else { continue }
            #expect(values.map(\.name) == ["strength", "elongation"])
            #expect(values.map(\.unit) == ["MPa", "%"])
            #expect(isNear(values.map(\.value), expected))
            #expect(
                isNear(values.compactMap(\.standardDeviation), deviations[index], relative: 1e-3))
        }
        #expect(model.facts.architecture.hasPrefix("5 folds"))
        #expect(model.facts.files.first == "model_fold_0/model.h5")
        #expect(model.facts.metrics.map(\.name) == ["MAE", "R²"])
        #expect(model.inputs.map(\.name) == ["c", "mn", "si", "cr"])
    }

    @Test func `inputs are told by the network where nobody describes them`() throws {
        let fixture = try TabularFixture("keras/functional")
        let model = try KerasModel.kind.open(fixture.folder, nil)
        #expect(model.inputs[0] == InputField(name: "city", kind: .integer(range: 0...6)))
        #expect(model.inputs[1].name == "table_0")
        #expect(model.inputs.last?.name == "series_7_2")
        #expect(throws: InferenceError.notANumber(rowIndex: 0)) {
            var row = fixture.rows[0]
            row[0] = .number(7)
            _ = try model.predict([row])
        }
    }

    @Test func `folds come in the order of their numbers`() {
        let names = [10, 2, 1].map { "fold_\($0)/model.h5" }
        #expect(
            KerasModel.files(in: ModelFolder(path: "/x", files: names + ["notes.txt"]))
                == ["fold_1/model.h5", "fold_2/model.h5", "fold_10/model.h5"])
    }

    @Test func `an archive of Keras 3 is refused with the way out`() throws {
        let folder = TemporaryDirectory()
        try writeFile(folder.path + "/model.keras", [0x50, 0x4b, 3, 4])
        let listed = try ModelFolder(listing: folder.path)
        let message = inferenceFailure { _ = try KerasModel.kind.open(listed, nil) }?.description
        #expect(message?.contains("model.save(\"model.h5\")") == true)
    }

    // MARK: Configurations that are wrong

    private func flaw(_ text: String) -> String {
        var reader = ModelJSONReader(model: Array(text.utf8))
        do {
            let configuration = try KerasConfiguration(try reader.value())
            _ = try KerasGraph(
                configuration, weights: WeightSet(), isKeras3: true, inputCount: nil, file: "m.h5")
            return "nothing"
        } catch let error as InferenceError {
            return error.description
        } catch let error as KerasConfiguration.Flaw {
            return error.reason
        } catch {
            return "\(error)"
        }
    }

    private func chain(_ layers: String) -> String {
        flaw(
            #"{"class_name": "Sequential", "config": {"name": "s", "layers": ["#
                + #"{"class_name": "InputLayer", "#
                + #""config": {"batch_shape": [null, 3], "name": "i"}}, "#
                + layers + "]}}")
    }

    @Test func `what a configuration gets wrong is named`() {
        #expect(flaw("{}").contains("class_name"))
        #expect(flaw(#"{"class_name": "Mine", "config": {"layers": [1]}}"#).contains("'Mine'"))
        #expect(
            chain(#"{"class_name": "Lambda", "config": {"name": "l"}}"#).contains("class Lambda"))
        #expect(
            chain(#"{"class_name": "Dense", "config": {"name": "d", "units": 2}}"#)
                .contains("'d/kernel' is not"))
        #expect(
            chain(#"{"class_name": "Activation", "config": {"name": "a", "activation": "sin"}}"#)
                .contains("'sin'"))
        #expect(
            chain(#"{"class_name": "LSTM", "config": {"name": "r", "units": 2}}"#)
                .contains("d/kernel") == false)
        #expect(
            chain(#"{"class_name": "GlobalAveragePooling1D", "config": {"name": "p"}}"#)
                .contains("layer 'p'"))
        #expect(
            chain(
                #"{"class_name": "Embedding", "config": {"name": "e", "mask_zero": true}}"#
            ).contains("mask_zero"))
        #expect(
            chain(#"{"class_name": "Reshape", "config": {"name": "r", "target_shape": [2, 2]}}"#)
                .contains("layer 'r'"))
    }
}
