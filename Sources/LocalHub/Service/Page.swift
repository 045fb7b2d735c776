// Pages of long lists: so many items from a position, and the way to the next ones.
//
// A cursor is `<mark>.<position>` in hex. The mark is the commit, where the list is a tree: a list
// that was begun on one commit goes on with it, although the branch may have moved.

internal import HTTPService
internal import Hashing
internal import Platform

/// Which items of a list are wanted.
struct Page {
    let start: Int
    let count: Int
    /// What the cursor was made for; nil for a first page.
    let mark: String?

    /// Reads `limit` and `cursor`.
    init(_ context: RequestContext, countMax: Int, countDefault: Int) throws(Refusal) {
        let query = context.request.query
        if let text = query["limit"] {
            guard let limit = Int(text), limit > 0 else {
                throw .badRequest("limit is a number of items")
            }
            count = min(limit, countMax)
        } else {
            count = countDefault
        }
        guard let cursor = query["cursor"] else {
            (start, mark) = (0, nil)
            return
        }
        guard let bytes = hexBytes(cursor) else { throw .badRequest("the cursor is not ours") }
        let parts = String(decoding: bytes, as: UTF8.self).split(
            separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let start = Int(parts[1]), start >= 0 else {
            throw .badRequest("the cursor is not ours")
        }
        self.start = start
        mark = String(parts[0])
    }

    /// The items of this page.
    func slice<Item>(_ items: [Item]) -> ArraySlice<Item> {
        items.dropFirst(start).prefix(count)
    }

    /// The header that leads to the next page, if there is one.
    func headers(_ context: RequestContext, total: Int, mark: String) -> HTTPHeaders {
        var headers = HTTPHeaders()
        guard start + count < total else { return headers }
        let cursor = hexString(Array("\(mark).\(start + count)".utf8))
        var items = context.request.query.items.filter { $0.name != "cursor" }
        items.append(("cursor", cursor))
        let query = items.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }
        headers.add(
            "Link",
            "<\(context.baseURL)\(context.request.path)?\(query.joined(separator: "&"))>; "
                + "rel=\"next\"")
        return headers
    }
}
