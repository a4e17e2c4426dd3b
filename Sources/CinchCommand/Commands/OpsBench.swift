import Cinch
import CinchBackend
import CinchCore

/// Times the three modes of a convolution, each alone and as a training step of the workload runs it.
struct OpsBench {
  let workload: String
  let batch: Int
  let repeats: Int
  let peak: Double?

  /// A measurement runs at least so long.
  private static let least = Duration.milliseconds(100)

  /// One row a mode. The first layer has no input gradient.
  func measure<B: Backend>(_ layer: ConvolutionLayerShape, on backend: B) throws -> [OpsRow] {
    let g = layer.geometry
    let philox = Philox(seed: 1, stream: .test)
    var step: UInt64 = 0
    func filled(_ shape: Shape) throws -> Tensor<B.Buffer> {
      step += 1
      return try backend.tensor(
        shape, (0..<shape.count).map { B.Scalar(Philox.uniform(philox.word(element: $0, step: step)) - 0.5) })
    }
    let (large, small) = (try filled(g.large(batch)), try filled(g.small(batch)))
    let (largeResult, smallResult) = (try backend.tensor(g.large(batch)), try backend.tensor(g.small(batch)))
    let (weight, weightGradient) = (try filled(g.weightShape), try backend.tensor(g.weightShape))
    let units = layer.isTransposed ? g.channels : g.outputChannels
    let (bias, biasGradient) = (try filled([units]), try backend.tensor([units]))

    // A convolution's input gradient is the transposed convolution, and the reverse.
    func run(transposed: Bool, _ epilogue: Epilogue<B.Buffer>) throws {
      if transposed {
        try backend.convolveTransposed(small, weight, g, into: largeResult, epilogue: epilogue)
      } else {
        try backend.convolve(large, weight, g, into: smallResult, epilogue: epilogue)
      }
    }
    let forward = Epilogue<B.Buffer>.forward(bias: bias, activation: layer.activation)
    let below = ActivationGradient<B.Buffer>(.relu, output: layer.isTransposed ? small : large)
    var rows = [
      try row("forward", layer, backend) { try run(transposed: layer.isTransposed, forward) }
    ]
    if layer.name != "encoder.0" {
      rows.append(
        try row("input gradient", layer, backend) { try run(transposed: !layer.isTransposed, .backward(below)) })
    }
    rows.append(
      try row("weight gradient", layer, backend) {
        try backend.convolutionGradient(
          x: large, y: small, g, weightGradient: weightGradient, biasGradient: biasGradient,
          delta: layer.isTransposed ? .large : .small, accumulate: false)
      })
    return rows
  }

  private func row<B: Backend>(
    _ mode: String, _ layer: ConvolutionLayerShape, _ backend: B, _ body: () throws -> Void
  ) throws -> OpsRow {
    func time(_ count: Int) throws -> Duration {
      let start = ContinuousClock.now
      for _ in 0..<count { try body() }
      try backend.synchronize()
      return ContinuousClock.now - start
    }
    _ = try time(2)
    var count = 1
    var taken = try time(count)
    while taken < Self.least {
      count *= 2
      taken = try time(count)
    }
    let seconds = try (0..<repeats).map { _ in try time(count).seconds / Double(count) }.sorted()
    let gflops = layer.geometry.flops * Double(batch) / seconds[seconds.count / 2] / 1e9
    return OpsRow(
      workload: workload, device: backend.info.identifier, layer: layer.name, op: mode, batch: batch,
      microseconds: seconds[seconds.count / 2] * 1e6, gflops: gflops, peakGflops: peak,
      rooflineFraction: peak.map { gflops / $0 })
  }
}

/// One op's figures: the median of the repeats.
struct OpsRow: Encodable {
  var workload: String
  var device: String
  var layer: String
  var op: String
  var batch: Int
  var microseconds: Double
  var gflops: Double
  var peakGflops: Double?
  var rooflineFraction: Double?
}

/// Prints rows as they come, as a table or as JSON lines.
struct OpsTable {
  let device: DeviceInfo
  let json: Bool
  private var isFirst = true

  init(device: DeviceInfo, json: Bool) {
    self.device = device
    self.json = json
  }

  mutating func add(_ row: OpsRow) throws {
    defer { isFirst = false }
    if json { return try Output.result(JSONValue.line(row)) }
    if isFirst {
      try Output.result("\(device.identifier)  \(device.name)\n")
      try Output.result("workload  layer       op               batch        µs   GFLOP/s   of peak")
    }
    func column(_ text: String, _ width: Int) -> String { text.padding(toLength: width, withPad: " ", startingAt: 0) }
    let share = row.rooflineFraction.map { "\(Int(($0 * 100).rounded())) % of \(Int(row.peakGflops ?? 0))" } ?? "–"
    try Output.result(
      column(row.workload, 10) + column(row.layer, 12) + column(row.op, 16)
        + String(format: "%6d%10.0f%10.1f   ", row.batch, row.microseconds, row.gflops) + share)
  }

  func finish() throws {
    guard !json else { return }
    try Output.result("\nPeak is the rate of a multiply-add loop in registers, measured in this run.")
  }
}
