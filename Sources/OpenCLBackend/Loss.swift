import CinchBackend

extension OpenCLBackend {
  public func reconstructionLoss(
    _ a: Tensor<OpenCLBuffer>, _ loss: FusedLoss<OpenCLBuffer>, gradient: Tensor<OpenCLBuffer>
  ) throws {
    let (rows, columns) = (a.rows, a.columns)
    // As many partial sums as the fused loss has; those without rows are 0.
    let pieces = lossPartialCount(rows: rows, columns: columns)
    try checkReconstructionLoss(a, loss, gradient: gradient, partialCount: pieces)
    let each = max((rows + pieces - 1) / pieces, 1)
    let used = max((rows + each - 1) / each, 1)
    let grid = family == .cpu ? items(used, columns: each * columns) : line(pieces)
    let terms = loss.terms
    let factors = lossFactors(terms.loss, columns: columns, gradientScale: loss.gradientScale)
    var call = try call(.reconstructionLoss)
    call.add(a)
    call.add(terms.bias ?? gradient)
    call.add(terms.target)
    call.add(terms.weight ?? gradient)
    call.add(terms.logVariance ?? gradient)
    call.add(gradient)
    call.add(loss.partials)
    call.add(rows)
    call.add(columns)
    call.add(pieces)
    call.add(grid.chunk)
    call.add(terms.bias != nil)
    call.add(terms.weight != nil)
    call.add(terms.loss.code)
    call.add(terms.activation.code)
    call.add(factors.gradient)
    call.add(factors.value)
    try run(call, grid)
  }

  public func sampleLosses(
    _ a: Tensor<OpenCLBuffer>, _ terms: LossTerms<OpenCLBuffer>, into losses: Tensor<OpenCLBuffer>
  ) throws {
    let (rows, columns) = (a.rows, a.columns)
    let channels = try checkSampleLosses(a, terms, into: losses)
    guard rows > 0 else { return }
    let grid = rowGroups(rows, columns: columns)
    var call = try call(.sampleLosses)
    call.add(a)
    call.add(terms.bias ?? losses)
    call.add(terms.target)
    call.add(terms.weight ?? losses)
    call.add(terms.logVariance ?? losses)
    call.add(losses)
    call.add(rows)
    call.add(columns)
    call.add(grid.chunk)
    call.add(channels)
    call.add(terms.bias != nil)
    call.add(terms.weight != nil)
    call.add(terms.loss.code)
    call.add(terms.activation.code)
    call.add(lossFactors(terms.loss, columns: columns, gradientScale: 1).value)
    try run(call, grid)
  }

  public func logVarianceGradient(
    _ partials: Tensor<OpenCLBuffer>, weight: TotalWeight<OpenCLBuffer>, logVariance: Tensor<OpenCLBuffer>,
    scale: Double, into gradient: Tensor<OpenCLBuffer>
  ) throws {
    try checkLogVarianceGradient(logVariance: logVariance, into: gradient)
    var call = try call(.logVarianceGradient)
    call.add(partials)
    let elements: Int
    switch weight {
    case .elements(let count):
      elements = count
      call.add(partials)
    case .partials(let sums):
      elements = 0
      call.add(sums)
    }
    call.add(logVariance)
    call.add(gradient)
    call.add(partials.count)
    if case .partials(let sums) = weight { call.add(sums.count) } else { call.add(0) }
    call.add(Double(elements))
    call.add(scale)
    try run(call, oneGroup)
  }

  public func softmaxLoss(
    _ logits: Tensor<OpenCLBuffer>, labels: Tensor<OpenCLBuffer>, gradientScale: Double,
    gradient: Tensor<OpenCLBuffer>, losses: Tensor<OpenCLBuffer>, errors: Tensor<OpenCLBuffer>
  ) throws {
    let (rows, classes) = (logits.rows, logits.columns)
    try checkSoftmaxLoss(logits, labels: labels, gradient: gradient, losses: losses, errors: errors)
    guard rows > 0 && classes > 0 else { return }
    let grid = items(rows, columns: classes * 8)
    var call = try call(.softmaxLoss)
    call.add(logits)
    call.add(labels)
    call.add(gradient)
    call.add(losses)
    call.add(errors)
    call.add(rows)
    call.add(classes)
    call.add(grid.chunk)
    call.add(gradientScale)
    try run(call, grid)
  }
}
