// The kinds of models that take rows of values.

extension ModelKind {
    /// Folders whose predictor.json has the architecture of a network in PyTorch.
    package static let describedNetworks = NetworkModel.kind
    /// Folders with an `.h5` file of Keras, or with one in each of its folds.
    package static let kerasNetworks = KerasModel.kind
    /// Folders with a model that XGBoost saved.
    package static let gradientBoostedTrees = TreeModel.kind
}
