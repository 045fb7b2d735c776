// A value that is bound to a parameter of a statement.

/// One of SQLite's storage classes; floating point is not used here.
package enum Value: Equatable, Sendable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    /// An integer, or null.
    package static func integer(orNull value: Int64?) -> Value { value.map(Value.integer) ?? .null }

    /// A text, or null.
    package static func text(orNull value: String?) -> Value { value.map(Value.text) ?? .null }

    /// A blob, or null.
    package static func blob(orNull value: [UInt8]?) -> Value { value.map(Value.blob) ?? .null }
}

extension Value: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(stringLiteral value: String) { self = .text(value) }
    package init(booleanLiteral value: Bool) { self = .integer(value ? 1 : 0) }
    package init(nilLiteral: ()) { self = .null }
}
