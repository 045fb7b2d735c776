// XXH32: the checksum inside LZ4 frames. For nothing else. The only importer of CXXHash.

internal import CXXHash

/// XXH32 with seed 0, as LZ4 frames use it for headers, blocks and contents.
package func xxh32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    unsafe XXH32(bytes.baseAddress, bytes.count, 0)
}
