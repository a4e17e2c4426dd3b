import CDeflate
import CinchBackend

/// Unpacks a whole stream of deflate (RFC 1951) at once, through libdeflate, which takes a third of zlib's time. It says
/// nothing of streams that are damaged, cut or of another length: `InflateStream` says what is wrong with them.
enum WholeDeflate {
  /// More bytes pass in pieces, which tell of progress and take memory as they come.
  static let largest = 128 << 20
  /// Of a gzip header's flags: it has a checksum of its own (RFC 1952), which libdeflate leaves out.
  private static let headerChecksum: UInt8 = 2

  /// - Returns: what is packed; nil where that is not one sound stream of `size` bytes that ends where `source` does.
  static func unpack(_ source: UnsafeRawBufferPointer, _ wrapper: InflateStream.Wrapper, size: Int) -> [UInt8]? {
    let hasChecksum = wrapper == .gzip && source.count > 3 && source[3] & headerChecksum != 0
    guard !hasChecksum, (1...largest).contains(size), size / InflateStream.largestRatio <= source.count,
      HostMemory.fits(size),
      let decompressor = libdeflate_alloc_decompressor()
    else { return nil }
    defer { libdeflate_free_decompressor(decompressor) }
    var read = 0, isSound = false
    // Pages that nothing is written to take no memory, whatever the size was said to be.
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      let from = source.baseAddress, to = buffer.baseAddress
      let status =
        wrapper == .gzip
        ? libdeflate_gzip_decompress_ex(decompressor, from, source.count, to, size, &read, &count)
        : libdeflate_deflate_decompress_ex(decompressor, from, source.count, to, size, &read, &count)
      isSound = status == LIBDEFLATE_SUCCESS && count == size
      if !isSound { count = 0 }
    }
    return isSound && read == source.count ? bytes : nil
  }
}
