// Scalers of scikit-learn: a shift and a factor for each feature, out of a pickle.
//
// `StandardScaler` keeps the mean and the deviation, `MinMaxScaler` a factor and an offset for the
// range that it maps to. Both come down to value × factor + offset, and back.

/// A fitted scaler.
package struct FeatureScaler: Equatable, Sendable {
    /// Which of scikit-learn's classes it was.
    package enum Kind: String, Equatable, Sendable {
        case standard = "StandardScaler"
        case range = "MinMaxScaler"
    }

    package let kind: Kind
    /// The names it was fitted with; empty when there were none.
    package let featureNames: [String]
    /// The means or the least values that it was fitted on; nil where it keeps none.
    package let centers: [Double]?
    /// The deviations, or the factors of `MinMaxScaler`; nil where it keeps none.
    package let scales: [Double]?
    /// The least and the greatest values that it was fitted on; nil for `StandardScaler`.
    package let dataRange: (least: [Double], greatest: [Double])?
    /// What values are cut off at after scaling; nil for no cut.
    package let limits: ClosedRange<Double>?
    /// What a feature is multiplied by first.
    package let factors: [Double]
    /// What is added to it then.
    package let offsets: [Double]

    /// How many features it takes.
    package var featureCount: Int { factors.count }

    /// More than any table has.
    private static let featureCountMax = 1 << 20

    /// Opens a scaler that `pickle.dump` or `joblib.dump` wrote.
    package static func open(_ path: String) throws(WeightFileError) -> FeatureScaler {
        let value = try PickleFile.open(path)
        do throws(WeightError) { return try FeatureScaler(value) } catch {
            throw .invalid(path: path, error)
        }
    }

    /// - Parameter value: the object, from any pickle.
    package init(_ value: PickledValue) throws(WeightError) {
        guard case .object(let type, let fields) = value, let kind = Kind(rawValue: type) else {
            throw .malformed(reason: "no StandardScaler or MinMaxScaler where one belongs")
        }
        guard
            let count = fields["n_features_in_"]?.integer
                ?? fields["scale_"]?.numbers
                .map({ Int64($0.count) }), count > 0, count <= FeatureScaler.featureCountMax
        else { throw .malformed(reason: "a scaler that was not fitted") }
        self.kind = kind
        featureNames = fields["feature_names_in_"]?.texts ?? []
        func numbers(_ name: String) throws(WeightError) -> [Double]? {
            guard let value = fields[name] else { return nil }
            if case .none = value { return nil }
            guard let numbers = value.numbers, numbers.count == Int(count),
                numbers.allSatisfy(\.isFinite)
            else { throw .malformed(reason: "a scaler whose \(name) does not fit") }
            return numbers
        }
        let zeros = [Double](repeating: 0, count: Int(count))
        scales = try numbers("scale_")
        if scales?.contains(0) ?? false {
            throw .malformed(reason: "a scaler with a scale of zero")
        }
        switch kind {
        case .standard:
            let isCentered = fields["with_mean"]?.boolean ?? true
            let isScaled = fields["with_std"]?.boolean ?? true
            centers = isCentered ? try numbers("mean_") : nil
            dataRange = nil
            limits = nil
            if (isCentered && centers == nil) || (isScaled && scales == nil) {
                throw .malformed(reason: "a scaler that was not fitted")
            }
            factors = isScaled ? (scales ?? zeros).map { 1 / $0 } : zeros.map { _ in 1 }
            let means = centers ?? zeros
            offsets = zip(means, factors).map { -$0 * $1 }
        case .range:
            guard let scales, let least = try numbers("min_") else {
                throw .malformed(reason: "a scaler that was not fitted")
            }
            centers = try numbers("data_min_")
            factors = scales
            offsets = least
            let greatest = try numbers("data_max_")
            dataRange = centers.flatMap { low in greatest.map { (low, $0) } }
            let isCut = fields["clip"]?.boolean ?? false
            let range = fields["feature_range"]?.numbers ?? [0, 1]
            limits = isCut && range.count == 2 && range[0] < range[1] ? range[0]...range[1] : nil
        }
    }

    /// Scales a row in place.
    ///
    /// - Parameter row: one value for each feature.
    package func scale(_ row: inout [Double]) {
        precondition(row.count == featureCount)
        for index in row.indices {
            let value: Double =
                switch kind {
                // As scikit-learn does it, step by step, so that nothing is rounded otherwise.
                case .standard:
                    (row[index] - (centers?[index] ?? 0)) / (isScaled ? divisor(index) : 1)
                case .range: row[index] * factors[index] + offsets[index]
                }
            row[index] = limits.map { min(max(value, $0.lowerBound), $0.upperBound) } ?? value
        }
    }

    /// Undoes `scale`, but for what was cut off.
    package func unscale(_ row: inout [Double]) {
        precondition(row.count == featureCount)
        for index in row.indices {
            switch kind {
            case .standard:
                row[index] = row[index] * (isScaled ? divisor(index) : 1) + (centers?[index] ?? 0)
            case .range: row[index] = (row[index] - offsets[index]) / factors[index]
            }
        }
    }

    private var isScaled: Bool { scales != nil }

    private func divisor(_ index: Int) -> Double { scales?[index] ?? 1 }

    package static func == (left: FeatureScaler, right: FeatureScaler) -> Bool {
        left.kind == right.kind && left.featureNames == right.featureNames
            && left.factors == right.factors && left.offsets == right.offsets
            && left.limits == right.limits
    }
}
