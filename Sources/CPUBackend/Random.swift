import CVector
import CinchBackend

extension CPUBackend {
  public func gather(_ source: Tensor<CPUBuffer>, _ order: SampleOrder, into batch: Tensor<CPUBuffer>) throws {
    let job = try gathering(source, order, into: batch)
    launch("gather", job, cinch_gather_rows)
  }

  public func gatherBytes(
    _ source: ByteRows<CPUBuffer>, _ order: SampleOrder, into batch: Tensor<CPUBuffer>
  ) throws {
    let job = try gathering(source, order, into: batch)
    launch("gather", job, cinch_gather_rows)
  }

  public func corrupt(
    _ x: Tensor<CPUBuffer>, _ corruption: Corruption, _ draws: Draws, into corrupted: Tensor<CPUBuffer>
  ) throws {
    try checkCorrupt(x, corruption, draws, into: corrupted)
    var job = cinch_gather()
    job.source = try x.input
    (job.rows, job.columns) = (Int64(x.rows), Int64(x.columns))
    job.corrupted = try corrupted.pointer
    job.corruption = cinch_corruption(corruption, of: x.shape, draws)
    launch("corrupt", job, cinch_gather_rows)
  }

  public func gather(
    _ source: Tensor<CPUBuffer>, _ order: SampleOrder, into batch: Tensor<CPUBuffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<CPUBuffer>
  ) throws {
    try run(try gathering(source, order, into: batch), batch, corruption, draws, corrupted: corrupted)
  }

  public func gatherBytes(
    _ source: ByteRows<CPUBuffer>, _ order: SampleOrder, into batch: Tensor<CPUBuffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<CPUBuffer>
  ) throws {
    try run(try gathering(source, order, into: batch), batch, corruption, draws, corrupted: corrupted)
  }

  public func bernoulli(_ p: Tensor<CPUBuffer>, _ draws: Draws, into samples: Tensor<CPUBuffer>) throws {
    try checkBernoulli(p, draws, into: samples)
    let stream = cinch_stream(draws, first: draws.firstBlock(columns: p.columns)), count = Int64(p.count)
    launch("bernoulli", (stream, try p.input, try samples.pointer)) { device, job in
      var (stream, p, samples) = job
      cinch_bernoulli(device, p, count, &stream, samples)
    }
  }

  private func run(
    _ job: cinch_gather, _ batch: Tensor<CPUBuffer>, _ corruption: Corruption, _ draws: Draws,
    corrupted: Tensor<CPUBuffer>
  ) throws {
    try checkCorrupt(batch, corruption, draws, into: corrupted)
    var job = job
    job.corrupted = try corrupted.pointer
    job.corruption = cinch_corruption(corruption, of: batch.shape, draws)
    launch("gather", job, cinch_gather_rows)
  }

  private func gathering(
    _ source: Tensor<CPUBuffer>, _ order: SampleOrder, into batch: Tensor<CPUBuffer>
  ) throws -> cinch_gather {
    try checkGather(source, order, into: batch)
    return try gathering(source.input, order, into: batch)
  }

  private func gathering(
    _ source: ByteRows<CPUBuffer>, _ order: SampleOrder, into batch: Tensor<CPUBuffer>
  ) throws -> cinch_gather {
    try checkGather(source, scalar: MemoryLayout<Float>.size, order, into: batch)
    var job = try gathering(source.packed.input, order, into: batch)
    job.divisor = source.divisor
    return job
  }

  private func gathering(
    _ source: UnsafePointer<Float>, _ order: SampleOrder, into batch: Tensor<CPUBuffer>
  ) throws -> cinch_gather {
    var job = cinch_gather()
    job.source = source
    job.start = Int64(order.start)
    (job.rows, job.columns) = (Int64(batch.rows), Int64(batch.columns))
    job.batch = try batch.pointer
    if let permutation = order.permutation {
      let key = permutation.key
      job.permutation = cinch_permutation(
        count: UInt32(permutation.count), half_bits: permutation.halfBits, key: (key.x, key.y, key.z, key.w))
    }
    return job
  }
}

extension cinch_corruption {
  fileprivate init(_ corruption: Corruption, of batch: Shape, _ draws: Draws) {
    self.init()
    let columns = batch.columns
    stream = cinch_stream(draws, first: draws.firstBlock(columns: columns))
    switch corruption {
    case .masking(let share):
      kind = cinch_corrupt_masking
      threshold = Philox.threshold(share)
    case .maskingExact(let share):
      kind = cinch_corrupt_masking_exact
      zeroed = UInt32((share * Double(columns)).rounded())
      if columns > 0 { half_bits = Permutation(count: columns, key: .zero).halfBits }
      // A row's key is the block of its number.
      stream.first = UInt32(truncatingIfNeeded: draws.firstRow)
    case .gaussian(let deviation):
      kind = cinch_corrupt_gaussian
      sigma = Float(deviation)
    case .saltPepper(let share):
      kind = cinch_corrupt_salt_pepper
      threshold = Philox.threshold(share / 2)
      threshold_one = Philox.threshold(share)
    case .block(let share):
      guard let block = CorruptionBlock(share: share, of: batch) else { return }
      kind = cinch_corrupt_block
      (lines, line) = (Int64(block.height), Int64(block.width * block.channels))
      (block_lines, block_line) = (Int64(block.rows), Int64(block.columns * block.channels))
      (tops, lefts) = (UInt32(block.height - block.rows + 1), UInt32(block.width - block.columns + 1))
      pixel = UInt32(block.channels)
      stream.first = UInt32(truncatingIfNeeded: draws.firstRow)
    }
  }
}

extension cinch_stream {
  init(_ draws: Draws, first: UInt32) {
    self.init(key: (draws.philox.key.x, draws.philox.key.y), step: draws.step, first: first)
  }
}
