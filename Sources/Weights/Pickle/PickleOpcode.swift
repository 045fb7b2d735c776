// The operations of pickles, protocols 0 to 5, by their bytes.
//
// Source: Lib/pickle.py and Lib/pickletools.py of Python 3.13.

/// An operation of a pickle.
enum PickleOpcode: UInt8 {
    case mark = 0x28, stop = 0x2e, pop = 0x30, popMark = 0x31, dup = 0x32
    case float = 0x46, int = 0x49, binint = 0x4a, binint1 = 0x4b, long = 0x4c, binint2 = 0x4d
    case none = 0x4e, persid = 0x50, binpersid = 0x51, reduce = 0x52
    case string = 0x53, binstring = 0x54, shortBinstring = 0x55
    case unicode = 0x56, binunicode = 0x58
    case append = 0x61, build = 0x62, global = 0x63, dict = 0x64, emptyDict = 0x7d
    case appends = 0x65, get = 0x67, binget = 0x68, inst = 0x69, longBinget = 0x6a
    case list = 0x6c, emptyList = 0x5d, obj = 0x6f
    case put = 0x70, binput = 0x71, longBinput = 0x72
    case setitem = 0x73, tuple = 0x74, emptyTuple = 0x29, setitems = 0x75, binfloat = 0x47
    case binbytes = 0x42, shortBinbytes = 0x43

    // Protocol 2
    case proto = 0x80, newobj = 0x81, ext1 = 0x82, ext2 = 0x83, ext4 = 0x84
    case tuple1 = 0x85, tuple2 = 0x86, tuple3 = 0x87, newtrue = 0x88, newfalse = 0x89
    case long1 = 0x8a, long4 = 0x8b

    // Protocol 4
    case shortBinunicode = 0x8c, binunicode8 = 0x8d, binbytes8 = 0x8e, emptySet = 0x8f
    case additems = 0x90, frozenset = 0x91, newobjEx = 0x92, stackGlobal = 0x93
    case memoize = 0x94, frame = 0x95

    // Protocol 5
    case bytearray8 = 0x96, nextBuffer = 0x97, readonlyBuffer = 0x98

    /// As Python calls it, such as `STACK_GLOBAL`.
    var name: String {
        "\(self)".reduce(into: "") { name, letter in
            name += letter.isUppercase ? "_" + String(letter) : letter.uppercased()
        }
    }
}
