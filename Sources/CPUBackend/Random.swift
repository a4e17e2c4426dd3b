import CVector
import CinchBackend

extension CPUBackend {
  public func gather(_ source: Tensor<CPUBuffer>, _ order: SampleOrder, into batch: Tensor<CPUBuffer>) throws {
    var job = try gathering(source, order, into: batch)
    run(&job)
  }

  public func corrupt(
    _ x: Tensor<CPUBuffer>, _ corruption: Corruption, _ philox: Philox, step: UInt64, into corrupted: Tensor<CPUBuffer>
  ) throws {
    try checkCorrupt(x, corruption, into: corrupted)
    var job = cinch_gather()
    job.source = try x.input
    (job.rows, job.columns) = (Int64(x.rows), Int64(x.columns))
    job.corrupted = try corrupted.pointer
    job.corruption = damage(corruption, columns: x.columns, philox, step)
    run(&job)
  }

  public func gather(
    _ source: Tensor<CPUBuffer>, _ order: SampleOrder, into batch: Tensor<CPUBuffer>, _ corruption: Corruption,
    _ philox: Philox, step: UInt64, corrupted: Tensor<CPUBuffer>
  ) throws {
    try checkCorrupt(batch, corruption, into: corrupted)
    var job = try gathering(source, order, into: batch)
    job.corrupted = try corrupted.pointer
    job.corruption = damage(corruption, columns: batch.columns, philox, step)
    run(&job)
  }

  public func bernoulli(
    _ p: Tensor<CPUBuffer>, _ philox: Philox, step: UInt64, into draws: Tensor<CPUBuffer>
  ) throws {
    try checkBernoulli(p, into: draws)
    counters.launches += 1
    var stream = cinch_stream(philox, step)
    try cinch_bernoulli(device, p.input, Int64(p.count), &stream, draws.pointer)
  }

  private func run(_ job: inout cinch_gather) {
    counters.launches += 1
    cinch_gather_rows(device, &job)
  }

  private func gathering(
    _ source: Tensor<CPUBuffer>, _ order: SampleOrder, into batch: Tensor<CPUBuffer>
  ) throws -> cinch_gather {
    try checkGather(source, order, into: batch)
    var job = cinch_gather()
    job.source = try source.input
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

  private func damage(
    _ corruption: Corruption, columns: Int, _ philox: Philox, _ step: UInt64
  ) -> cinch_corruption {
    var result = cinch_corruption()
    result.stream = cinch_stream(philox, step)
    switch corruption {
    case .masking(let share):
      result.kind = cinch_corrupt_masking
      result.threshold = Philox.threshold(share)
    case .maskingExact(let share):
      result.kind = cinch_corrupt_masking_exact
      result.zeroed = UInt32((share * Double(columns)).rounded())
      if columns > 0 { result.half_bits = Permutation(count: columns, key: .zero).halfBits }
    case .gaussian(let sigma):
      result.kind = cinch_corrupt_gaussian
      result.sigma = Float(sigma)
    case .saltPepper(let share):
      result.kind = cinch_corrupt_salt_pepper
      result.threshold = Philox.threshold(share / 2)
      result.threshold_one = Philox.threshold(share)
    }
    return result
  }
}

extension cinch_stream {
  init(_ philox: Philox, _ step: UInt64) {
    self.init(key: (philox.key.x, philox.key.y), step: step)
  }
}
