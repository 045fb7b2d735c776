// How much is fetched that nobody has asked for yet.

/// What is fetched ahead of readers.
package enum PrefetchMode: String, CaseIterable, Sendable {
    /// A window ahead of who reads in order, and the rest of a weight file that was touched, in the
    /// order in which it was read before.
    case auto
    /// The same, in the order of the file.
    case sequential
    /// Only what is touched.
    case nothing = "none"
}
