/// What a device's hardware could do at best, to hold a measurement against.
public protocol MeasuresPeak {
  /// The highest rate of float32 multiply-adds seen in a loop that touches registers alone, in 10⁹ floating-point
  /// operations a second (a multiply-add is two).
  func measurePeakGFLOPS() throws -> Double
}
