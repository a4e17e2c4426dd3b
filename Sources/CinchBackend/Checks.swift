// What every backend asks of an op's arguments before it queues anything. The sentences name the shapes, so
// a mistake in a recipe reads the same on every device. Checks are inlinable, so that a backend has them for its own type
// of buffer: one that is looked up at every check takes a quarter of what the host does for an op.

@inlinable func fail(_ text: String) -> BackendError { .invalidArgument(text) }

/// Throws `BackendError.invalidArgument` unless `condition` holds. The text is a closure: a string costs an allocation,
/// and ops make none.
@inlinable @inline(__always)
package func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
  if !condition { throw BackendError.invalidArgument(message()) }
}

/// Vectors may carry any shape of the right count: a slice of an arena often does.
@inlinable func checkCount<Buffer>(_ tensor: Tensor<Buffer>, _ count: Int, _ op: String, _ name: String) throws {
  guard tensor.count == count else {
    throw fail("'\(op)': \(name) is \(tensor.shape), but \(count) elements are needed.")
  }
}

/// A result must not lie over what is still read while it is made.
@inlinable func checkApart<Buffer>(
  _ op: String, _ result: Tensor<Buffer>, from first: Tensor<Buffer>, _ second: Tensor<Buffer>? = nil
) throws {
  var overlaps = result.overlaps(first)
  if let second { overlaps = overlaps || result.overlaps(second) }
  guard !overlaps else {
    throw fail("'\(op)': a result of \(result.shape) lies over what it is made of: give it memory of its own.")
  }
}

/// Of ops whose elements follow each from its own, which may work in place.
@inlinable func checkApartOrSame<Buffer>(_ op: String, _ result: Tensor<Buffer>, from source: Tensor<Buffer>) throws {
  if result.buffer !== source.buffer || result.offset != source.offset { try checkApart(op, result, from: source) }
}

@inlinable func checkMatrix<Buffer>(
  _ tensor: Tensor<Buffer>, rows: Int, columns: Int, _ op: String, _ name: String
) throws {
  guard tensor.rows == rows, tensor.columns == columns else {
    throw fail("'\(op)': \(name) is \(tensor.shape), but \(rows) × \(columns) is needed.")
  }
}

/// The m, n and k of a product whose factors and result fit each other, and whose epilogue fits the result.
@discardableResult
@inlinable package func checkMatmul<Buffer>(
  _ a: Tensor<Buffer>, transposeA: Bool, _ b: Tensor<Buffer>, transposeB: Bool, into c: Tensor<Buffer>,
  epilogue: Epilogue<Buffer>, partialCount: (Int, Int) -> Int
) throws -> (m: Int, n: Int, k: Int) {
  let (m, k) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
  let (kB, n) = transposeB ? (b.columns, b.rows) : (b.rows, b.columns)
  guard k == kB, c.rows == m, c.columns == n else {
    throw fail(
      "'matmul': \(a.shape)\(transposeA ? " transposed" : "") times \(b.shape)\(transposeB ? " transposed" : "") "
        + "does not give \(c.shape).")
  }
  try checkApart("matmul", c, from: a, b)
  switch epilogue {
  case .none, .accumulate: break
  case .forward(let bias, _):
    if let bias { try checkCount(bias, n, "matmul", "the bias") }
  case .backward(let terms):
    try checkActivationGradient(terms, rows: m, columns: n, op: "matmul")
  case .loss(let loss):
    try checkLoss(loss, rows: m, columns: n, op: "matmul", partialCount: partialCount(m, n))
  }
  return (m, n, k)
}

/// The samples, inputs and outputs of a dense layer's gradient.
@discardableResult
@inlinable package func checkDenseGradient<Buffer>(
  delta: Tensor<Buffer>, input: Tensor<Buffer>, weightGradient: Tensor<Buffer>, biasGradient: Tensor<Buffer>,
  rowPull: RowPull<Buffer>?
) throws -> (samples: Int, inputs: Int, outputs: Int) {
  let (samples, inputs, outputs) = (delta.rows, input.columns, delta.columns)
  try checkMatrix(input, rows: samples, columns: inputs, "denseGradient", "the input")
  try checkMatrix(weightGradient, rows: outputs, columns: inputs, "denseGradient", "the weight gradient")
  try checkCount(biasGradient, outputs, "denseGradient", "the bias gradient")
  try checkApart("denseGradient", weightGradient, from: delta, input)
  if let rowPull {
    try checkCount(rowPull.scale, outputs, "denseGradient", "the row pull's scale")
    try checkMatrix(rowPull.weight, rows: outputs, columns: inputs, "denseGradient", "the row pull's weight")
  }
  return (samples, inputs, outputs)
}

@inlinable package func checkActivate<Buffer>(_ x: Tensor<Buffer>, bias: Tensor<Buffer>?, into y: Tensor<Buffer>) throws
{
  try checkMatrix(y, rows: x.rows, columns: x.columns, "activate", "the output")
  if let bias { try checkCount(bias, x.columns, "activate", "the bias") }
}

@inlinable package func checkActivationGradient<Buffer>(
  _ terms: ActivationGradient<Buffer>, rows: Int, columns: Int, op: String = "activationGradient"
) throws {
  try checkMatrix(terms.output, rows: rows, columns: columns, op, "the layer's output")
  if let column = terms.column { try checkCount(column, columns, op, "the column term") }
  if let curvature = terms.curvature { try checkCount(curvature.norms, columns, op, "the row norms") }
}

@inlinable package func checkActivationGradient<Buffer>(
  _ gradient: Tensor<Buffer>, _ terms: ActivationGradient<Buffer>, into result: Tensor<Buffer>
) throws {
  try checkMatrix(result, rows: gradient.rows, columns: gradient.columns, "activationGradient", "the result")
  try checkActivationGradient(terms, rows: gradient.rows, columns: gradient.columns)
}

@inlinable package func checkLoss<Buffer>(
  _ loss: FusedLoss<Buffer>, rows: Int, columns: Int, op: String, partialCount: Int
) throws {
  try checkFusedLoss(loss, op: op, biases: columns, partialCount: partialCount)
  try checkMatrix(loss.terms.target, rows: rows, columns: columns, op, "the target")
  if let weight = loss.terms.weight { try checkMatrix(weight, rows: rows, columns: columns, op, "the weight") }
}

/// All but the target, which may be a matrix or an image.
@inlinable func checkFusedLoss<Buffer>(_ loss: FusedLoss<Buffer>, op: String, biases: Int, partialCount: Int) throws {
  try checkLossKind(loss.terms, op)
  if let bias = loss.terms.bias { try checkCount(bias, biases, op, "the bias") }
  try checkCount(loss.partials, partialCount, op, "the tensor of partial sums")
}

@inlinable func checkLossKind<Buffer>(_ terms: LossTerms<Buffer>, _ op: String) throws {
  guard terms.loss != .bce || terms.activation == .sigmoid else {
    throw fail("'\(op)': bce needs a sigmoid output, not \(terms.activation.rawValue): use sse, or change the layer.")
  }
  guard (terms.loss == .gaussian) == (terms.logVariance != nil) else {
    throw fail(
      terms.loss == .gaussian
        ? "'\(op)': gaussian needs the log of its variance: give a tensor of one element, or use sse."
        : "'\(op)': \(terms.loss.rawValue) has no variance: leave it out, or use gaussian.")
  }
  if let logVariance = terms.logVariance { try checkCount(logVariance, 1, op, "the log variance") }
}

@inlinable package func checkLogVarianceGradient<Buffer>(logVariance: Tensor<Buffer>, into gradient: Tensor<Buffer>)
  throws
{
  try checkCount(logVariance, 1, "logVarianceGradient", "the log variance")
  try checkCount(gradient, 1, "logVarianceGradient", "the gradient")
}

/// Returns after how many columns the bias repeats.
@inlinable package func checkSampleLosses<Buffer>(
  _ a: Tensor<Buffer>, _ terms: LossTerms<Buffer>, into losses: Tensor<Buffer>
) throws -> Int {
  let op = "sampleLosses"
  try checkLossKind(terms, op)
  try checkMatrix(terms.target, rows: a.rows, columns: a.columns, op, "the target")
  if let weight = terms.weight { try checkMatrix(weight, rows: a.rows, columns: a.columns, op, "the weight") }
  try checkCount(losses, a.rows, op, "the tensor of losses")
  guard let bias = terms.bias else { return a.columns }
  guard bias.count == a.columns || (bias.count > 0 && a.columns % bias.count == 0) else {
    throw fail(
      "'\(op)': the bias is \(bias.shape), but \(a.columns) elements are needed, or as many as an image has channels.")
  }
  return bias.count
}

/// The samples and units of a sampling layer: ms is `[n, 2k]`, z `[n, k]`.
@discardableResult
@inlinable package func checkSampling<Buffer>(
  _ op: String, _ ms: Tensor<Buffer>, _ z: Tensor<Buffer>, _ name: String, _ draws: Draws?
) throws -> (samples: Int, units: Int) {
  guard ms.columns % 2 == 0 else {
    throw fail(
      "'\(op)': \(ms.shape) holds no mean and log variance for every unit: an even number of columns is needed.")
  }
  let units = ms.columns / 2
  try checkMatrix(z, rows: ms.rows, columns: units, op, name)
  try checkApart(op, z, from: ms)
  if let draws { try checkDraws(draws, columns: units, op) }
  return (ms.rows, units)
}

@inlinable package func checkSampleGradient<Buffer>(
  _ delta: Tensor<Buffer>, _ ms: Tensor<Buffer>, _ draws: Draws, into result: Tensor<Buffer>
) throws -> (samples: Int, units: Int) {
  let extents = try checkSampling("sampleGradient", ms, delta, "the gradient at the code", draws)
  try checkMatrix(result, rows: ms.rows, columns: ms.columns, "sampleGradient", "the result")
  try checkApart("sampleGradient", result, from: delta, ms)
  return extents
}

@inlinable package func checkPriorDivergence<Buffer>(_ ms: Tensor<Buffer>, into divergences: Tensor<Buffer>) throws {
  guard ms.columns % 2 == 0 else {
    throw fail(
      "'priorDivergence': \(ms.shape) holds no mean and log variance for every unit: an even number of columns is needed."
    )
  }
  try checkCount(divergences, ms.rows, "priorDivergence", "the tensor of divergences")
}

@inlinable package func checkReconstructionLoss<Buffer>(
  _ a: Tensor<Buffer>, _ loss: FusedLoss<Buffer>, gradient: Tensor<Buffer>, partialCount: Int
) throws {
  try checkMatrix(gradient, rows: a.rows, columns: a.columns, "reconstructionLoss", "the gradient")
  try checkLoss(loss, rows: a.rows, columns: a.columns, op: "reconstructionLoss", partialCount: partialCount)
}

@inlinable package func checkSoftmaxLoss<Buffer>(
  _ logits: Tensor<Buffer>, labels: Tensor<Buffer>, gradient: Tensor<Buffer>, losses: Tensor<Buffer>,
  errors: Tensor<Buffer>
) throws {
  guard logits.columns > 0 || logits.rows == 0 else {
    throw fail("'softmaxLoss': logits of \(logits.shape) have no class.")
  }
  try checkCount(labels, logits.rows, "softmaxLoss", "the tensor of labels")
  try checkMatrix(gradient, rows: logits.rows, columns: logits.columns, "softmaxLoss", "the gradient")
  try checkCount(losses, logits.rows, "softmaxLoss", "the tensor of losses")
  try checkCount(errors, logits.rows, "softmaxLoss", "the tensor of errors")
}

@inlinable package func checkMixedOutput<Buffer>(
  _ a: Tensor<Buffer>, _ columns: OutputColumns<Buffer>, into output: Tensor<Buffer>
) throws {
  try checkColumns("mixedOutput", a, columns, [("the output", output)])
}

@inlinable package func checkMixedLoss<Buffer>(
  _ a: Tensor<Buffer>, _ columns: OutputColumns<Buffer>, target: Tensor<Buffer>, weight: Tensor<Buffer>?,
  gradient: Tensor<Buffer>, losses: Tensor<Buffer>
) throws {
  try checkColumns(
    "mixedLoss", a, columns,
    [("the target", target), ("the gradient", gradient), ("the tensor of losses", losses)]
      + (weight.map { [("the weight", $0)] } ?? []))
}

/// The columns of rows, and what else is shaped as these are.
@inlinable func checkColumns<Buffer>(
  _ op: String, _ a: Tensor<Buffer>, _ columns: OutputColumns<Buffer>, _ others: [(name: String, Tensor<Buffer>)]
) throws {
  guard columns.width == a.columns else {
    throw fail("'\(op)': the columns have \(columns.width) outputs, but the pre-activations are \(a.shape).")
  }
  for (name, tensor) in others { try checkMatrix(tensor, rows: a.rows, columns: a.columns, op, name) }
}

@inlinable package func checkColumnSums<Buffer>(_ x: Tensor<Buffer>, into sums: Tensor<Buffer>) throws {
  try checkCount(sums, x.columns, "columnSums", "the result")
}

@inlinable package func checkRowSquares<Buffer>(_ x: Tensor<Buffer>, into sums: Tensor<Buffer>) throws {
  try checkCount(sums, x.rows, "rowSquares", "the result")
}

/// For `sumOfSquares` and `sumOfMagnitudes`.
@inlinable package func checkPartialSums<Buffer>(_ partials: Tensor<Buffer>, count: Int, op: String) throws {
  try checkCount(partials, count, op, "the tensor of partial sums")
}

@inlinable package func checkTotal<Buffer>(_ terms: [SumTerm<Buffer>], into result: Tensor<Buffer>) throws {
  guard (1...4).contains(terms.count), result.count >= terms.count else {
    throw fail("'total': \(terms.count) terms into \(result.shape); 1 to 4 are possible, each with a place in it.")
  }
}

/// Means are taken over samples, so there must be one.
@inlinable func checkSamples<Buffer>(_ h: Tensor<Buffer>, _ op: String) throws {
  guard h.rows > 0 else { throw fail("'\(op)': a code of \(h.shape) has no sample to take a mean over.") }
}

@inlinable package func checkKLSparsity<Buffer>(_ h: Tensor<Buffer>, _ settings: KLSettings, _ result: KLResult<Buffer>)
  throws
{
  guard settings.rho > 0, settings.rho < 1 else {
    throw fail("'klSparsity': rho is \(settings.rho); a mean activation between 0 and 1 is needed.")
  }
  guard settings.momentum >= 0, settings.momentum < 1 else {
    throw fail("'klSparsity': momentum is \(settings.momentum); at least 0 and below 1 is needed.")
  }
  try checkSamples(h, "klSparsity")
  try checkCount(result.means, h.columns, "klSparsity", "the tensor of means")
  try checkCount(result.column, h.columns, "klSparsity", "the column term")
  try checkCount(result.values, h.columns, "klSparsity", "the tensor of values")
}

@inlinable package func checkContractive<Buffer>(
  _ h: Tensor<Buffer>, norms: Tensor<Buffer>, slopes: Tensor<Buffer>, values: Tensor<Buffer>
) throws {
  try checkSamples(h, "contractive")
  try checkCount(norms, h.columns, "contractive", "the tensor of row norms")
  try checkCount(slopes, h.columns, "contractive", "the tensor of slopes")
  try checkCount(values, h.columns, "contractive", "the tensor of values")
}

@inlinable package func checkGather<Buffer>(_ source: Tensor<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>)
  throws
{
  try checkGather(rows: source.rows, columns: source.columns, order, into: batch, "gather")
  try checkApart("gather", batch, from: source)
}

/// - Parameter scalar: the bytes of one, of which `source` is packed.
@inlinable package func checkGather<Buffer>(
  _ source: ByteRows<Buffer>, scalar: Int, _ order: SampleOrder, into batch: Tensor<Buffer>
) throws {
  let (bytes, overflows) = source.rows.multipliedReportingOverflow(by: source.columns)
  guard min(source.rows, source.columns) >= 0, !overflows,
    source.packed.count >= bytes / scalar + (bytes % scalar).signum()
  else {
    throw fail(
      "'gatherBytes': \(source.packed.shape) scalars of \(scalar) bytes do not hold \(source.rows) rows of "
        + "\(source.columns) bytes.")
  }
  guard source.divisor > 0, source.divisor.isFinite else {
    throw fail("'gatherBytes': a divisor of \(source.divisor) is no positive number.")
  }
  try checkGather(rows: source.rows, columns: source.columns, order, into: batch, "gatherBytes")
  try checkApart("gatherBytes", batch, from: source.packed)
}

@inlinable func checkGather<Buffer>(
  rows: Int, columns: Int, _ order: SampleOrder, into batch: Tensor<Buffer>, _ op: String
) throws {
  guard batch.columns == columns else {
    throw fail("'\(op)': rows of \([rows, columns] as Shape) do not fit a batch of \(batch.shape).")
  }
  let count = order.permutation?.count ?? rows
  guard count <= rows else {
    throw fail("'\(op)': an order of \(count) samples exceeds the \(rows) rows of \([rows, columns] as Shape).")
  }
  guard order.start >= 0, batch.rows <= count, order.start <= count - batch.rows else {
    throw fail("'\(op)': \(batch.rows) rows from position \(order.start) exceed the order's \(count).")
  }
}

/// A block holds four draws, and is drawn whole; 2³² of them make a step.
@inlinable func checkDraws(_ draws: Draws, columns: Int, _ op: String) throws {
  let (start, overflows) = draws.firstRow.multipliedReportingOverflow(by: columns)
  guard draws.firstRow >= 0, !overflows, start < 1 << 34, start % 4 == 0 else {
    throw fail(
      "'\(op)': a batch cannot begin at row \(draws.firstRow) of \(columns) columns: the product of the two must be a "
        + "multiple of 4, at least 0 and below 2³⁴.")
  }
}

@inlinable package func checkCorrupt<Buffer>(
  _ x: Tensor<Buffer>, _ corruption: Corruption, _ draws: Draws, into corrupted: Tensor<Buffer>
) throws {
  try checkMatrix(corrupted, rows: x.rows, columns: x.columns, "corrupt", "the corrupted copy")
  try checkApartOrSame("corrupt", corrupted, from: x)
  try checkDraws(draws, columns: x.columns, "corrupt")
  switch corruption {
  case .masking(let level), .maskingExact(let level), .saltPepper(let level):
    guard level >= 0, level <= 1 else { throw fail("'corrupt': \(level) is not a probability.") }
  case .block(let share):
    guard share >= 0, share <= 1 else { throw fail("'corrupt': \(share) is no share of an image.") }
    guard CorruptionBlock(share: share, of: x.shape) != nil else {
      throw fail("'corrupt': \(x.shape) are no images, [samples, height, width, channels], of which blocks are zeroed.")
    }
  case .gaussian(let sigma):
    guard sigma >= 0 else { throw fail("'corrupt': a standard deviation of \(sigma) is negative.") }
  }
}

@inlinable package func checkBernoulli<Buffer>(_ p: Tensor<Buffer>, _ draws: Draws, into samples: Tensor<Buffer>) throws
{
  try checkMatrix(samples, rows: p.rows, columns: p.columns, "bernoulli", "the tensor of samples")
  try checkApartOrSame("bernoulli", samples, from: p)
  try checkDraws(draws, columns: p.columns, "bernoulli")
}

@inlinable package func checkOptimizerStep<Buffer>(
  _ step: OptimizerStep, parameters: Tensor<Buffer>, gradients: Tensor<Buffer>, first: Tensor<Buffer>?,
  second: Tensor<Buffer>?, gradientScale: Tensor<Buffer>?
) throws {
  let op = "optimizerStep"
  try checkCount(gradients, parameters.count, op, "the gradient")
  guard step.decayCount >= 0, step.decayCount <= parameters.count else {
    throw fail("'\(op)': \(step.decayCount) weights cannot decay among \(parameters.count) parameters.")
  }
  let needed: (first: Bool, second: Bool)
  switch step.rule {
  case .sgd: needed = (false, false)
  case .momentum, .nesterov: needed = (true, false)
  case .adam(_, _, _, let count):
    needed = (true, true)
    guard count >= 1 else { throw fail("'\(op)': Adam's steps count from 1, not \(count).") }
  }
  guard (first != nil) == needed.first, (second != nil) == needed.second else {
    throw fail("'\(op)': sgd keeps no moment, momentum and nesterov one, adam two.")
  }
  if let first { try checkCount(first, parameters.count, op, "the first moment") }
  if let second { try checkCount(second, parameters.count, op, "the second moment") }
  if let gradientScale { try checkCount(gradientScale, 1, op, "the gradient's scale") }
}

@inlinable package func checkClipScale<Buffer>(
  maximum: Double, _ step: OptimizerStep, parameters: Tensor<Buffer>, gradients: Tensor<Buffer>,
  into scale: Tensor<Buffer>
) throws {
  guard maximum > 0 else { throw fail("'clipScale': a largest norm of \(maximum) is not positive.") }
  try checkCount(gradients, parameters.count, "clipScale", "the gradient")
  guard step.decayCount >= 0, step.decayCount <= parameters.count else {
    throw fail("'clipScale': \(step.decayCount) weights cannot decay among \(parameters.count) parameters.")
  }
  guard scale.count >= 1 else { throw fail("'clipScale': the scale is \(scale.shape), without an element.") }
}

@inlinable package func checkCopy<Buffer>(_ source: Tensor<Buffer>, to destination: Tensor<Buffer>) throws {
  guard destination.count == source.count else {
    throw fail("'copy': \(source.shape) does not fit \(destination.shape).")
  }
  try checkApart("copy", destination, from: source)
}

/// For `write` and `read`: as many host values as the tensor has elements.
@inlinable package func checkTransfer<Buffer>(_ tensor: Tensor<Buffer>, count: Int) throws {
  guard tensor.count == count else {
    throw fail("\(count) host values do not fit a tensor of \(tensor.shape).")
  }
}
