import CinchBackend

/// A corruption as the kernels want it.
private struct Draw {
  var kind = DrawCode.masking
  var low: UInt32 = 0
  var high: UInt32 = 0
  /// Whether `high` stands for 2³², below which every word lies.
  var always = false
  var sigma = 0.0

  init(_ corruption: Corruption) {
    switch corruption {
    case .masking(let probability): limit(Philox.threshold(probability))
    case .maskingExact, .block: break
    case .gaussian(let deviation):
      kind = .noise
      sigma = deviation
    case .saltPepper(let probability):
      kind = .saltPepper
      low = UInt32(Philox.threshold(probability / 2))
      limit(Philox.threshold(probability))
    }
  }

  /// Bernoulli samples.
  init() { kind = .bernoulli }

  private mutating func limit(_ threshold: UInt64) {
    always = threshold > UInt64(UInt32.max)
    high = always ? UInt32.max : UInt32(threshold)
  }

  func add(_ draws: Draws, columns: Int, to call: inout Call) {
    call.add(kind.code)
    call.add(draws, first: draws.firstBlock(columns: columns))
    call.add(low)
    call.add(high)
    call.add(always)
    call.add(sigma)
  }
}

/// Where samples are gathered from: floats, or bytes with their divisor.
private struct SampleSource {
  let tensor: Tensor<OpenCLBuffer>
  var divisor: Float = 0

  func add(to call: inout Call) {
    call.add(tensor)
    call.add(divisor)
    call.add(divisor == 0 ? 0 : 1 / divisor)
  }
}

extension OpenCLBackend {
  public func gather(
    _ source: Tensor<OpenCLBuffer>, _ order: SampleOrder, into batch: Tensor<OpenCLBuffer>
  ) throws {
    try checkGather(source, order, into: batch)
    try gather(SampleSource(tensor: source), order, into: batch)
  }

  public func gatherBytes(
    _ source: ByteRows<OpenCLBuffer>, _ order: SampleOrder, into batch: Tensor<OpenCLBuffer>
  ) throws {
    try checkGather(source, scalar: MemoryLayout<Float>.size, order, into: batch)
    try gather(SampleSource(tensor: source.packed, divisor: source.divisor), order, into: batch)
  }

  private func gather(_ source: SampleSource, _ order: SampleOrder, into batch: Tensor<OpenCLBuffer>) throws {
    guard batch.count > 0 else { return }
    let (rows, columns) = (batch.rows, batch.columns)
    let grid = matrix(rows, columns)
    var call = try call(.gather)
    source.add(to: &call)
    call.add(batch)
    call.add(rows)
    call.add(columns)
    call.add(grid.chunk)
    add(order, to: &call)
    try run(call, grid)
  }

  public func corrupt(
    _ x: Tensor<OpenCLBuffer>, _ corruption: Corruption, _ draws: Draws, into corrupted: Tensor<OpenCLBuffer>
  ) throws {
    try checkCorrupt(x, corruption, draws, into: corrupted)
    guard x.count > 0 else { return }
    switch corruption {
    case .maskingExact(let share): return try maskExactly(x, share, draws, into: corrupted)
    case .block(let share): return try zeroBlocks(x, share, draws, into: corrupted)
    case .masking, .gaussian, .saltPepper: break
    }
    try draw(x, Draw(corruption), draws, into: corrupted)
  }

  public func gather(
    _ source: Tensor<OpenCLBuffer>, _ order: SampleOrder, into batch: Tensor<OpenCLBuffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<OpenCLBuffer>
  ) throws {
    try checkGather(source, order, into: batch)
    try gather(SampleSource(tensor: source), order, into: batch, corruption, draws, corrupted: corrupted)
  }

  public func gatherBytes(
    _ source: ByteRows<OpenCLBuffer>, _ order: SampleOrder, into batch: Tensor<OpenCLBuffer>,
    _ corruption: Corruption, _ draws: Draws, corrupted: Tensor<OpenCLBuffer>
  ) throws {
    try checkGather(source, scalar: MemoryLayout<Float>.size, order, into: batch)
    let source = SampleSource(tensor: source.packed, divisor: source.divisor)
    try gather(source, order, into: batch, corruption, draws, corrupted: corrupted)
  }

  private func gather(
    _ source: SampleSource, _ order: SampleOrder, into batch: Tensor<OpenCLBuffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<OpenCLBuffer>
  ) throws {
    try checkCorrupt(batch, corruption, draws, into: corrupted)
    switch corruption {
    case .maskingExact, .block:
      try gather(source, order, into: batch)
      return try corrupt(batch, corruption, draws, into: corrupted)
    case .masking, .gaussian, .saltPepper: break
    }
    guard batch.count > 0 else { return }
    let (rows, columns) = (batch.rows, batch.columns)
    let grid = family == .cpu ? items(rows, columns: columns, multiple: Self.blockWords) : drawGrid(batch.count)
    var call = try call(.gatherCorrupt)
    source.add(to: &call)
    call.add(batch)
    call.add(corrupted)
    call.add(rows)
    call.add(columns)
    call.add(grid.chunk)
    add(order, to: &call)
    Draw(corruption).add(draws, columns: columns, to: &call)
    try run(call, grid)
  }

  public func bernoulli(_ p: Tensor<OpenCLBuffer>, _ draws: Draws, into samples: Tensor<OpenCLBuffer>) throws {
    try checkBernoulli(p, draws, into: samples)
    guard p.count > 0 else { return }
    try draw(p, Draw(), draws, into: samples)
  }

  /// A grid over so many elements with a word each, which a GPU's work-items take by blocks.
  func drawGrid(_ count: Int) -> Grid {
    elements(family == .cpu ? count : (count + Self.blockWords - 1) / Self.blockWords)
  }

  private func draw(
    _ x: Tensor<OpenCLBuffer>, _ draw: Draw, _ draws: Draws, into y: Tensor<OpenCLBuffer>
  ) throws {
    let grid = drawGrid(x.count)
    var call = try call(.corrupt)
    call.add(x)
    call.add(y)
    call.add(long: x.count)
    call.add(grid.chunk)
    draw.add(draws, columns: x.columns, to: &call)
    try run(call, grid)
  }

  private func maskExactly(
    _ x: Tensor<OpenCLBuffer>, _ share: Double, _ draws: Draws, into y: Tensor<OpenCLBuffer>
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
    // A row's key is the block of its number.
    call.add(draws, first: UInt32(truncatingIfNeeded: draws.firstRow))
    try run(call, grid)
  }

  private func zeroBlocks(
    _ x: Tensor<OpenCLBuffer>, _ share: Double, _ draws: Draws, into y: Tensor<OpenCLBuffer>
  ) throws {
    guard let block = CorruptionBlock(share: share, of: x.shape) else { return }
    let (lines, columns) = (x.rows * block.height, block.width * block.channels)
    let grid = matrix(lines, columns)
    var call = try call(.zeroBlocks)
    call.add(x)
    call.add(y)
    call.add(lines)
    call.add(columns)
    call.add(grid.chunk)
    call.add(block.height)
    call.add(block.channels)
    call.add(block.rows)
    call.add(block.columns)
    // A row's block is that of its number.
    call.add(draws, first: UInt32(truncatingIfNeeded: draws.firstRow))
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

extension Call {
  /// The step, the key and the first block that a batch draws from.
  mutating func add(_ draws: Draws, first: UInt32) {
    add(SIMD2(UInt32(truncatingIfNeeded: draws.step), UInt32(truncatingIfNeeded: draws.step >> 32)))
    add(draws.philox.key)
    add(first)
  }
}
