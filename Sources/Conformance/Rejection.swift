import CinchBackend

/// A call whose shapes do not fit: it must throw `BackendError.invalidArgument` and queue nothing.
struct Rejection: ConformanceCase {
  let op: String
  let name: String
  /// Nothing is computed.
  let elements = 0
  private let call: BadCall

  init(_ op: String, _ name: String, _ call: BadCall) {
    self.op = op
    self.name = "rejects " + name
    self.call = call
  }

  func run<B: Backend>(on backend: B, against reference: ReferenceBackend) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    do {
      try call.run(on: backend)
      outcome.failures.append("was accepted.")
    } catch BackendError.invalidArgument(let sentence) {
      let begins = sentence.first.map { $0 == "'" || $0.isUppercase || $0.isNumber } ?? false
      if !begins || !sentence.hasSuffix(".") { outcome.failures.append("was rejected without a sentence: \(sentence)") }
    } catch {
      outcome.failures.append("threw \(error) in place of an invalid argument.")
    }
    return outcome
  }
}

/// A call by its shapes alone.
enum BadCall: Sendable {
  case matmul(Shape, Shape, Shape)
  case matmulOverFactor(Shape, Shape, Shape)
  case denseGradient(Shape, Shape, Shape)
  case denseGradientOverInput(Shape, Shape, Shape)
  case activate(Shape, bias: Shape, Shape)
  case activationGradient(Shape, output: Shape)
  case columnSums(Shape, Shape)
  case softmaxLoss(Shape, labels: Shape)
  case bce(Shape, Activation)
  case loss(Shape, ReconstructionLoss, weight: Shape? = nil, logVariance: Shape? = nil)
  case logVarianceGradient(Shape, gradient: Shape)
  case klSparsity(Shape, means: Shape)
  case gather(Shape, SampleOrder, Shape)
  case gatherOverSource(Shape, Shape)
  case gatherBytes(rows: Int, columns: Int, packed: Int)
  case corrupt(Shape, Corruption, Shape, firstRow: Int = 0)
  case corruptOverImage(Shape)
  case bernoulli(Shape, firstRow: Int)
  case bernoulliOverProbabilities(Shape)
  case sampleLosses(Shape, ReconstructionLoss, bias: Shape?, losses: Shape)
  case sample(Shape, Shape, firstRow: Int = 0)
  case sampleOverParameters(Shape, Shape)
  case sampleGradient(Shape, Shape)
  case priorDivergence(Shape, Shape)
  case mixedOutput(Shape, [OutputColumn], Shape)
  case mixedLoss(Shape, [OutputColumn], weight: Shape)
  case adamWithoutMoments(Shape)
  case copy(Shape, Shape)
  case copyOverSource(Shape)
  case fillBeyond(Shape, offset: Int)
  case write(Shape, count: Int)

  func run<B: Backend>(on backend: B) throws {
    func t(_ shape: Shape) throws -> Tensor<B.Buffer> { try backend.tensor(shape) }
    switch self {
    case .matmulOverFactor(let a, let b, let c):
      let (factor, result) = try backend.overlapping(a, c)
      try backend.matmul(factor, transposeA: false, t(b), transposeB: false, into: result, epilogue: .none)
    case .denseGradientOverInput(let delta, let input, let gradient):
      let (source, result) = try backend.overlapping(input, gradient)
      try backend.denseGradient(
        delta: t(delta), input: source, weightGradient: result, biasGradient: t([delta.columns]), accumulate: false,
        rowPull: nil)
    case .sampleOverParameters(let ms, let z):
      let (source, result) = try backend.overlapping(ms, z)
      try backend.sample(source, nil, into: result)
    case .gatherOverSource(let rows, let batch):
      let (source, result) = try backend.overlapping(rows, batch)
      try backend.gather(source, SampleOrder(start: 0), into: result)
    case .corruptOverImage(let shape):
      let (source, result) = try backend.overlapping(shape, shape)
      let draws = Draws(Philox(seed: 1, stream: .test), step: 0)
      try backend.corrupt(source, .masking(0.5), draws, into: result)
    case .bernoulliOverProbabilities(let shape):
      let (source, result) = try backend.overlapping(shape, shape)
      try backend.bernoulli(source, Draws(Philox(seed: 1, stream: .test), step: 0), into: result)
    case .copyOverSource(let shape):
      let (source, result) = try backend.overlapping(shape, shape)
      try backend.copy(source, to: result)
    case .fillBeyond(let shape, let offset):
      try backend.fill(Tensor(t(shape).buffer, offset: offset, shape: shape), with: 1)
    case .matmul(let a, let b, let c):
      try backend.matmul(t(a), transposeA: false, t(b), transposeB: false, into: t(c), epilogue: .none)
    case .denseGradient(let delta, let input, let gradient):
      try backend.denseGradient(
        delta: t(delta), input: t(input), weightGradient: t(gradient), biasGradient: t([delta.columns]),
        accumulate: false, rowPull: nil)
    case .activate(let x, let bias, let y): try backend.activate(t(x), bias: t(bias), .sigmoid, into: t(y))
    case .activationGradient(let gradient, let output):
      try backend.activationGradient(t(gradient), ActivationGradient(.tanh, output: t(output)), into: t(gradient))
    case .columnSums(let x, let sums): try backend.columnSums(t(x), scale: 1, into: t(sums))
    case .softmaxLoss(let logits, let labels):
      try backend.softmaxLoss(
        t(logits), labels: t(labels), gradientScale: 1, gradient: t(logits), losses: t([logits.rows]),
        errors: t([logits.rows]))
    case .bce(let shape, let activation):
      let partials = try t([backend.lossPartialCount(rows: shape.rows, columns: shape.columns)])
      try backend.reconstructionLoss(
        t(shape),
        FusedLoss(.bce, activation: activation, bias: nil, target: t(shape), gradientScale: 1, partials: partials),
        gradient: t(shape))
    case .loss(let shape, let loss, let weight, let logVariance):
      let partials = try t([backend.lossPartialCount(rows: shape.rows, columns: shape.columns)])
      let fused = FusedLoss(
        loss, activation: .linear, bias: nil, target: try t(shape), weight: try weight.map(t),
        logVariance: try logVariance.map(t), gradientScale: 1, partials: partials)
      try backend.reconstructionLoss(t(shape), fused, gradient: t(shape))
    case .logVarianceGradient(let partials, let gradient):
      try backend.logVarianceGradient(
        t(partials), weight: .elements(1), logVariance: t([1]), scale: 1, into: t(gradient))
    case .klSparsity(let h, let means):
      try backend.klSparsity(
        t(h), KLSettings(rho: 0.1, beta: 1), KLResult(means: t(means), column: t([h.columns]), values: t([h.columns])))
    case .gather(let source, let order, let batch): try backend.gather(t(source), order, into: t(batch))
    case .gatherBytes(let rows, let columns, let packed):
      try backend.gatherBytes(
        ByteRows(t([packed]), rows: rows, columns: columns, divisor: 255), SampleOrder(start: 0), into: t([1, columns]))
    case .corrupt(let x, let corruption, let corrupted, let firstRow):
      let draws = Draws(Philox(seed: 1, stream: .test), step: 0, firstRow: firstRow)
      try backend.corrupt(t(x), corruption, draws, into: t(corrupted))
    case .bernoulli(let shape, let firstRow):
      let draws = Draws(Philox(seed: 1, stream: .test), step: 0, firstRow: firstRow)
      try backend.bernoulli(t(shape), draws, into: t(shape))
    case .sampleLosses(let a, let loss, let bias, let losses):
      let terms = try LossTerms(loss, activation: .linear, bias: bias.map(t), target: t(a))
      try backend.sampleLosses(t(a), terms, into: t(losses))
    case .sample(let ms, let z, let firstRow):
      try backend.sample(
        t(ms), Draws(Philox(seed: 1, stream: .test), step: 0, firstRow: firstRow), into: t(z))
    case .sampleGradient(let ms, let result):
      try backend.sampleGradient(
        t([ms.rows, ms.columns / 2]), t(ms), Draws(Philox(seed: 1, stream: .test), step: 0), prior: 1, into: t(result))
    case .priorDivergence(let ms, let divergences): try backend.priorDivergence(t(ms), into: t(divergences))
    case .mixedOutput(let a, let columns, let output):
      try backend.mixedOutput(t(a), backend.outputColumns(columns), into: t(output))
    case .mixedLoss(let a, let columns, let weight):
      try backend.mixedLoss(
        t(a), backend.outputColumns(columns), target: t(a), weight: t(weight), gradientScale: 1, gradient: t(a),
        losses: t(a))
    case .adamWithoutMoments(let shape):
      let rule = OptimizerStep.Rule.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step: 1)
      try backend.optimizerStep(
        OptimizerStep(rule, learningRate: 1), parameters: t(shape), gradients: t(shape), first: nil, second: nil,
        gradientScale: nil)
    case .copy(let source, let destination): try backend.copy(t(source), to: t(destination))
    case .write(let shape, let count):
      let values = [B.Scalar](repeating: 0, count: count)
      try values.withUnsafeBufferPointer { try backend.write($0, to: t(shape)) }
    }
  }
}

extension Backend {
  /// Two tensors in one buffer, of which the last element of the first is the first of the other.
  func overlapping(_ first: Shape, _ second: Shape) throws -> (Tensor<Buffer>, Tensor<Buffer>) {
    let both = try tensor([first.count + second.count - 1])
    return (both.slice(at: 0, shape: first), both.slice(at: first.count - 1, shape: second))
  }
}
