import CinchBackend

/// The reference in Float, rounding only what the host reads, with a fault of choice in every op: whether the table
/// sees the fault proves the table.
final class SaboteurBackend: Backend {
  typealias Scalar = Float
  typealias Buffer = ReferenceBuffer

  enum Fault: String, CaseIterable, Sendable {
    case wrongValue = "a value that is slightly wrong"
    case notANumber = "a NaN in place of a value"
    case lostNaN = "a zero in place of every NaN"
    case poison = "an element never written"
    case overrun = "a write past the end"
    case underrun = "a write before the start"
    case input = "a changed input"
    case restless = "other bits when called again"
    case allocation = "an allocation in every call"
    case wait = "a wait in every call"
    case refusal = "an error"
  }

  let reference = ReferenceBackend()
  private let fault: Fault?
  private var calls = 0
  private var extra = BackendCounters()

  init(_ fault: Fault? = nil) { self.fault = fault }

  var info: DeviceInfo { reference.info }
  var memory: MemoryUse { reference.memory }
  var counters: BackendCounters {
    var counters = reference.counters
    counters.allocations += extra.allocations
    counters.waits += extra.waits
    return counters
  }

  /// Runs an op and harms its first output, or what surrounds it.
  func run(
    _ output: Tensor<Buffer>, inputs: [Tensor<Buffer>], _ op: () throws -> Void
  ) throws {
    calls += 1
    let old = try value(output, 0)
    try op()
    switch fault {
    case nil: break
    // Near the tolerance of a long sum, far beyond that of a short one.
    case .wrongValue: try set(output, output.count / 2, to: value(output, output.count / 2) * 1.001 + 1e-5)
    case .notANumber: try set(output, 0, to: .nan)
    case .lostNaN:
      for i in 0..<output.count where try value(output, i).isNaN { try set(output, i, to: 0) }
    case .poison: try set(output, 0, to: old)
    case .overrun: for i in 0..<2 { try set(output, output.count + i, to: 0) }
    case .underrun: for i in 1...2 { try set(output, -i, to: 0) }
    case .input: if let input = inputs.first { try set(input, 0, to: value(input, 0) + 1) }
    case .restless: try set(output, 0, to: value(output, 0) * (1 + Double(calls % 2) * 0x1p-22))
    case .allocation: extra.allocations += 1
    case .wait: extra.waits += 1
    case .refusal: throw BackendError.device("sabotage")
    }
  }

  private func value(_ tensor: Tensor<Buffer>, _ i: Int) throws -> Double {
    // The saboteur's own look is no wait of the op's.
    extra.waits -= 1
    return try reference.read(Tensor<Buffer>(tensor.buffer, offset: tensor.offset + i, shape: [1]))[0]
  }

  private func set(_ tensor: Tensor<Buffer>, _ i: Int, to value: Double) throws {
    try reference.fill(Tensor(tensor.buffer, offset: tensor.offset + i, shape: [1]), with: value)
  }

  func allocate(_ count: Int) throws -> Buffer { try reference.allocate(count) }
  func write(_ values: UnsafeBufferPointer<Float>, to tensor: Tensor<Buffer>) throws {
    try reference.write(values.map(Double.init), to: tensor)
  }
  func read(_ tensor: Tensor<Buffer>, into values: UnsafeMutableBufferPointer<Float>) throws {
    for (i, value) in try reference.read(tensor).enumerated() { values[i] = Float(value) }
  }
  func fill(_ tensor: Tensor<Buffer>, with value: Float) throws { try reference.fill(tensor, with: Double(value)) }
  func copy(_ source: Tensor<Buffer>, to destination: Tensor<Buffer>) throws {
    try run(destination, inputs: [source]) { try reference.copy(source, to: destination) }
  }
  func synchronize() throws { try reference.synchronize() }

  func matmul(
    _ a: Tensor<Buffer>, transposeA: Bool, _ b: Tensor<Buffer>, transposeB: Bool, into c: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>
  ) throws {
    try run(c, inputs: [b]) {
      try reference.matmul(a, transposeA: transposeA, b, transposeB: transposeB, into: c, epilogue: epilogue)
    }
  }
  func denseGradient(
    delta: Tensor<Buffer>, input: Tensor<Buffer>, weightGradient: Tensor<Buffer>, biasGradient: Tensor<Buffer>,
    scale: Double, accumulate: Bool, accumulateBias: Bool, rowPull: RowPull<Buffer>?
  ) throws {
    try run(weightGradient, inputs: [delta]) {
      try reference.denseGradient(
        delta: delta, input: input, weightGradient: weightGradient, biasGradient: biasGradient, scale: scale,
        accumulate: accumulate, accumulateBias: accumulateBias, rowPull: rowPull)
    }
  }
  func lossPartialCount(rows: Int, columns: Int) -> Int { reference.lossPartialCount(rows: rows, columns: columns) }

  func activate(_ x: Tensor<Buffer>, bias: Tensor<Buffer>?, _ activation: Activation, into y: Tensor<Buffer>) throws {
    try run(y, inputs: [x]) { try reference.activate(x, bias: bias, activation, into: y) }
  }
  func activationGradient(
    _ gradient: Tensor<Buffer>, _ epilogue: ActivationGradient<Buffer>, into result: Tensor<Buffer>
  ) throws {
    try run(result, inputs: [epilogue.output]) {
      try reference.activationGradient(gradient, epilogue, into: result)
    }
  }

  func columnSums(_ x: Tensor<Buffer>, scale: Double, accumulate: Bool, into sums: Tensor<Buffer>) throws {
    try run(sums, inputs: [x]) { try reference.columnSums(x, scale: scale, accumulate: accumulate, into: sums) }
  }
  func rowSquares(_ x: Tensor<Buffer>, into sums: Tensor<Buffer>) throws {
    try run(sums, inputs: [x]) { try reference.rowSquares(x, into: sums) }
  }
  func sumPartialCount(_ count: Int) -> Int { reference.sumPartialCount(count) }
  func sumOfSquares(_ x: Tensor<Buffer>, into partials: Tensor<Buffer>) throws {
    try run(partials, inputs: [x]) { try reference.sumOfSquares(x, into: partials) }
  }
  func sumOfMagnitudes(_ x: Tensor<Buffer>, into partials: Tensor<Buffer>) throws {
    try run(partials, inputs: [x]) { try reference.sumOfMagnitudes(x, into: partials) }
  }
  func total(_ terms: [SumTerm<Buffer>], into result: Tensor<Buffer>) throws {
    try run(result, inputs: terms.map(\.partials)) { try reference.total(terms, into: result) }
  }

  func reconstructionLoss(_ a: Tensor<Buffer>, _ loss: FusedLoss<Buffer>, gradient: Tensor<Buffer>) throws {
    try run(gradient, inputs: [loss.terms.target]) { try reference.reconstructionLoss(a, loss, gradient: gradient) }
  }
  func sampleLosses(_ a: Tensor<Buffer>, _ loss: LossTerms<Buffer>, into losses: Tensor<Buffer>) throws {
    try run(losses, inputs: [a]) { try reference.sampleLosses(a, loss, into: losses) }
  }
  func logVarianceGradient(
    _ partials: Tensor<Buffer>, weight: TotalWeight<Buffer>, logVariance: Tensor<Buffer>, scale: Double,
    into gradient: Tensor<Buffer>
  ) throws {
    try run(gradient, inputs: [partials]) {
      try reference.logVarianceGradient(
        partials, weight: weight, logVariance: logVariance, scale: scale, into: gradient)
    }
  }
  func softmaxLoss(
    _ logits: Tensor<Buffer>, labels: Tensor<Buffer>, gradientScale: Double, gradient: Tensor<Buffer>,
    losses: Tensor<Buffer>, errors: Tensor<Buffer>
  ) throws {
    try run(losses, inputs: [labels]) {
      try reference.softmaxLoss(
        logits, labels: labels, gradientScale: gradientScale, gradient: gradient, losses: losses, errors: errors)
    }
  }

  func mixedOutput(_ a: Tensor<Buffer>, _ columns: OutputColumns<Buffer>, into output: Tensor<Buffer>) throws {
    try run(output, inputs: [a]) { try reference.mixedOutput(a, columns, into: output) }
  }
  func mixedLoss(
    _ a: Tensor<Buffer>, _ columns: OutputColumns<Buffer>, target: Tensor<Buffer>, weight: Tensor<Buffer>?,
    gradientScale: Double, gradient: Tensor<Buffer>, losses: Tensor<Buffer>
  ) throws {
    try run(losses, inputs: [target]) {
      try reference.mixedLoss(
        a, columns, target: target, weight: weight, gradientScale: gradientScale, gradient: gradient, losses: losses)
    }
  }

  func klSparsity(_ h: Tensor<Buffer>, _ settings: KLSettings, _ result: KLResult<Buffer>) throws {
    try run(result.column, inputs: [h]) { try reference.klSparsity(h, settings, result) }
  }
  func contractive(
    _ h: Tensor<Buffer>, _ activation: Activation, norms: Tensor<Buffer>, slopes: Tensor<Buffer>,
    values: Tensor<Buffer>
  ) throws {
    try run(values, inputs: [h]) {
      try reference.contractive(h, activation, norms: norms, slopes: slopes, values: values)
    }
  }

  func gather(_ source: Tensor<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>) throws {
    try run(batch, inputs: [source]) { try reference.gather(source, order, into: batch) }
  }
  func gatherBytes(_ source: ByteRows<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>) throws {
    try checkGather(source, scalar: MemoryLayout<Scalar>.size, order, into: batch)
    try run(batch, inputs: [source.packed]) {
      // The bytes are packed into floats here, into doubles there.
      extra.waits -= 1
      let floats = try reference.read(source.packed).map { Float($0) }
      let values = floats.withUnsafeBytes { bytes in
        (0..<batch.count).map { place -> Double in
          let (row, column) = place.quotientAndRemainder(dividingBy: batch.columns)
          let from = order.permutation?(order.start + row) ?? order.start + row
          return Double(Float(bytes[from * batch.columns + column]) / source.divisor)
        }
      }
      try reference.write(values, to: batch)
    }
  }
  func corrupt(
    _ x: Tensor<Buffer>, _ corruption: Corruption, _ draws: Draws, into corrupted: Tensor<Buffer>
  ) throws {
    try run(corrupted, inputs: [x]) { try reference.corrupt(x, corruption, draws, into: corrupted) }
  }
  func bernoulli(_ p: Tensor<Buffer>, _ draws: Draws, into samples: Tensor<Buffer>) throws {
    try run(samples, inputs: [p]) { try reference.bernoulli(p, draws, into: samples) }
  }

  func sample(_ ms: Tensor<Buffer>, _ draws: Draws?, into z: Tensor<Buffer>) throws {
    try run(z, inputs: [ms]) { try reference.sample(ms, draws, into: z) }
  }
  func sampleGradient(
    _ delta: Tensor<Buffer>, _ ms: Tensor<Buffer>, _ draws: Draws, prior: Double, into result: Tensor<Buffer>
  ) throws {
    try run(result, inputs: [delta]) { try reference.sampleGradient(delta, ms, draws, prior: prior, into: result) }
  }
  func priorDivergence(_ ms: Tensor<Buffer>, into divergences: Tensor<Buffer>) throws {
    try run(divergences, inputs: [ms]) { try reference.priorDivergence(ms, into: divergences) }
  }

  func optimizerStep(
    _ step: OptimizerStep, parameters: Tensor<Buffer>, gradients: Tensor<Buffer>, first: Tensor<Buffer>?,
    second: Tensor<Buffer>?, gradientScale: Tensor<Buffer>?
  ) throws {
    try run(parameters, inputs: [gradients]) {
      try reference.optimizerStep(
        step, parameters: parameters, gradients: gradients, first: first, second: second, gradientScale: gradientScale)
    }
  }
  func clipScale(
    maximum: Double, _ step: OptimizerStep, parameters: Tensor<Buffer>, gradients: Tensor<Buffer>,
    into scale: Tensor<Buffer>
  ) throws {
    try run(scale, inputs: [gradients]) {
      try reference.clipScale(maximum: maximum, step, parameters: parameters, gradients: gradients, into: scale)
    }
  }
}
