// Devices, and what the kernel tells of them.

import Glibc
import Platform
import TestSupport
import Testing

@Suite struct BlockDeviceTests {
    @Test func numbersAreSplitAsTheSystemSplitsThem() {
        #expect(BlockDevice(number: 65_024).id == "254:0")
        #expect(BlockDevice(number: 45).id == "0:45")
        #expect(BlockDevice(number: 0x0010_3f0b).id == "63:267")
    }

    @Test func aFileIsOnItsDevice() throws {
        let folder = TemporaryDirectory()
        let file = try FileDescriptor.open(folder.path, O_RDONLY | O_DIRECTORY)
        var status = stat()
        #expect(stat(folder.path, &status) == 0)
        let device = try file.device()
        #expect(device == BlockDevice(number: UInt64(status.st_dev)))
        if let byteCount = device.readaheadByteCount { #expect(byteCount % 1024 == 0) }
        #expect(BlockDevice(number: 0xfff_ffff).readaheadByteCount == nil)
    }
}
