// A mapped file as what parsers read from.
//
// Pages are asked for before they are touched, so that one that cannot be read is an error and not
// the end of the process. What a parser reads is small: directories, and the pickles in archives.

internal import Platform

/// A mapped file, given to parsers.
struct MappedSource: ByteSource {
    let file: MappedFile

    var sizeBytes: Int64 { Int64(file.byteCount) }

    /// Nil when the pages cannot be read; `MappedSource.run` then learns why.
    func bytes(in range: Range<Int64>) -> [UInt8]? {
        let range = Int(range.lowerBound)..<Int(range.upperBound)
        do throws(Errno) { try file.populate(range) } catch { return nil }
        return file.withBytes { whole in
            unsafe whole.extracting(range).withUnsafeBytes { unsafe Array($0) }
        }
    }

    /// Maps a file.
    static func open(_ path: String) throws(WeightFileError) -> MappedSource {
        do throws(Errno) { return MappedSource(file: try MappedFile(path)) } catch {
            throw .unreadable(path: path, error)
        }
    }

    /// Runs a parser, all of whose bytes are there unless they cannot be read.
    func run<Value>(
        _ parse: (MappedSource) throws(WeightError) -> Parse<Value>
    ) throws(WeightFileError) -> Value {
        let outcome: Parse<Value>
        do throws(WeightError) { outcome = try parse(self) } catch {
            throw .invalid(path: file.path, error)
        }
        switch outcome {
        case .done(let value): return value
        case .needs(let range):
            do throws(Errno) {
                try file.populate(Int(range.lowerBound)..<Int(range.upperBound))
            } catch {
                throw .unreadable(path: file.path, error)
            }
            // It could not be read a moment ago, and can be now.
            throw .unreadable(path: file.path, .inputOutput)
        }
    }

    /// Runs what needs no bytes, or has populated them.
    func checked<Value>(
        _ body: () throws(WeightError) -> Value
    ) throws(WeightFileError) -> Value {
        do throws(WeightError) { return try body() } catch {
            throw .invalid(path: file.path, error)
        }
    }
}
