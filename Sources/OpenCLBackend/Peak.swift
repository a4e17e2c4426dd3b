import CinchBackend
import FoundationEssentials
import Glibc

extension OpenCLBackend: MeasuresPeak {
  /// Independent chains of multiply-adds: enough to hide the latency of two units, few enough for 16 registers.
  static let peakChains = 12

  /// The float32 rate of fused multiply-adds on registers alone, in GFLOP/s: the best of several runs.
  public func measurePeakGFLOPS() throws -> Double {
    let result = try allocate(1)
    let grid = line(device.computeUnits * (family == .cpu ? 1 : 8))
    // A step of a chain is two operations on a vector.
    let flopsPerTurn = Double(grid.global.0 * Self.peakChains * vectorWidth * 2)
    return try fastest(work: flopsPerTurn, turns: 1000) { turns in
      var call = try call(.peak)
      call.add(whole: result)
      call.add(Float(0.999))
      call.add(Float(0.001))
      call.add(turns)
      try run(call, grid)
    } / 1e9
  }

  public func measureBandwidth(bytes: Int) throws -> Double {
    // Whole vectors for every work-item, so that none is cut short.
    let grid = elements(max(bytes / 8, 1), multiple: vectorWidth)
    let count = family == .cpu ? grid.groups * grid.chunk : bytes / 8
    let (x, y) = (try tensor([count]), try tensor([count]))
    return try fastest(work: Double(8 * count), turns: 1) { turns in
      var call = try call(.stream)
      call.add(x)
      call.add(y)
      call.add(grid.chunk)
      call.add(long: count)
      call.add(turns)
      try run(call, grid)
    }
  }

  /// The best rate of several runs of a kernel that does the same `turns` times: units of work a second.
  ///
  /// - Parameters:
  ///   - work: units of a turn.
  ///   - first: turns of the first run.
  private func fastest(work: Double, turns first: Int, _ launch: (Int) throws -> Void) throws -> Double {
    var (best, turns) = (0.0, first)
    for _ in 0..<24 {
      try synchronize()
      let start = ProcessInfo.processInfo.systemUptime
      try launch(turns)
      try synchronize()
      let seconds = ProcessInfo.processInfo.systemUptime - start
      // The first run compiles; a run should last some milliseconds, or the launch counts.
      if seconds < 0.005, turns < 1 << 28 { turns *= 4 } else { best = max(best, work * Double(turns) / seconds) }
    }
    return best
  }
}
