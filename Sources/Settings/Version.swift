// The version of all programs of this package: they are built and released together.

/// As `--version` prints it, by the rules of semantic versioning.
package let programVersion = "0.1.0"
