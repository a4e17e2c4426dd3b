import CZlib
import CinchBackend

// What samples take without a model: what compression by one is held against.
extension Dataset {
  /// Bytes of the raw samples: one a value where their file has bytes, else the four of a Float.
  package var rawSize: Int { count * features * (rows.storage.isBytes ? 1 : MemoryLayout<Float>.size) }

  /// What zlib's deflate makes of the raw samples at its best level, in bytes.
  ///
  /// - Throws: `CinchError.unavailable` where zlib cannot start.
  package func deflatedSize() throws -> Int {
    var raw = rows
    raw.scaler = nil
    let deflate = try Deflate()
    guard raw.areBytes else {
      raw.forEachBlock { deflate.add(UnsafeRawBufferPointer($1)) }
      return deflate.finish()
    }
    let together = raw.rowsAtOnce
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: min(together, count) * features) { block in
      for first in stride(from: 0, to: count, by: together) {
        let rows = first..<min(first + together, count)
        raw.readBytes(rows, into: block.baseAddress!)
        deflate.add(UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: block[..<(rows.count * features)])))
      }
    }
    return deflate.finish()
  }

  /// The mean of (x̂ − x)² over samples and elements that are there; not a number where the two are not of one size.
  package func meanSquaredError(of other: Dataset) -> Double {
    guard count == other.count, features == other.features else { return .nan }
    let other = other.values
    var (sum, cells, start) = (0.0, 0.0, 0)
    ordered(.nchw).forEachObservedRow { values, shares in
      for (place, value) in values.enumerated() {
        let share = shares.map { Double($0[place]) } ?? 1
        let difference = Double(value) - Double(other[start + place])
        sum += share * difference * difference
        cells += share
      }
      start += features
    }
    return sum / max(cells, .leastNormalMagnitude)
  }
}

/// Counts what zlib makes of bytes, and keeps none of it.
private final class Deflate {
  // zlib keeps a pointer back to its stream, which must therefore stay where it is.
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  private var size = 0

  init() throws {
    stream.initialize(to: z_stream())
    guard deflateInit_(stream, Z_BEST_COMPRESSION, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw CinchError.unavailable("Zlib cannot start: free some memory, or install zlib1g 1.2.9 or later.")
    }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  func add(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      run(part, Z_NO_FLUSH)
      rest = rest.dropFirst(part.count)
    }
  }

  func finish() -> Int {
    run(UnsafeRawBufferPointer(start: nil, count: 0), Z_FINISH)
    return size
  }

  private func run(_ bytes: UnsafeRawBufferPointer, _ flush: Int32) {
    stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.pointee.avail_in = UInt32(bytes.count)
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1 << 16) { output in
      repeat {
        stream.pointee.next_out = output.baseAddress
        stream.pointee.avail_out = UInt32(output.count)
        deflate(stream, flush)
        size += output.count - Int(stream.pointee.avail_out)
      } while stream.pointee.avail_out == 0
    }
  }
}
