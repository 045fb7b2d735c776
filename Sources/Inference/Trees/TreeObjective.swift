// What the sums of an XGBoost model's trees mean, by the objective that it was trained for.
//
// `base_score` is kept as a prediction and not as a sum: it goes through the objective's inverse
// before the first leaf is added. Source: the objectives' `PredTransform` and `ProbToMargin`.

internal import Glibc

/// An objective, as far as predictions depend on it.
enum TreeObjective: Equatable, Sendable {
    /// Sums are what is predicted.
    case identity
    /// Sums are log odds; predicted are probabilities.
    case logistic(isClass: Bool)
    /// Sums are log odds, and predicted as they are.
    case logOdds
    /// Sums are logarithms.
    case logarithm
    /// Above 0 it is the class.
    case hinge
    /// One sum for each class.
    case classes

    /// The names of those that are supported, for an error.
    static let supported = [
        "binary:logistic", "binary:logitraw", "binary:hinge", "multi:softprob", "multi:softmax",
        "reg:*", "count:poisson", "rank:*", "survival:cox", "survival:aft",
    ]

    /// Nil for one that is not known.
    init?(_ name: String) {
        switch name {
        case "binary:logistic": self = .logistic(isClass: true)
        case "reg:logistic": self = .logistic(isClass: false)
        case "binary:logitraw": self = .logOdds
        case "binary:hinge": self = .hinge
        case "multi:softprob", "multi:softmax": self = .classes
        case "reg:gamma", "reg:tweedie", "count:poisson", "survival:cox", "survival:aft":
            self = .logarithm
        case "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror",
            "reg:absoluteerror", "reg:quantileerror", "reg:expectileerror", "rank:pairwise",
            "rank:ndcg", "rank:map":
            self = .identity
        default: return nil
        }
    }

    /// Whether what is predicted are probabilities of classes.
    var isClassifier: Bool {
        switch self {
        case .logistic(let isClass): isClass
        case .hinge, .classes: true
        case .identity, .logOdds, .logarithm: false
        }
    }

    /// The sum that stands for a prediction; nil when the objective cannot give it.
    func margin(ofScore score: Double) -> Float? {
        switch self {
        case .identity, .logOdds, .hinge, .classes: Float(score)
        case .logistic:
            score > 0 && score < 1 ? Float(-Glibc.log(1 / score - 1)) : nil
        case .logarithm: score > 0 ? Float(Glibc.log(score)) : nil
        }
    }

    /// Turns sums into predictions, where they are.
    func apply(_ sums: inout [Float], groupCount: Int) {
        switch self {
        case .identity, .logOdds: break
        case .logistic: Nonlinearity.sigmoid.apply(&sums, width: groupCount)
        case .logarithm: Nonlinearity.exponential.apply(&sums, width: groupCount)
        case .hinge:
            for index in sums.indices { sums[index] = sums[index] > 0 ? 1 : 0 }
        case .classes: Nonlinearity.softmax.apply(&sums, width: groupCount)
        }
    }
}
