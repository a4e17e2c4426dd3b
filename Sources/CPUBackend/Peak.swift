import CVector
import CinchBackend

extension CPUBackend: MeasuresPeak {
  /// The best float32 multiply-add rate of all threads on registers alone, in GFLOP/s: the ceiling that
  /// products are measured against. Takes some tenths of a second.
  public func measurePeakGFLOPS() -> Double { cinch_peak_gflops(device) }

  public func measureBandwidth(bytes: Int) throws -> Double {
    let count = max(bytes / 8, 1)
    let (x, y) = (try tensor([count]), try tensor([count]))
    return cinch_bandwidth(device, try x.input, try y.pointer, Int64(count))
  }
}
