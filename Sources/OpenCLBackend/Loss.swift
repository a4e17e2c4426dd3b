import CinchBackend

extension OpenCLBackend {
  public func reconstructionLoss(
    _ a: Tensor<OpenCLBuffer>, _ loss: FusedLoss<OpenCLBuffer>, gradient: Tensor<OpenCLBuffer>
  ) throws {
    let (rows, columns) = (a.rows, a.columns)
    // As many work-items, or groups, as the fused loss has partial sums; those without work leave zero.
    let pieces = lossPartialCount(rows: rows, columns: columns)
    try checkReconstructionLoss(a, loss, gradient: gradient, partialCount: pieces)
    let grid: Grid
    switch family {
    case .cpu: grid = Grid(global: (pieces, 1, 1), local: (1, 1, 1), chunk: (rows + pieces - 1) / pieces)
    case .gpu: grid = Grid(global: (pieces * 256, 1, 1), local: (256, 1, 1))
    }
    let factors = lossFactors(loss.loss, columns: columns, gradientScale: loss.gradientScale)
    var call = try call(.reconstructionLoss)
    call.add(a)
    call.add(loss.bias ?? gradient)
    call.add(loss.target)
    call.add(gradient)
    call.add(loss.partials)
    call.add(rows)
    call.add(columns)
    call.add(grid.chunk)
    call.add(loss.bias != nil)
    call.add(loss.loss.code)
    call.add(loss.activation.code)
    call.add(factors.gradient)
    call.add(factors.value)
    try run(call, grid)
  }

  public func softmaxLoss(
    _ logits: Tensor<OpenCLBuffer>, labels: Tensor<OpenCLBuffer>, gradientScale: Double,
    gradient: Tensor<OpenCLBuffer>, losses: Tensor<OpenCLBuffer>
  ) throws {
    let (rows, classes) = (logits.rows, logits.columns)
    try checkSoftmaxLoss(logits, labels: labels, gradient: gradient, losses: losses)
    guard rows > 0 && classes > 0 else { return }
    let grid = items(rows, columns: classes * 8)
    var call = try call(.softmaxLoss)
    call.add(logits)
    call.add(labels)
    call.add(gradient)
    call.add(losses)
    call.add(rows)
    call.add(classes)
    call.add(grid.chunk)
    call.add(gradientScale)
    try run(call, grid)
  }
}
