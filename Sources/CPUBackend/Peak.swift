import CVector
import CinchBackend

extension CPUBackend: MeasuresPeak {
  /// The best float32 multiply-add rate of all threads on registers alone, in GFLOP/s: the ceiling that
  /// products are measured against. Takes some tenths of a second.
  public func measurePeakGFLOPS() throws -> Double { try queue.run("peak") { cinch_peak_gflops($0) } }

  public func measureBandwidth(bytes: Int) throws -> Double {
    let count = max(bytes / 8, 1)
    let (x, y) = (try tensor([count]), try tensor([count]))
    let (source, result) = (try x.input, try y.pointer)
    return try queue.run("stream") { cinch_bandwidth($0, source, result, Int64(count)) }
  }
}
