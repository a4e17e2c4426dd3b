/// What a device's hardware could do at best, to hold a measurement against.
public protocol MeasuresPeak {
  /// The highest rate of float32 multiply-adds seen in a loop that touches registers alone, in 10⁹ floating-point
  /// operations a second (a multiply-add is two).
  func measurePeakGFLOPS() throws -> Double

  /// The highest rate at which a pass y = x + 1 was seen to run that reads and writes so many bytes in all, again and
  /// again, in bytes a second: that of the cache that holds them, or of memory.
  func measureBandwidth(bytes: Int) throws -> Double
}
