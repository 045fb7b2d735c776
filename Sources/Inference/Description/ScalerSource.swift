// Where a scaler comes from: a pickle of scikit-learn in the folder, or numbers in predictor.json.

internal import Weights

/// A scaler as predictor.json names it.
struct ScalerSource: Equatable, Sendable {
    enum Origin: Equatable, Sendable {
        /// Relative to the folder of the weights, or else to the model's.
        case file(String)
        /// (value - mean) / scale.
        case standard(mean: [Double], scale: [Double])
        /// value × scale + offset.
        case affine(scale: [Double], offset: [Double])
    }

    let origin: Origin
    /// The inputs or outputs that it is for; nil for all that are numbers.
    let names: [String]?
    /// Where it is told, for errors.
    let place: String

    init(_ file: String) {
        origin = .file(file)
        names = nil
        place = file
    }

    init?(_ fields: inout DescriptionFields, _ name: String) throws(InferenceError) {
        guard let value = fields.take(name) else { return nil }
        place = fields.place(name)
        if let file = value.string {
            origin = .file(file)
            names = nil
            return
        }
        var object = try DescriptionFields(value, file: fields.file, path: fields.place(name))
        let file = try object.optionalText("file")
        let mean = try object.optionalNumbers("mean")
        let scale = try object.optionalNumbers("scale")
        let offset = try object.optionalNumbers("offset")
        names = try object.optionalTexts("names")
        try object.end()
        switch (file, mean, scale, offset) {
        case (let file?, nil, nil, nil): origin = .file(file)
        case (nil, let mean?, let scale?, nil):
            origin = .standard(mean: mean, scale: scale)
            if mean.count != scale.count || scale.contains(0) {
                throw object.wrong(
                    "scale", "as many numbers as in mean belong here, none of them 0")
            }
        case (nil, nil, let scale?, let offset?):
            origin = .affine(scale: scale, offset: offset)
            if offset.count != scale.count || scale.contains(0) {
                throw object.wrong(
                    "scale", "as many numbers as in offset belong here, none of them 0")
            }
        default:
            throw object.wrong("", "a file belongs here, or mean and scale, or scale and offset")
        }
    }
}

/// Scales rows, and brings values back.
struct RowScaler: Equatable, Sendable {
    private enum Origin: Equatable, Sendable {
        case fitted(FeatureScaler)
        case standard(mean: [Double], scale: [Double])
        case affine(scale: [Double], offset: [Double])
    }

    private let origin: Origin
    /// Which values of a row it is for, in its own order.
    let columns: [Int]

    /// - Parameters:
    ///   - folders: where a file may lie, the likeliest first; each empty, or with `/` at its end.
    ///   - columns: the columns by their names.
    ///   - standard: the columns that it is for when it names none.
    init(
        _ source: ScalerSource, folder: ModelFolder, subfolders: [String], file: String,
        names columns: [String], standard: [Int]
    ) throws(InferenceError) {
        var fittedNames: [String]?
        switch source.origin {
        case .standard(let mean, let scale): origin = .standard(mean: mean, scale: scale)
        case .affine(let scale, let offset): origin = .affine(scale: scale, offset: offset)
        case .file(let name):
            guard let found = subfolders.map({ $0 + name }).first(where: folder.has) else {
                throw .malformed(
                    path: file, reason: "\(source.place): there is no file '\(name)' in the folder")
            }
            let fitted: FeatureScaler
            do throws(WeightFileError) {
                fitted = try FeatureScaler.open(folder.path(of: found))
            } catch { throw InferenceError(error) }
            origin = .fitted(fitted)
            // The names of a table's columns, if the model's inputs have the same.
            if Set(fitted.featureNames).isSubset(of: columns) { fittedNames = fitted.featureNames }
        }
        if let names = source.names ?? fittedNames, !names.isEmpty {
            var places: [Int] = []
            for name in names {
                guard let place = columns.firstIndex(of: name) else {
                    throw .malformed(
                        path: file, reason: "\(source.place): there is nothing named '\(name)'")
                }
                places.append(place)
            }
            self.columns = places
        } else {
            self.columns = standard
        }
        if count != self.columns.count {
            throw .malformed(
                path: file,
                reason: "\(source.place): the scaler is for \(count) values, and there are "
                    + "\(self.columns.count)")
        }
    }

    private var count: Int {
        switch origin {
        case .fitted(let scaler): scaler.featureCount
        case .standard(let mean, _): mean.count
        case .affine(let scale, _): scale.count
        }
    }

    /// Scales the values of a row that it is for.
    func scale(_ row: inout [Double]) {
        apply(&row) { values in
            switch origin {
            case .fitted(let scaler): scaler.scale(&values)
            case .standard(let mean, let scale):
                for index in values.indices {
                    values[index] = (values[index] - mean[index]) / scale[index]
                }
            case .affine(let scale, let offset):
                for index in values.indices {
                    values[index] = values[index] * scale[index] + offset[index]
                }
            }
        }
    }

    /// Undoes `scale`.
    func unscale(_ row: inout [Double]) {
        apply(&row) { values in
            switch origin {
            case .fitted(let scaler): scaler.unscale(&values)
            case .standard(let mean, let scale):
                for index in values.indices {
                    values[index] = values[index] * scale[index] + mean[index]
                }
            case .affine(let scale, let offset):
                for index in values.indices {
                    values[index] = (values[index] - offset[index]) / scale[index]
                }
            }
        }
    }

    private func apply(_ row: inout [Double], _ body: (inout [Double]) -> Void) {
        var values = columns.map { row[$0] }
        body(&values)
        for (place, value) in zip(columns, values) { row[place] = value }
    }
}
