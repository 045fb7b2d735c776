// Files that PyTorch wrote before version 1.6: pickles, then the storages.
//
//     pickle of a number | pickle of the version, 1001 | pickle of facts on the machine
//     pickle of what was saved | pickle of the storages' keys
//     for each key: u64 count of values | values
//
// Source: `_legacy_load` in torch/serialization.py of PyTorch 2.

internal import Platform

enum CheckpointStream {
    /// What is read of the file first, and how much more each time that it was not enough.
    private static let firstByteCount: Int64 = 1 << 20
    private static let growth: Int64 = 8
    private static let version: Int64 = 1001

    static func open(_ source: MappedSource) throws(WeightFileError) -> Checkpoint {
        var byteCount = min(firstByteCount, source.sizeBytes)
        while true {
            let head = try source.run { (source) throws(WeightError) in
                try Parse { () throws(Halt) in try source.needHead(byteCount) }
            }
            var machine = PickleMachine(head)
            let parts: (item: PickleItem, keys: [String])
            do throws(WeightError) { parts = try pickles(&machine) } catch {
                // What is cut off may be whole when more of it is there.
                let limit = min(Checkpoint.pickleByteCountMax, source.sizeBytes)
                if error == .truncated && byteCount < limit {
                    byteCount = min(byteCount * growth, limit)
                    continue
                }
                throw .invalid(path: source.file.path, error)
            }
            let places = try storages(parts.keys, machine, source)
            return try Checkpoint.made(parts.item, machine, places, source)
        }
    }

    /// The five pickles at the beginning.
    private static func pickles(
        _ machine: inout PickleMachine
    ) throws(WeightError) -> (item: PickleItem, keys: [String]) {
        // A number of 80 bits, which stands for the format, and the end of its pickle.
        let magic = WeightFile.torchStreamMagic
        let head = try machine.reader.take(UInt64(magic.count + 1))
        if !head.starts(with: magic) || head.last != PickleOpcode.stop.rawValue {
            throw .malformed(reason: "no checkpoint of PyTorch")
        }
        guard case .integer(version) = try machine.run() else {
            throw .unsupported(
                reason: "this old form of a checkpoint; load it in PyTorch and save it again")
        }
        try checkMachine(try machine.run(), machine)
        let item = try machine.run()
        let keys = try machine.elements(try machine.run())
        let texts = try keys.map { (key) throws(WeightError) in
            if case .integer(let number) = key { return String(number) }
            return try machine.text(key)
        }
        return (item, texts)
    }

    private static func checkMachine(
        _ item: PickleItem, _ machine: PickleMachine
    ) throws(WeightError) {
        guard case .node(let place) = item, case .dictionary(let entries) = machine.nodes[place]
        else { throw .malformed(reason: "no checkpoint of PyTorch") }
        for entry in entries {
            if case .text("little_endian") = entry.key, case .boolean(false) = entry.value {
                throw .unsupported(reason: "values with the highest byte first")
            }
        }
    }

    private static func storages(
        _ keys: [String], _ machine: PickleMachine, _ source: MappedSource
    ) throws(WeightFileError) -> [String: Range<Int64>] {
        var position = Int64(machine.reader.position)
        var places: [String: Range<Int64>] = [:]
        for key in keys {
            let head = try source.run { (source) throws(WeightError) in
                try Parse { () throws(Halt) in try source.need(position..<position + 8) }
            }
            position += 8
            let place = try source.checked { () throws(WeightError) in
                guard let storage = machine.storages[key] else {
                    throw .malformed(reason: "a storage that nothing names")
                }
                let count = head.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                let width = UInt64(storage.element?.block.bitCount ?? 8) / 8
                let (byteCount, overflows) = count.multipliedReportingOverflow(by: width)
                if overflows || byteCount > UInt64(source.sizeBytes - position) {
                    throw .truncated
                }
                return position..<position + Int64(byteCount)
            }
            places[key] = place
            position = place.upperBound
        }
        return places
    }
}
