// "Did you mean": the known word that a mistyped one is nearest to.

/// The nearest of `known`, when it is near enough to be meant; nil otherwise.
///
/// Near enough is one slip for every three characters, and at least one: `moutn` is `mount`.
package func suggestion(for word: String, among known: [String]) -> String? {
    let length = word.drop(while: { $0 == "-" }).count
    let limit = max(1, length / 3)
    var best: (distance: Int, word: String)?
    for candidate in known {
        let distance = editDistance(Array(word), Array(candidate))
        if distance <= limit && distance < best?.distance ?? .max { best = (distance, candidate) }
    }
    if let best { return best.word }
    // A beginning that only one word has is meant for that word.
    let longer = known.filter { $0.hasPrefix(word) }
    return length >= 2 && longer.count == 1 ? longer.first : nil
}

/// How many insertions, deletions, substitutions and swaps of neighbours lie between two words
/// (the optimal string alignment distance).
private func editDistance(_ left: [Character], _ right: [Character]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for (row, leftCharacter) in left.enumerated() {
        var current = [row + 1]
        for (column, rightCharacter) in right.enumerated() {
            let substitution = last[column] + (leftCharacter == rightCharacter ? 0 : 1)
            var distance = min(substitution, last[column + 1] + 1, current[column] + 1)
            if row > 0 && column > 0 && leftCharacter == right[column - 1]
                && left[row - 1] == rightCharacter
            {
                distance = min(distance, beforeLast[column - 1] + 1)
            }
            current.append(distance)
        }
        beforeLast = last
        last = current
    }
    return last[right.count]
}
