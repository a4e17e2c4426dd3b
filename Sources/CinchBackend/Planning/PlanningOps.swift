// Each op's shapes are checked, and nothing is done.
extension PlanningBackend {
  public func write(_ values: UnsafeBufferPointer<Scalar>, to tensor: Tensor<PlannedBuffer>) throws {
    try checkTransfer(tensor, count: values.count)
  }

  public func read(_ tensor: Tensor<PlannedBuffer>, into values: UnsafeMutableBufferPointer<Scalar>) throws {
    try checkTransfer(tensor, count: values.count)
    values.update(repeating: 0)
    wait()
  }

  public func fill(_ tensor: Tensor<PlannedBuffer>, with value: Scalar) throws {
    launch()
  }

  public func copy(_ source: Tensor<PlannedBuffer>, to destination: Tensor<PlannedBuffer>) throws {
    try checkCopy(source, to: destination)
    launch()
  }

  public func synchronize() throws {
    wait()
  }

  // MARK: Products and convolutions

  public func matmul(
    _ a: Tensor<PlannedBuffer>, transposeA: Bool, _ b: Tensor<PlannedBuffer>, transposeB: Bool,
    into c: Tensor<PlannedBuffer>, epilogue: Epilogue<PlannedBuffer>
  ) throws {
    _ = try checkMatmul(
      a, transposeA: transposeA, b, transposeB: transposeB, into: c, epilogue: epilogue, partialCount: lossPartialCount)
    launch()
  }

  public func denseGradient(
    delta: Tensor<PlannedBuffer>, input: Tensor<PlannedBuffer>, weightGradient: Tensor<PlannedBuffer>,
    biasGradient: Tensor<PlannedBuffer>, scale: Double, accumulate: Bool, accumulateBias: Bool,
    rowPull: RowPull<PlannedBuffer>?
  ) throws {
    _ = try checkDenseGradient(
      delta: delta, input: input, weightGradient: weightGradient, biasGradient: biasGradient, rowPull: rowPull)
    launch()
  }

  public func lossPartialCount(rows: Int, columns: Int) -> Int { base.lossPartialCount(rows: rows, columns: columns) }

  public func convolve(
    _ x: Tensor<PlannedBuffer>, _ weight: Tensor<PlannedBuffer>, _ geometry: ConvolutionGeometry,
    into y: Tensor<PlannedBuffer>, epilogue: Epilogue<PlannedBuffer>
  ) throws {
    _ = try checkConvolution(
      large: x, small: y, weight: weight, geometry, epilogue: epilogue, result: .small, partialCount: lossPartialCount)
    launch()
  }

  public func convolveTransposed(
    _ y: Tensor<PlannedBuffer>, _ weight: Tensor<PlannedBuffer>, _ geometry: ConvolutionGeometry,
    into x: Tensor<PlannedBuffer>, epilogue: Epilogue<PlannedBuffer>
  ) throws {
    _ = try checkConvolution(
      large: x, small: y, weight: weight, geometry, epilogue: epilogue, result: .large, partialCount: lossPartialCount)
    launch()
  }

  public func convolutionGradient(
    x: Tensor<PlannedBuffer>, y: Tensor<PlannedBuffer>, _ geometry: ConvolutionGeometry,
    weightGradient: Tensor<PlannedBuffer>, biasGradient: Tensor<PlannedBuffer>, delta: ConvolutionSide,
    accumulate: Bool, accumulateBias: Bool
  ) throws {
    _ = try checkConvolutionGradient(
      x: x, y: y, geometry, weightGradient: weightGradient, biasGradient: biasGradient, delta: delta)
    launch()
  }

  public func lossPartialCount(_ geometry: ConvolutionGeometry, samples: Int, result side: ConvolutionSide) -> Int {
    base.lossPartialCount(geometry, samples: samples, result: side)
  }

  // MARK: Passes

  public func activate(
    _ x: Tensor<PlannedBuffer>, bias: Tensor<PlannedBuffer>?, _ activation: Activation, into y: Tensor<PlannedBuffer>
  ) throws {
    try checkActivate(x, bias: bias, into: y)
    launch()
  }

  public func activationGradient(
    _ gradient: Tensor<PlannedBuffer>, _ epilogue: ActivationGradient<PlannedBuffer>, into result: Tensor<PlannedBuffer>
  ) throws {
    try checkActivationGradient(gradient, epilogue, into: result)
    launch()
  }

  public func tapSums(
    _ weight: Tensor<PlannedBuffer>, box: (height: Int, width: Int), turned: Bool, into result: Tensor<PlannedBuffer>
  ) throws {
    _ = try checkTapSums(weight, box: box, turned: turned, into: result)
    launch()
  }

  public func convolvePooled(
    _ x: Tensor<PlannedBuffer>, _ weight: Tensor<PlannedBuffer>, _ geometry: ConvolutionGeometry,
    bias: Tensor<PlannedBuffer>?, activation: Activation, _ pooling: PoolingGeometry, into y: Tensor<PlannedBuffer>,
    switches: Tensor<PlannedBuffer>
  ) throws {
    _ = try checkPooledConvolution(x, weight, geometry, bias: bias, pooling, into: y, switches: switches)
    launch()
  }

  public func pooledConvolutionGradient(
    x: Tensor<PlannedBuffer>, delta: Tensor<PlannedBuffer>, switches: Tensor<PlannedBuffer>,
    _ geometry: ConvolutionGeometry, _ pooling: PoolingGeometry, weightGradient: Tensor<PlannedBuffer>,
    biasGradient: Tensor<PlannedBuffer>, accumulate: Bool
  ) throws {
    _ = try checkPooledGradient(
      x: x, delta: delta, switches: switches, geometry, pooling, weightGradient: weightGradient,
      biasGradient: biasGradient)
    launch()
  }

  public func maxPool(
    _ x: Tensor<PlannedBuffer>, _ geometry: PoolingGeometry, into y: Tensor<PlannedBuffer>,
    switches: Tensor<PlannedBuffer>
  ) throws {
    _ = try checkPooling("maxPool", large: x, small: y, switches: switches, geometry, result: .small)
    launch()
  }

  public func unpool(
    _ y: Tensor<PlannedBuffer>, switches: Tensor<PlannedBuffer>, _ geometry: PoolingGeometry,
    into x: Tensor<PlannedBuffer>, below: ActivationGradient<PlannedBuffer>?
  ) throws {
    _ = try checkPooling("unpool", large: x, small: y, switches: switches, geometry, below: below, result: .large)
    launch()
  }

  public func pickSwitches(
    _ x: Tensor<PlannedBuffer>, switches: Tensor<PlannedBuffer>, _ geometry: PoolingGeometry,
    into y: Tensor<PlannedBuffer>, below: ActivationGradient<PlannedBuffer>?
  ) throws {
    _ = try checkPooling("pickSwitches", large: x, small: y, switches: switches, geometry, below: below, result: .small)
    launch()
  }

  public func poolSum(
    _ x: Tensor<PlannedBuffer>, _ geometry: PoolingGeometry, mean: Bool, into y: Tensor<PlannedBuffer>,
    below: ActivationGradient<PlannedBuffer>?
  ) throws {
    _ = try checkPooling("poolSum", large: x, small: y, geometry, below: below, result: .small)
    launch()
  }

  public func poolSpread(
    _ y: Tensor<PlannedBuffer>, _ geometry: PoolingGeometry, mean: Bool, into x: Tensor<PlannedBuffer>,
    below: ActivationGradient<PlannedBuffer>?
  ) throws {
    _ = try checkPooling("poolSpread", large: x, small: y, geometry, below: below, result: .large)
    launch()
  }

  public func columnSums(_ x: Tensor<PlannedBuffer>, scale: Double, accumulate: Bool, into sums: Tensor<PlannedBuffer>)
    throws
  {
    try checkColumnSums(x, into: sums)
    launch()
  }

  public func rowSquares(_ x: Tensor<PlannedBuffer>, into sums: Tensor<PlannedBuffer>) throws {
    try checkRowSquares(x, into: sums)
    launch()
  }

  public func sumPartialCount(_ count: Int) -> Int { base.sumPartialCount(count) }

  public func sumOfSquares(_ x: Tensor<PlannedBuffer>, into partials: Tensor<PlannedBuffer>) throws {
    try checkPartialSums(partials, count: sumPartialCount(x.count), op: "sumOfSquares")
    launch()
  }

  public func sumOfMagnitudes(_ x: Tensor<PlannedBuffer>, into partials: Tensor<PlannedBuffer>) throws {
    try checkPartialSums(partials, count: sumPartialCount(x.count), op: "sumOfMagnitudes")
    launch()
  }

  public func total(_ terms: [SumTerm<PlannedBuffer>], into result: Tensor<PlannedBuffer>) throws {
    try checkTotal(terms, into: result)
    launch()
  }

  public func reconstructionLoss(
    _ a: Tensor<PlannedBuffer>, _ loss: FusedLoss<PlannedBuffer>, gradient: Tensor<PlannedBuffer>
  ) throws {
    try checkReconstructionLoss(
      a, loss, gradient: gradient, partialCount: lossPartialCount(rows: a.rows, columns: a.columns))
    launch()
  }

  public func sampleLosses(
    _ a: Tensor<PlannedBuffer>, _ loss: LossTerms<PlannedBuffer>, into losses: Tensor<PlannedBuffer>
  ) throws {
    _ = try checkSampleLosses(a, loss, into: losses)
    launch()
  }

  public func logVarianceGradient(
    _ partials: Tensor<PlannedBuffer>, weight: TotalWeight<PlannedBuffer>, logVariance: Tensor<PlannedBuffer>,
    scale: Double, into gradient: Tensor<PlannedBuffer>
  ) throws {
    try checkLogVarianceGradient(logVariance: logVariance, into: gradient)
    launch()
  }

  public func softmaxLoss(
    _ logits: Tensor<PlannedBuffer>, labels: Tensor<PlannedBuffer>, gradientScale: Double,
    gradient: Tensor<PlannedBuffer>, losses: Tensor<PlannedBuffer>, errors: Tensor<PlannedBuffer>
  ) throws {
    try checkSoftmaxLoss(logits, labels: labels, gradient: gradient, losses: losses, errors: errors)
    launch()
  }

  public func mixedOutput(
    _ a: Tensor<PlannedBuffer>, _ columns: OutputColumns<PlannedBuffer>, into output: Tensor<PlannedBuffer>
  ) throws {
    try checkMixedOutput(a, columns, into: output)
    launch()
  }

  public func mixedLoss(
    _ a: Tensor<PlannedBuffer>, _ columns: OutputColumns<PlannedBuffer>, target: Tensor<PlannedBuffer>,
    weight: Tensor<PlannedBuffer>?, gradientScale: Double, gradient: Tensor<PlannedBuffer>,
    losses: Tensor<PlannedBuffer>
  ) throws {
    try checkMixedLoss(a, columns, target: target, weight: weight, gradient: gradient, losses: losses)
    launch()
  }

  public func klSparsity(_ h: Tensor<PlannedBuffer>, _ settings: KLSettings, _ result: KLResult<PlannedBuffer>) throws {
    try checkKLSparsity(h, settings, result)
    launch()
  }

  public func contractive(
    _ h: Tensor<PlannedBuffer>, _ activation: Activation, norms: Tensor<PlannedBuffer>, slopes: Tensor<PlannedBuffer>,
    values: Tensor<PlannedBuffer>
  ) throws {
    try checkContractive(h, norms: norms, slopes: slopes, values: values)
    launch()
  }

  // MARK: Batches, draws and updates

  public func gather(_ source: Tensor<PlannedBuffer>, _ order: SampleOrder, into batch: Tensor<PlannedBuffer>) throws {
    try checkGather(source, order, into: batch)
    launch()
  }

  public func gatherBytes(_ source: ByteRows<PlannedBuffer>, _ order: SampleOrder, into batch: Tensor<PlannedBuffer>)
    throws
  {
    try checkGather(source, scalar: MemoryLayout<Scalar>.size, order, into: batch)
    launch()
  }

  public func corrupt(
    _ x: Tensor<PlannedBuffer>, _ corruption: Corruption, _ draws: Draws, into corrupted: Tensor<PlannedBuffer>
  ) throws {
    try checkCorrupt(x, corruption, draws, into: corrupted)
    launch()
  }

  public func gather(
    _ source: Tensor<PlannedBuffer>, _ order: SampleOrder, into batch: Tensor<PlannedBuffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<PlannedBuffer>
  ) throws {
    try checkGather(source, order, into: batch)
    try checkCorrupt(batch, corruption, draws, into: corrupted)
    launch()
  }

  public func gatherBytes(
    _ source: ByteRows<PlannedBuffer>, _ order: SampleOrder, into batch: Tensor<PlannedBuffer>,
    _ corruption: Corruption, _ draws: Draws, corrupted: Tensor<PlannedBuffer>
  ) throws {
    try checkGather(source, scalar: MemoryLayout<Scalar>.size, order, into: batch)
    try checkCorrupt(batch, corruption, draws, into: corrupted)
    launch()
  }

  public func bernoulli(_ p: Tensor<PlannedBuffer>, _ draws: Draws, into samples: Tensor<PlannedBuffer>) throws {
    try checkBernoulli(p, draws, into: samples)
    launch()
  }

  public func sample(_ ms: Tensor<PlannedBuffer>, _ draws: Draws?, into z: Tensor<PlannedBuffer>) throws {
    _ = try checkSampling("sample", ms, z, "the code", draws)
    launch()
  }

  public func sampleGradient(
    _ delta: Tensor<PlannedBuffer>, _ ms: Tensor<PlannedBuffer>, _ draws: Draws, prior: Double,
    into result: Tensor<PlannedBuffer>
  ) throws {
    _ = try checkSampleGradient(delta, ms, draws, into: result)
    launch()
  }

  public func priorDivergence(_ ms: Tensor<PlannedBuffer>, into divergences: Tensor<PlannedBuffer>) throws {
    try checkPriorDivergence(ms, into: divergences)
    launch()
  }

  public func optimizerStep(
    _ step: OptimizerStep, parameters: Tensor<PlannedBuffer>, gradients: Tensor<PlannedBuffer>,
    first: Tensor<PlannedBuffer>?, second: Tensor<PlannedBuffer>?, gradientScale: Tensor<PlannedBuffer>?
  ) throws {
    try checkOptimizerStep(
      step, parameters: parameters, gradients: gradients, first: first, second: second, gradientScale: gradientScale)
    launch()
  }

  public func clipScale(
    maximum: Double, _ step: OptimizerStep, parameters: Tensor<PlannedBuffer>, gradients: Tensor<PlannedBuffer>,
    into scale: Tensor<PlannedBuffer>
  ) throws {
    try checkClipScale(maximum: maximum, step, parameters: parameters, gradients: gradients, into: scale)
    launch()
  }
}
