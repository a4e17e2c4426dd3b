import CinchBackend

/// A corruption as the kernels want it. `kind` is theirs too.
private struct Draw {
  var kind: Int32 = 0
  var low: UInt32 = 0
  var high: UInt32 = 0
  /// Whether `high` stands for 2³², below which every word lies.
  var always = false
  var sigma = 0.0

  init(_ corruption: Corruption) {
    switch corruption {
    case .masking(let probability): limit(Philox.threshold(probability))
    case .maskingExact: break
    case .gaussian(let deviation):
      kind = 1
      sigma = deviation
    case .saltPepper(let probability):
      kind = 2
      low = UInt32(Philox.threshold(probability / 2))
      limit(Philox.threshold(probability))
    }
  }

  /// Bernoulli samples.
  init() { kind = 3 }

  private mutating func limit(_ threshold: UInt64) {
    always = threshold > UInt64(UInt32.max)
    high = always ? UInt32.max : UInt32(threshold)
  }

  func add(_ philox: Philox, _ step: UInt64, to call: inout Call) {
    call.add(kind)
    call.add(SIMD2(UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: step >> 32)))
    call.add(philox.key)
    call.add(low)
    call.add(high)
    call.add(always)
    call.add(sigma)
  }
}

extension OpenCLBackend {
  public func gather(
    _ source: Tensor<OpenCLBuffer>, _ order: SampleOrder, into batch: Tensor<OpenCLBuffer>
  ) throws {
    try checkGather(source, order, into: batch)
    guard batch.count > 0 else { return }
    let (rows, columns) = (batch.rows, batch.columns)
    let grid = matrix(rows, columns)
    var call = try call(.gather)
    call.add(source)
    call.add(batch)
    call.add(rows)
    call.add(columns)
    call.add(grid.chunk)
    add(order, to: &call)
    try run(call, grid)
  }

  public func corrupt(
    _ x: Tensor<OpenCLBuffer>, _ corruption: Corruption, _ philox: Philox, step: UInt64,
    into corrupted: Tensor<OpenCLBuffer>
  ) throws {
    try checkCorrupt(x, corruption, into: corrupted)
    guard x.count > 0 else { return }
    if case .maskingExact(let share) = corruption {
      return try maskExactly(x, share, philox, step: step, into: corrupted)
    }
    try draw(x, Draw(corruption), philox, step: step, into: corrupted)
  }

  public func gather(
    _ source: Tensor<OpenCLBuffer>, _ order: SampleOrder, into batch: Tensor<OpenCLBuffer>, _ corruption: Corruption,
    _ philox: Philox, step: UInt64, corrupted: Tensor<OpenCLBuffer>
  ) throws {
    try checkGather(source, order, into: batch)
    try checkCorrupt(batch, corruption, into: corrupted)
    if case .maskingExact = corruption {
      try gather(source, order, into: batch)
      return try corrupt(batch, corruption, philox, step: step, into: corrupted)
    }
    guard batch.count > 0 else { return }
    let (rows, columns) = (batch.rows, batch.columns)
    let grid = family == .cpu ? items(rows, columns: columns, multiple: 4) : elements((batch.count + 3) / 4)
    var call = try call(.gatherCorrupt)
    call.add(source)
    call.add(batch)
    call.add(corrupted)
    call.add(rows)
    call.add(columns)
    call.add(grid.chunk)
    add(order, to: &call)
    Draw(corruption).add(philox, step, to: &call)
    try run(call, grid)
  }

  public func bernoulli(
    _ p: Tensor<OpenCLBuffer>, _ philox: Philox, step: UInt64, into draws: Tensor<OpenCLBuffer>
  ) throws {
    try checkBernoulli(p, into: draws)
    guard p.count > 0 else { return }
    try draw(p, Draw(), philox, step: step, into: draws)
  }

  private func draw(
    _ x: Tensor<OpenCLBuffer>, _ draw: Draw, _ philox: Philox, step: UInt64, into y: Tensor<OpenCLBuffer>
  ) throws {
    let grid = family == .cpu ? elements(x.count) : elements((x.count + 3) / 4)
    var call = try call(.corrupt)
    call.add(x)
    call.add(y)
    call.add(long: x.count)
    call.add(grid.chunk)
    draw.add(philox, step, to: &call)
    try run(call, grid)
  }

  private func maskExactly(
    _ x: Tensor<OpenCLBuffer>, _ share: Double, _ philox: Philox, step: UInt64, into y: Tensor<OpenCLBuffer>
  ) throws {
    let (rows, columns) = (x.rows, x.columns)
    let zeroed = (share * Double(columns)).rounded()
    let grid = matrix(rows, columns)
    var call = try call(.maskExactly)
    call.add(x)
    call.add(y)
    call.add(rows)
    call.add(columns)
    call.add(grid.chunk)
    call.add(UInt32(zeroed))
    // The width of the network is the row length's; each row makes its own key.
    call.add(Permutation(count: columns, key: SIMD4()).halfBits)
    call.add(SIMD2(UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: step >> 32)))
    call.add(philox.key)
    try run(call, grid)
  }

  private func add(_ order: SampleOrder, to call: inout Call) {
    call.add(long: order.start)
    call.add(order.permutation != nil)
    call.add(UInt32(order.permutation?.count ?? 1))
    call.add(order.permutation?.key ?? SIMD4())
    call.add(order.permutation?.halfBits ?? 1)
  }
}
