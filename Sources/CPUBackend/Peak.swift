import CVector
import CinchBackend

extension CPUBackend: MeasuresPeak {
  /// The best float32 multiply-add rate of all threads on registers alone, in GFLOP/s: the ceiling that
  /// products are measured against. Takes some tenths of a second.
  public func measurePeakGFLOPS() -> Double { cinch_peak_gflops(device) }
}
