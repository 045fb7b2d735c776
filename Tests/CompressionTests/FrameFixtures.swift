// Frames made by another implementation (liblz4's frame functions, through PyPI `lz4`), of the
// text that `frameText` gives.

struct FrameFixture: Sendable {
    let name: String
    let textLength: Int
    let frame: String
}

/// Numbers from 0 to 15 by a linear congruence, each followed by 200 times "abcdefgh".
func frameText(_ count: Int) -> [UInt8] {
    var state: UInt64 = 1
    var text: [UInt8] = []
    while text.count < count {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        text += Array("\(state >> 60),".utf8)
        for _ in 0..<200 { text += Array("abcdefgh".utf8) }
    }
    return Array(text[..<count])
}

let frameFixtures: [FrameFixture] = [
    FrameFixture(
        name: "empty", textLength: 0,
        frame: """
            04224d1860408200000000
            """),
    FrameFixture(
        name: "small, independent", textLength: 500,
        frame: """
            04224d186840f4010000000000004d15000000af362c61626364656667680800ffd35066676861620000\
            0000
            """),
    FrameFixture(
        name: "linked blocks of 64 KiB", textLength: 200000,
        frame: """
            04224d184840400d03000000000092ae010000af362c61626364656667680800ffffffffffff2b1f3842\
            06ffffffffffff342f31304306ffffffffffff340fc712ffffffffffff352f3132850cffffffffffff34\
            0f0a19ffffffffffff350f4206ffffffffffff351f31c612ffffffffffff342f31334306ffffffffffff\
            340f4206ffffffffffff351f31c812ffffffffffff350f4c1fffffffffffff360f1332ffffffffffff35\
            1f354c1fffffffffffffffffffffffffffffffffffffc50f5f51ffffffffffff351f390919ffffffffff\
            ff340f4206ffffffffffff350f973effffffffffff360f4306ffffffffffff360f1332ffffffffffff35\
            0fda44ffffffffffff350f4c1fffffffffffff350f1232ffffffffffff350f7183ffffffffffff360fc7\
            12ffffffffffff350f7a9cffffffffffff350fd02bffffffffffff362f31341d4bffffffffffff340f42\
            06ffffffffffff350f85b5ffffffffffff360f0a19ffffffffffff350fda44ffffffffffff350f4206ff\
            ffffffffff350fe35dffffffffffff360f3896ffffffffffff350f4206ffffffffffff350fda44ffffff\
            ffffff350f5438ffffffffffff350f4b1fffffffffff90506566676861890100000ffdff8c0f963effff\
            ffffffff360fa157ffffffffffff360fd944ffffffffffff350faa70ffffffffffff350f8e25ffffffff\
            ffff350f5438ffffffffffff350f5d51ffffffffffff350f963effffffffffff350fc612ffffffffffff\
            351f376e83ffffffffffffffffffffffffffffffffffffc50f4b1fffffffffffff350f953effffffffff\
            ff350f5c51ffffffffffffffffffffffff7e0f3fafffffffffffff361f31aa70ffffffffffff360f5638\
            ffffffffffffffffffffffffffffffffffffc50f0919ffffffffffff360f4306ffffffffffff360fdc44\
            ffffffffffff350f8f25ffffffffffff350fed76ffffffffffff350f0919ffffffffffff360ff68fffff\
            ffffffff350f0919ffffffffffffffffffffffffffffffffffffc50f82b5ffffffffffff350fab70ffff\
            ffffffff361f317c9cffffffffffff350f860cffffffffffff360f1c4bffffffffffff350f4d1fffffff\
            ffffff350f3a96ffffffffffff350f4206ffffffffffff350fc7bbffffffffffff350f1b4bfffffffff0\
            506667686162990100000f0800ff2c0f840cffffffffffffffffffffffff7d0f953effffffffffff350f\
            656affffffffffff360f953effffffffffff350f4206ffffffffffff350fcf2bffffffffffff350ff38f\
            ffffffffffff351f31c712ffffffffffff350f4206ffffffffffff350f11dbffffffffffffffffffffff\
            ff800f9025ffffffffffffffffffffffff7d0feb76ffffffffffff350f1bf4ffffffffffff370f0a19ff\
            ffffffffff350f696affffffffffff350f7183ffffffffffff350fcfd4ffffffffffff360f0919ffffff\
            ffffff350f41afffffffffffff360fc812ffffffffffff360fa457ffffffffffff352f362c7497ff260f\
            3801fffffffff90fb689ffffffffffff350f1d4bffffffffffff350f840cffffffffffff350f8d25ffff\
            ffffffff360f4306ffffffffffff360f983effffffffffff360f0b19ffffffffffff350f4206ffffffff\
            ffff350f5538ffffffffffff350f1332ffffffffffff350f7d9cffffffffffffffffffffffff7f0fee76\
            ffffffffffff350f4206ffffffffffff350f99e7ffffffffffff350f983effffffff4f50646566676822\
            0000000ffaffff260f3801950f1332ffffffffffff350fd3d4ffffffffff0b50676861626300000000
            """),
    FrameFixture(
        name: "linked, every checksum, size", textLength: 200000,
        frame: """
            04224d185c40400d030000000000dcae010000af362c61626364656667680800ffffffffffff2b1f3842\
            06ffffffffffff342f31304306ffffffffffff340fc712ffffffffffff352f3132850cffffffffffff34\
            0f0a19ffffffffffff350f4206ffffffffffff351f31c612ffffffffffff342f31334306ffffffffffff\
            340f4206ffffffffffff351f31c812ffffffffffff350f4c1fffffffffffff360f1332ffffffffffff35\
            1f354c1fffffffffffffffffffffffffffffffffffffc50f5f51ffffffffffff351f390919ffffffffff\
            ff340f4206ffffffffffff350f973effffffffffff360f4306ffffffffffff360f1332ffffffffffff35\
            0fda44ffffffffffff350f4c1fffffffffffff350f1232ffffffffffff350f7183ffffffffffff360fc7\
            12ffffffffffff350f7a9cffffffffffff350fd02bffffffffffff362f31341d4bffffffffffff340f42\
            06ffffffffffff350f85b5ffffffffffff360f0a19ffffffffffff350fda44ffffffffffff350f4206ff\
            ffffffffff350fe35dffffffffffff360f3896ffffffffffff350f4206ffffffffffff350fda44ffffff\
            ffffff350f5438ffffffffffff350f4b1fffffffffff90506566676861f476b105890100000ffdff8c0f\
            963effffffffffff360fa157ffffffffffff360fd944ffffffffffff350faa70ffffffffffff350f8e25\
            ffffffffffff350f5438ffffffffffff350f5d51ffffffffffff350f963effffffffffff350fc612ffff\
            ffffffff351f376e83ffffffffffffffffffffffffffffffffffffc50f4b1fffffffffffff350f953eff\
            ffffffffff350f5c51ffffffffffffffffffffffff7e0f3fafffffffffffff361f31aa70ffffffffffff\
            360f5638ffffffffffffffffffffffffffffffffffffc50f0919ffffffffffff360f4306ffffffffffff\
            360fdc44ffffffffffff350f8f25ffffffffffff350fed76ffffffffffff350f0919ffffffffffff360f\
            f68fffffffffffff350f0919ffffffffffffffffffffffffffffffffffffc50f82b5ffffffffffff350f\
            ab70ffffffffffff361f317c9cffffffffffff350f860cffffffffffff360f1c4bffffffffffff350f4d\
            1fffffffffffff350f3a96ffffffffffff350f4206ffffffffffff350fc7bbffffffffffff350f1b4bff\
            fffffff05066676861628a97bf77990100000f0800ff2c0f840cffffffffffffffffffffffff7d0f953e\
            ffffffffffff350f656affffffffffff360f953effffffffffff350f4206ffffffffffff350fcf2bffff\
            ffffffff350ff38fffffffffffff351f31c712ffffffffffff350f4206ffffffffffff350f11dbffffff\
            ffffffffffffffffff800f9025ffffffffffffffffffffffff7d0feb76ffffffffffff350f1bf4ffffff\
            ffffff370f0a19ffffffffffff350f696affffffffffff350f7183ffffffffffff350fcfd4ffffffffff\
            ff360f0919ffffffffffff350f41afffffffffffff360fc812ffffffffffff360fa457ffffffffffff35\
            2f362c7497ff260f3801fffffffff90fb689ffffffffffff350f1d4bffffffffffff350f840cffffffff\
            ffff350f8d25ffffffffffff360f4306ffffffffffff360f983effffffffffff360f0b19ffffffffffff\
            350f4206ffffffffffff350f5538ffffffffffff350f1332ffffffffffff350f7d9cffffffffffffffff\
            ffffffff7f0fee76ffffffffffff350f4206ffffffffffff350f99e7ffffffffffff350f983effffffff\
            4f506465666768e3fa6b4f220000000ffaffff260f3801950f1332ffffffffffff350fd3d4ffffffffff\
            0b50676861626304608f3e00000000434bc2d2
            """),
    FrameFixture(
        name: "independent, block checksums, no size", textLength: 150000,
        frame: """
            04224d187040adae010000af362c61626364656667680800ffffffffffff2b1f384206ffffffffffff34\
            2f31304306ffffffffffff340fc712ffffffffffff352f3132850cffffffffffff340f0a19ffffffffff\
            ff350f4206ffffffffffff351f31c612ffffffffffff342f31334306ffffffffffff340f4206ffffffff\
            ffff351f31c812ffffffffffff350f4c1fffffffffffff360f1332ffffffffffff351f354c1fffffffff\
            ffffffffffffffffffffffffffffc50f5f51ffffffffffff351f390919ffffffffffff340f4206ffffff\
            ffffff350f973effffffffffff360f4306ffffffffffff360f1332ffffffffffff350fda44ffffffffff\
            ff350f4c1fffffffffffff350f1232ffffffffffff350f7183ffffffffffff360fc712ffffffffffff35\
            0f7a9cffffffffffff350fd02bffffffffffff362f31341d4bffffffffffff340f4206ffffffffffff35\
            0f85b5ffffffffffff360f0a19ffffffffffff350fda44ffffffffffff350f4206ffffffffffff350fe3\
            5dffffffffffff360f3896ffffffffffff350f4206ffffffffffff350fda44ffffffffffff350f5438ff\
            ffffffffff350f4b1fffffffffff90506566676861f476b105b30100008f62636465666768610800843f\
            31302c9b00850f9800ffffffffff9a2f31354306ffffffffffff340f4206ffffffffffff351f39840cff\
            ffffffffff341f344206ffffffffffff341f324206ffffffffffff341f384206ffffffffffff340fcf2b\
            ffffffffffff350fc612ffffffffffff351f37c612ffffffffffff340f8c25ffffffffffff350fd844ff\
            ffffffffff360f4b1fffffffffffff350f953effffffffffff350f5c51ffffffffffffffffffffffff7e\
            1f318f25ffffffffffff361f331432ffffffffffff341f314206ffffffffffff340fc712ffffffffffff\
            360f1432ffffffffffff350f0919ffffffffffff360f4306ffffffffffff360fc812ffffffffffff350f\
            8f25ffffffffffff350fed76ffffffffffff350f0919ffffffffffff360f1432ffffffffffff360f983e\
            ffffffffffff340f0919ffffffffffffffffffffffff7d0f82b5ffffffffffff350fab70ffffffffffff\
            361f317c9cffffffffffff350f860cffffffffffff360f1c4bffffffffffff350f4d1fffffffffffff35\
            0f3a96ffffffffffff350f4206ffffffffffff350fc7bbffffffffffff350f2464fffffffff050666768\
            61625c7a0321900000008f63646566676861620800ff242f372c3a01ff260f3801fffffffff91f314206\
            ffffffffffff341f324206ffffffffffff341f344206ffffffffffff342f31304306ffffffffffff340f\
            4206ffffffffffff350f4b1fffffffffffff351f38c612ffffffffffff340f0919ffffffffffffffffff\
            ffffff7f0fd12bffffffffffff361f330b19ffffffc250626364656694de98bf00000000
            """),
    FrameFixture(
        name: "256 KiB blocks, content checksum", textLength: 300000,
        frame: """
            04224d184450e658060000af362c61626364656667680800ffffffffffff2b1f384206ffffffffffff34\
            2f31304306ffffffffffff340fc712ffffffffffff352f3132850cffffffffffff340f0a19ffffffffff\
            ff350f4206ffffffffffff351f31c612ffffffffffff342f31334306ffffffffffff340f4206ffffffff\
            ffff351f31c812ffffffffffff350f4c1fffffffffffff360f1332ffffffffffff351f354c1fffffffff\
            ffffffffffffffffffffffffffffc50f5f51ffffffffffff351f390919ffffffffffff340f4206ffffff\
            ffffff350f973effffffffffff360f4306ffffffffffff360f1332ffffffffffff350fda44ffffffffff\
            ff350f4c1fffffffffffff350f1232ffffffffffff350f7183ffffffffffff360fc712ffffffffffff35\
            0f7a9cffffffffffff350fd02bffffffffffff362f31341d4bffffffffffff340f4206ffffffffffff35\
            0f85b5ffffffffffff360f0a19ffffffffffff350fda44ffffffffffff350f4206ffffffffffff350fe3\
            5dffffffffffff360f3896ffffffffffff350f4206ffffffffffff350fda44ffffffffffff350f5438ff\
            ffffffffff350f4b1fffffffffffff360fc712ffffffffffff350fa157ffffffffffff360fd944ffffff\
            ffffff350faa70ffffffffffff350f8e25ffffffffffff350f5438ffffffffffff350f5d51ffffffffff\
            ff350fcf2bffffffffffff350fc612ffffffffffff351f376e83ffffffffffffffffffffffffffffffff\
            ffffc50f4b1fffffffffffff350f953effffffffffff350f5c51ffffffffffffffffffffffff7e0f3faf\
            ffffffffffff361f31aa70ffffffffffff360f5638ffffffffffffffffffffffffffffffffffffc50f09\
            19ffffffffffff360f4306ffffffffffff360fdc44ffffffffffff350f8f25ffffffffffff350fed76ff\
            ffffffffff350f0919ffffffffffff360ff68fffffffffffff350f0919ffffffffffffffffffffffffff\
            ffffffffffc50f82b5ffffffffffff350fab70ffffffffffff361f317c9cffffffffffff350f860cffff\
            ffffffff360f1c4bffffffffffff350f4d1fffffffffffff350f3a96ffffffffffff350f4206ffffffff\
            ffff350fc7bbffffffffffff350f1b4bffffffffffff350f840cffffffffffffffffffffffff7d0f953e\
            ffffffffffff350f656affffffffffff360f953effffffffffff350f4206ffffffffffff350fcf2bffff\
            ffffffff350ff38fffffffffffff351f31c712ffffffffffff350f4206ffffffffffff350f11dbffffff\
            ffffffffffffffffff800f9025ffffffffffffffffffffffff7d0feb76ffffffffffff350f1bf4ffffff\
            ffffff370f0a19ffffffffffff350f696affffffffffff350f7183ffffffffffff350fcfd4ffffffffff\
            ff360f0919ffffffffffff350f41afffffffffffff360fc812ffffffffffff360fa457ffffffffffff35\
            af362c61626364656667680800ffffffffffff2b0fb689ffffffffffff350f1d4bffffffffffff350f84\
            0cffffffffffff350f8d25ffffffffffff360f4306ffffffffffff360f983effffffffffff360f0b19ff\
            ffffffffff350f4206ffffffffffff350f5538ffffffffffff350f1332ffffffffffff350f7d9cffffff\
            ffffffffffffffffff7f0fee76ffffffffffff350f4206ffffffffffff350f99e7ffffffffffff350f98\
            3effffffffffff360f1332ffffffffffff350fd3d4ffffffffffff360f4c1fffffffffffff350fe45dff\
            ffffffffff360f5f51ffffffffffff350fd12bffffffffffff350f5f51ffffffffffff360f0a19ffffff\
            ffffff350f8e25ffffffffffff350f4206ffffffffffff351f314c1fffffffffffff351f3842afffffff\
            ffffff340fdbedffffffffffff360f5538ffffffffffff350f307dffffffffffff370f4d1fffffffffff\
            ff350f2764ffffffffffff350f1432ffffffffffff350f4c1fffffffffffff350f5f51ffffffffffff35\
            0fd9edffffffffffff350f973effffffffffff360fd944ffffffffffff340f8c25ffffffffffff350f79\
            9cffffffffffff350fbca2ffffffffffff361f370919ffffffffffff340f676affffffffffff360f963e\
            ffffffffffff350fb289ffffffffffff350fd844ffffffffffff351f314306ffffffffffff350f2364ff\
            ffffffffff350f0919ffffffffffff350f840cffffffffffff350fced4ffffffffffff360fc712ffffff\
            ffffffffffffffffff7d0ff28fffffffffffffffffffffffff7d0f5338ffffffb0506768616263ef0000\
            000f0800ffff6c0f4a1fffffffffffff350fcf2bffffffffffff360f81b5ffffffffffff360f2464ffff\
            ffffffff350f4206ffffffffffff350feb76ffffffffffff360fd12bffffffffffff350f8f25ffffffff\
            ffff360ff58fffffffffffff350fc4bbffffffffffff350fbca2ffffffffffff360fdb44ffffffffffff\
            360fe45dffffffffffff350f4c1fffffffffffff350fd12bffffffffffffffffffffffffffffffffffff\
            c60f8e25ffffffffffff350f4b1fffffffffffff350f19f4ffffffffffff360fa157ffffffffffff350f\
            c712ffffffffffff350f5e51ffffffffffff350fd844ff56506768616263000000008b19865f
            """),
    FrameFixture(
        name: "high compression", textLength: 70000,
        frame: """
            04224d18484070110100000000007781010000af362c61626364656667680800ffffffffffff2b1f3842\
            06ffffffffffff342f31304306ffffffffffff340fc712ffffffffffff352f31320a19ffffffffffff35\
            0f4c1fffffffffffffffffffffffff7d0f4206ffffffffffff351f334306ffffffffffff340f4206ffff\
            ffffffff352f31314c1fffffffffffffffffffffffff7d0f1332ffffffffffff351f354c1fffffffffff\
            ffffffffffffffffffffffffffc50f5f51ffffffffffff351f394206ffffffffffff350f4b1fffffffff\
            ffffffffffffffff7d0f4306ffffffffffff361f35da44ffffffffffffffffffffffff7c1f397183ffff\
            ffffffffffffffffffffffffffffffffc50fc712ffffffffffff351f30d02bffffffffffffffffffffff\
            ff7d2f31344306ffffffffffff341f3485b5ffffffffffffffffffffffff7d1f3542afffffffffffffff\
            ffffffffffffffffffffffc41f33da44ffffffffffffffffffffffff7d1f32da44ffffffffffffffffff\
            ffffff7c1f344b1fffffffffffffffffffffffd7506566676861220000000f963e8d0fa157ffffffffff\
            ffffffffffffff7e0f4206ffffffff3750656667686100000000
            """),
]
