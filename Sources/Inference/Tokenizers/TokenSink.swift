// Ids as they come, up to a limit: a text of a megabyte is read no further than the model can take.

/// Where tokenizers put ids.
struct TokenSink {
    private(set) var ids: [Int32] = []
    let countMax: Int

    init(countMax: Int) {
        self.countMax = countMax
    }

    var isFull: Bool { ids.count >= countMax }

    mutating func append(_ id: Int32) {
        if !isFull { ids.append(id) }
    }

    mutating func append(contentsOf more: [Int32]) {
        for id in more { append(id) }
    }
}
