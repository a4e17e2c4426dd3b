// Each op with what it reads and writes.
extension TracingBackend {
  public func matmul(
    _ a: Tensor<Buffer>, transposeA: Bool, _ b: Tensor<Buffer>, transposeB: Bool, into c: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>
  ) throws {
    let end = Ending(epilogue, result: "c", c)
    let steps = transposeA ? a.rows : a.columns
    try trace(
      "matmul", [.read("a", a), .read("b", b)] + end.operands, operations: 2 * Double(c.count) * Double(steps),
      (transposeA ? "aᵀ " : "") + (transposeB ? "bᵀ " : "") + end.settings
    ) {
      try base.matmul(a, transposeA: transposeA, b, transposeB: transposeB, into: c, epilogue: epilogue)
    }
  }

  public func denseGradient(
    delta: Tensor<Buffer>, input: Tensor<Buffer>, weightGradient: Tensor<Buffer>, biasGradient: Tensor<Buffer>,
    scale: Double, accumulate: Bool, accumulateBias: Bool, rowPull: RowPull<Buffer>?
  ) throws {
    var operands: [Operand] = [.read("delta", delta), .read("input", input)]
    if let rowPull { operands += [.read("scale", rowPull.scale), .read("weight", rowPull.weight)] }
    operands.append(accumulate ? .update("dW", weightGradient) : .write("dW", weightGradient))
    operands.append(accumulateBias ? .update("db", biasGradient) : .write("db", biasGradient))
    try trace(
      "denseGradient", operands, operations: 2 * Double(delta.count) * Double(input.columns),
      [scale == 1 ? nil : "scale \(number(scale))", rowPull.map { "pull \(number($0.factor))" }]
        .compactMap { $0 }.joined(separator: " ")
    ) {
      try base.denseGradient(
        delta: delta, input: input, weightGradient: weightGradient, biasGradient: biasGradient, scale: scale,
        accumulate: accumulate, accumulateBias: accumulateBias, rowPull: rowPull)
    }
  }

  public func lossPartialCount(rows: Int, columns: Int) -> Int { base.lossPartialCount(rows: rows, columns: columns) }

  public func activate(
    _ x: Tensor<Buffer>, bias: Tensor<Buffer>?, _ activation: Activation, into y: Tensor<Buffer>
  ) throws {
    let operands = [.read("x", x)] + read("bias", bias) + [Operand.write("y", y)]
    try trace("activate", operands, activation.rawValue) { try base.activate(x, bias: bias, activation, into: y) }
  }

  public func activationGradient(
    _ gradient: Tensor<Buffer>, _ epilogue: ActivationGradient<Buffer>, into result: Tensor<Buffer>
  ) throws {
    let end = Ending(.backward(epilogue), result: "result", result)
    try trace("activationGradient", [.read("gradient", gradient)] + end.operands, end.settings) {
      try base.activationGradient(gradient, epilogue, into: result)
    }
  }

  // MARK: Convolution and pooling

  public func convolve(
    _ x: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, into y: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>
  ) throws {
    let end = Ending(epilogue, result: "y", y)
    try trace(
      "convolve", [.read("x", x), .read("weight", weight)] + end.operands,
      operations: geometry.flops * Double(samples(y)), "\(text(geometry)) \(end.settings)"
    ) {
      try base.convolve(x, weight, geometry, into: y, epilogue: epilogue)
    }
  }

  public func convolveTransposed(
    _ y: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, into x: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>
  ) throws {
    let end = Ending(epilogue, result: "x", x)
    try trace(
      "convolveTransposed", [.read("y", y), .read("weight", weight)] + end.operands,
      operations: geometry.flops * Double(samples(x)), "\(text(geometry)) \(end.settings)"
    ) {
      try base.convolveTransposed(y, weight, geometry, into: x, epilogue: epilogue)
    }
  }

  public func convolutionGradient(
    x: Tensor<Buffer>, y: Tensor<Buffer>, _ geometry: ConvolutionGeometry, weightGradient: Tensor<Buffer>,
    biasGradient: Tensor<Buffer>, delta: ConvolutionSide, accumulate: Bool, accumulateBias: Bool
  ) throws {
    let operands: [Operand] = [
      .read("x", x), .read("y", y), accumulate ? .update("dW", weightGradient) : .write("dW", weightGradient),
      accumulateBias ? .update("db", biasGradient) : .write("db", biasGradient),
    ]
    try trace(
      "convolutionGradient", operands, operations: geometry.flops * Double(samples(x)),
      "\(text(geometry)) δ is \(delta)"
    ) {
      try base.convolutionGradient(
        x: x, y: y, geometry, weightGradient: weightGradient, biasGradient: biasGradient, delta: delta,
        accumulate: accumulate, accumulateBias: accumulateBias)
    }
  }

  public func tapSums(
    _ weight: Tensor<Buffer>, box: (height: Int, width: Int), turned: Bool, into result: Tensor<Buffer>
  ) throws {
    try trace(
      "tapSums", [.read("weight", weight), .write("result", result)],
      "\(box.height)×\(box.width)\(turned ? " turned" : "")"
    ) {
      try base.tapSums(weight, box: box, turned: turned, into: result)
    }
  }

  public func lossPartialCount(_ geometry: ConvolutionGeometry, samples: Int, result side: ConvolutionSide) -> Int {
    base.lossPartialCount(geometry, samples: samples, result: side)
  }

  public func convolvePooled(
    _ x: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, bias: Tensor<Buffer>?,
    activation: Activation, _ pooling: PoolingGeometry, into y: Tensor<Buffer>, switches: Tensor<Buffer>
  ) throws {
    let end = Ending(.forward(bias: bias, activation: activation), result: "y", y)
    try trace(
      "convolvePooled", [.read("x", x), .read("weight", weight)] + end.operands + [.write("switches", switches)],
      operations: geometry.flops * Double(samples(x)), "\(text(geometry)) \(end.settings) pooled \(text(pooling))"
    ) {
      try base.convolvePooled(
        x, weight, geometry, bias: bias, activation: activation, pooling, into: y, switches: switches)
    }
  }

  public func pooledConvolutionGradient(
    x: Tensor<Buffer>, delta: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: ConvolutionGeometry,
    _ pooling: PoolingGeometry, weightGradient: Tensor<Buffer>, biasGradient: Tensor<Buffer>, accumulate: Bool
  ) throws {
    let operands: [Operand] = [
      .read("x", x), .read("δ", delta), .read("switches", switches),
      accumulate ? .update("dW", weightGradient) : .write("dW", weightGradient), .write("db", biasGradient),
    ]
    try trace(
      "pooledConvolutionGradient", operands, operations: geometry.flops * Double(samples(x)),
      "\(text(geometry)) pooled \(text(pooling))"
    ) {
      try base.pooledConvolutionGradient(
        x: x, delta: delta, switches: switches, geometry, pooling, weightGradient: weightGradient,
        biasGradient: biasGradient, accumulate: accumulate)
    }
  }

  public func maxPool(
    _ x: Tensor<Buffer>, _ geometry: PoolingGeometry, into y: Tensor<Buffer>, switches: Tensor<Buffer>
  ) throws {
    try trace("maxPool", [.read("x", x), .write("y", y), .write("switches", switches)], text(geometry)) {
      try base.maxPool(x, geometry, into: y, switches: switches)
    }
  }

  public func unpool(
    _ y: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: PoolingGeometry, into x: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    let end = Ending(below.map { .backward($0) } ?? .none, result: "x", x)
    try trace(
      "unpool", [.read("y", y), .read("switches", switches)] + end.operands, "\(text(geometry)) \(end.settings)"
    ) {
      try base.unpool(y, switches: switches, geometry, into: x, below: below)
    }
  }

  public func pickSwitches(
    _ x: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: PoolingGeometry, into y: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    let end = Ending(below.map { .backward($0) } ?? .none, result: "y", y)
    try trace(
      "pickSwitches", [.read("x", x), .read("switches", switches)] + end.operands, "\(text(geometry)) \(end.settings)"
    ) {
      try base.pickSwitches(x, switches: switches, geometry, into: y, below: below)
    }
  }

  public func poolSum(
    _ x: Tensor<Buffer>, _ geometry: PoolingGeometry, mean: Bool, into y: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    let end = Ending(below.map { .backward($0) } ?? .none, result: "y", y)
    try trace(
      "poolSum", [.read("x", x)] + end.operands, "\(text(geometry)) \(mean ? "mean" : "sum") \(end.settings)"
    ) {
      try base.poolSum(x, geometry, mean: mean, into: y, below: below)
    }
  }

  public func poolSpread(
    _ y: Tensor<Buffer>, _ geometry: PoolingGeometry, mean: Bool, into x: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    let end = Ending(below.map { .backward($0) } ?? .none, result: "x", x)
    try trace(
      "poolSpread", [.read("y", y)] + end.operands, "\(text(geometry)) \(mean ? "mean" : "sum") \(end.settings)"
    ) {
      try base.poolSpread(y, geometry, mean: mean, into: x, below: below)
    }
  }

  // MARK: Sums, losses and penalties

  public func columnSums(
    _ x: Tensor<Buffer>, scale: Double, accumulate: Bool, into sums: Tensor<Buffer>
  ) throws {
    let result: Operand = accumulate ? .update("sums", sums) : .write("sums", sums)
    try trace("columnSums", [.read("x", x), result], "scale \(number(scale))") {
      try base.columnSums(x, scale: scale, accumulate: accumulate, into: sums)
    }
  }

  public func rowSquares(_ x: Tensor<Buffer>, into sums: Tensor<Buffer>) throws {
    try trace("rowSquares", [.read("x", x), .write("sums", sums)]) { try base.rowSquares(x, into: sums) }
  }

  public func sumPartialCount(_ count: Int) -> Int { base.sumPartialCount(count) }

  public func sumOfSquares(_ x: Tensor<Buffer>, into partials: Tensor<Buffer>) throws {
    try trace("sumOfSquares", [.read("x", x), .write("partials", partials)]) {
      try base.sumOfSquares(x, into: partials)
    }
  }

  public func sumOfMagnitudes(_ x: Tensor<Buffer>, into partials: Tensor<Buffer>) throws {
    try trace("sumOfMagnitudes", [.read("x", x), .write("partials", partials)]) {
      try base.sumOfMagnitudes(x, into: partials)
    }
  }

  public func total(_ terms: [SumTerm<Buffer>], into result: Tensor<Buffer>) throws {
    let operands: [Operand] = terms.enumerated().map { .read("term\($0)", $1.partials) } + [.write("result", result)]
    try trace("total", operands, "scales \(terms.map { number($0.scale) }.joined(separator: ", "))") {
      try base.total(terms, into: result)
    }
  }

  public func reconstructionLoss(
    _ a: Tensor<Buffer>, _ loss: FusedLoss<Buffer>, gradient: Tensor<Buffer>
  ) throws {
    let end = Ending(.loss(loss), result: "gradient", gradient)
    try trace("reconstructionLoss", [.read("a", a)] + end.operands, end.settings) {
      try base.reconstructionLoss(a, loss, gradient: gradient)
    }
  }

  public func sampleLosses(_ a: Tensor<Buffer>, _ loss: LossTerms<Buffer>, into losses: Tensor<Buffer>) throws {
    let operands =
      [.read("a", a)] + read("bias", loss.bias) + [.read("target", loss.target)] + read("weight", loss.weight)
      + read("logVariance", loss.logVariance) + [Operand.write("losses", losses)]
    try trace("sampleLosses", operands, "\(loss.loss.rawValue) \(loss.activation.rawValue)") {
      try base.sampleLosses(a, loss, into: losses)
    }
  }

  public func logVarianceGradient(
    _ partials: Tensor<Buffer>, weight: TotalWeight<Buffer>, logVariance: Tensor<Buffer>, scale: Double,
    into gradient: Tensor<Buffer>
  ) throws {
    var operands: [Operand] = [.read("partials", partials)]
    var settings = "scale \(number(scale))"
    switch weight {
    case .elements(let count): settings += " of \(count)"
    case .partials(let sums): operands.append(.read("weight", sums))
    }
    operands += [.read("logVariance", logVariance), .write("gradient", gradient)]
    try trace("logVarianceGradient", operands, settings) {
      try base.logVarianceGradient(partials, weight: weight, logVariance: logVariance, scale: scale, into: gradient)
    }
  }

  public func softmaxLoss(
    _ logits: Tensor<Buffer>, labels: Tensor<Buffer>, gradientScale: Double, gradient: Tensor<Buffer>,
    losses: Tensor<Buffer>, errors: Tensor<Buffer>
  ) throws {
    let operands: [Operand] = [
      .read("logits", logits), .read("labels", labels), .write("gradient", gradient), .write("losses", losses),
      .write("errors", errors),
    ]
    try trace("softmaxLoss", operands, "scale \(number(gradientScale))") {
      try base.softmaxLoss(
        logits, labels: labels, gradientScale: gradientScale, gradient: gradient, losses: losses, errors: errors)
    }
  }

  public func mixedOutput(_ a: Tensor<Buffer>, _ columns: OutputColumns<Buffer>, into output: Tensor<Buffer>) throws {
    try trace("mixedOutput", [.read("a", a), .write("output", output)], "\(columns.kinds.count) columns") {
      try base.mixedOutput(a, columns, into: output)
    }
  }

  public func mixedLoss(
    _ a: Tensor<Buffer>, _ columns: OutputColumns<Buffer>, target: Tensor<Buffer>, weight: Tensor<Buffer>?,
    gradientScale: Double, gradient: Tensor<Buffer>, losses: Tensor<Buffer>
  ) throws {
    let operands: [Operand] =
      [.read("a", a), .read("target", target)] + (weight.map { [.read("weight", $0)] } ?? [])
      + [.write("gradient", gradient), .write("losses", losses)]
    let settings = "\(columns.kinds.count) columns scale \(number(gradientScale))"
    try trace("mixedLoss", operands, settings) {
      try base.mixedLoss(
        a, columns, target: target, weight: weight, gradientScale: gradientScale, gradient: gradient, losses: losses)
    }
  }

  public func klSparsity(_ h: Tensor<Buffer>, _ settings: KLSettings, _ result: KLResult<Buffer>) throws {
    let operands: [Operand] = [
      .read("h", h), settings.momentum > 0 ? .update("means", result.means) : .write("means", result.means),
      .write("column", result.column), .write("values", result.values),
    ]
    let text = "ρ \(number(settings.rho)) β \(number(settings.beta)) momentum \(number(settings.momentum))"
    try trace("klSparsity", operands, text) { try base.klSparsity(h, settings, result) }
  }

  public func contractive(
    _ h: Tensor<Buffer>, _ activation: Activation, norms: Tensor<Buffer>, slopes: Tensor<Buffer>,
    values: Tensor<Buffer>
  ) throws {
    let operands: [Operand] = [
      .read("h", h), .read("norms", norms), .write("slopes", slopes), .write("values", values),
    ]
    try trace("contractive", operands, activation.rawValue) {
      try base.contractive(h, activation, norms: norms, slopes: slopes, values: values)
    }
  }

  // MARK: Batches, draws and updates

  public func gather(_ source: Tensor<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>) throws {
    try trace(
      "gather", [.read("source", source), .write("batch", batch)], bytes: bytes(drawn: [batch, batch]),
      progress: text(order)
    ) {
      try base.gather(source, order, into: batch)
    }
  }

  public func gatherBytes(_ source: ByteRows<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>) throws {
    try trace(
      "gatherBytes", [.read("source", source.packed), .write("batch", batch)],
      bytes: bytes(drawn: [batch]) + Double(batch.count), progress: text(order)
    ) {
      try base.gatherBytes(source, order, into: batch)
    }
  }

  public func corrupt(
    _ x: Tensor<Buffer>, _ corruption: Corruption, _ draws: Draws, into corrupted: Tensor<Buffer>
  ) throws {
    try trace("corrupt", [.read("x", x), .write("corrupted", corrupted)], "\(corruption)", progress: text(draws)) {
      try base.corrupt(x, corruption, draws, into: corrupted)
    }
  }

  public func gather(
    _ source: Tensor<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<Buffer>
  ) throws {
    let operands: [Operand] = [.read("source", source), .write("batch", batch), .write("corrupted", corrupted)]
    try trace(
      "gather", operands, bytes: bytes(drawn: [batch, batch, corrupted]), "\(corruption)",
      progress: "\(text(order)) \(text(draws))"
    ) {
      try base.gather(source, order, into: batch, corruption, draws, corrupted: corrupted)
    }
  }

  public func gatherBytes(
    _ source: ByteRows<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<Buffer>
  ) throws {
    let operands: [Operand] = [.read("source", source.packed), .write("batch", batch), .write("corrupted", corrupted)]
    try trace(
      "gatherBytes", operands, bytes: bytes(drawn: [batch, corrupted]) + Double(batch.count), "\(corruption)",
      progress: "\(text(order)) \(text(draws))"
    ) {
      try base.gatherBytes(source, order, into: batch, corruption, draws, corrupted: corrupted)
    }
  }

  public func bernoulli(_ p: Tensor<Buffer>, _ draws: Draws, into samples: Tensor<Buffer>) throws {
    try trace("bernoulli", [.read("p", p), .write("samples", samples)], progress: text(draws)) {
      try base.bernoulli(p, draws, into: samples)
    }
  }

  public func sample(_ ms: Tensor<Buffer>, _ draws: Draws?, into z: Tensor<Buffer>) throws {
    try trace(
      "sample", [.read("ms", ms), .write("z", z)], draws == nil ? "means" : "", progress: draws.map(text) ?? ""
    ) {
      try base.sample(ms, draws, into: z)
    }
  }

  public func sampleGradient(
    _ delta: Tensor<Buffer>, _ ms: Tensor<Buffer>, _ draws: Draws, prior: Double, into result: Tensor<Buffer>
  ) throws {
    let operands: [Operand] = [.read("delta", delta), .read("ms", ms), .write("result", result)]
    try trace("sampleGradient", operands, "prior \(number(prior))", progress: text(draws)) {
      try base.sampleGradient(delta, ms, draws, prior: prior, into: result)
    }
  }

  public func priorDivergence(_ ms: Tensor<Buffer>, into divergences: Tensor<Buffer>) throws {
    try trace("priorDivergence", [.read("ms", ms), .write("divergences", divergences)]) {
      try base.priorDivergence(ms, into: divergences)
    }
  }

  public func optimizerStep(
    _ step: OptimizerStep, parameters: Tensor<Buffer>, gradients: Tensor<Buffer>, first: Tensor<Buffer>?,
    second: Tensor<Buffer>?, gradientScale: Tensor<Buffer>?
  ) throws {
    var operands: [Operand] = [.read("gradients", gradients)] + read("gradientScale", gradientScale)
    operands.append(.update("parameters", parameters))
    if let first { operands.append(.update("first", first)) }
    if let second { operands.append(.update("second", second)) }
    try trace("optimizerStep", operands, text(step), progress: progress(step)) {
      try base.optimizerStep(
        step, parameters: parameters, gradients: gradients, first: first, second: second, gradientScale: gradientScale)
    }
  }

  public func clipScale(
    maximum: Double, _ step: OptimizerStep, parameters: Tensor<Buffer>, gradients: Tensor<Buffer>,
    into scale: Tensor<Buffer>
  ) throws {
    let operands: [Operand] = [
      .read("parameters", parameters), .read("gradients", gradients), .write("scale", scale),
    ]
    try trace("clipScale", operands, "maximum \(number(maximum)) \(text(step))", progress: progress(step)) {
      try base.clipScale(maximum: maximum, step, parameters: parameters, gradients: gradients, into: scale)
    }
  }
}

extension TracingBackend {
  /// What an epilogue does to the result of its op.
  private struct Ending {
    let operands: [Operand]
    private let describe: () -> String

    var settings: String { describe() }

    init(_ epilogue: Epilogue<Buffer>, result: String, _ tensor: Tensor<Buffer>) {
      var operands: [Operand] = []
      func add(_ role: String, _ tensor: Tensor<Buffer>?) {
        if let tensor { operands.append(.read(role, tensor)) }
      }
      var end = Operand.write(result, tensor)
      switch epilogue {
      case .none: describe = { "" }
      case .accumulate:
        describe = { "" }
        end = .update(result, tensor)
      case .forward(let bias, let activation):
        describe = { "forward \(activation.rawValue)" }
        add("bias", bias)
      case .backward(let below):
        describe = {
          let l1 = below.l1 == 0 ? "" : " l1 \(number(below.l1))"
          let curvature = below.curvature.map { " curvature \(number($0.factor))" } ?? ""
          return "backward \(below.activation.rawValue)" + l1 + curvature
        }
        add("output", below.output)
        add("column", below.column)
        add("norms", below.curvature?.norms)
      case .loss(let loss):
        let terms = loss.terms
        describe = {
          "loss \(terms.loss.rawValue) \(terms.activation.rawValue) scale \(number(loss.gradientScale))"
        }
        add("bias", terms.bias)
        add("target", terms.target)
        add("weight", terms.weight)
        add("logVariance", terms.logVariance)
        operands.append(.write("partials", loss.partials))
      }
      self.operands = operands + [end]
    }
  }

  private func read(_ role: String, _ tensor: Tensor<Buffer>?) -> [Operand] { tensor.map { [.read(role, $0)] } ?? [] }

  private func samples(_ image: Tensor<Buffer>) -> Int { image.shape.dimensions.first ?? 0 }

  /// Of gathering: the source is read only where samples are drawn.
  private func bytes(drawn: [Tensor<Buffer>]) -> Double {
    Double(drawn.reduce(0) { $0 + $1.count } * MemoryLayout<Scalar>.stride)
  }
}

// The numbers of an op as text.

private func text(_ order: SampleOrder) -> String {
  let permutation = order.permutation.map { " of a permutation of \($0.count), key \($0.key.x)" } ?? ""
  return "from \(order.start)" + permutation
}

private func text(_ draws: Draws) -> String {
  let start = draws.firstRow == 0 ? "" : " from row \(draws.firstRow)"
  return "key \(draws.philox.key.x),\(draws.philox.key.y) step \(draws.step)" + start
}

private func text(_ g: ConvolutionGeometry) -> String {
  "\(g.kernelHeight)×\(g.kernelWidth) stride \(g.strideHeight)×\(g.strideWidth) "
    + "dilation \(g.dilationHeight)×\(g.dilationWidth) at \(g.top),\(g.left)"
}

private func text(_ g: PoolingGeometry) -> String {
  "\(g.kernelHeight)×\(g.kernelWidth) stride \(g.strideHeight)×\(g.strideWidth) at \(g.top),\(g.left)"
}

private func text(_ step: OptimizerStep) -> String {
  let rule =
    switch step.rule {
    case .sgd: "sgd"
    case .momentum(let momentum): "momentum \(number(momentum))"
    case .nesterov(let momentum): "nesterov \(number(momentum))"
    case .adam(let beta1, let beta2, let epsilon, _):
      "adam \(number(beta1)) \(number(beta2)) \(number(epsilon))"
    }
  let decay = "decay \(number(step.weightDecay)) of \(step.decayCount)\(step.decoupled ? " decoupled" : "")"
  return "\(rule) \(decay)"
}

private func progress(_ step: OptimizerStep) -> String {
  let rate = "η \(number(step.learningRate))"
  guard case .adam(_, _, _, let step) = step.rule else { return rate }
  return "\(rate) step \(step)"
}
