import CVector
import CinchBackend

extension CPUBackend: PoolingOps {
  public func maxPool(
    _ x: Tensor<CPUBuffer>, _ geometry: PoolingGeometry, into y: Tensor<CPUBuffer>, switches: Tensor<CPUBuffer>
  ) throws {
    let samples = try checkPooling("maxPool", large: x, small: y, switches: switches, geometry, result: .small)
    var job = try pooling(cinch_max_pool, geometry, samples, large: x, small: y, switches, result: .small)
    job.found = try switches.pointer
    try run(job, nil)
  }

  public func unpool(
    _ y: Tensor<CPUBuffer>, switches: Tensor<CPUBuffer>, _ geometry: PoolingGeometry, into x: Tensor<CPUBuffer>,
    below: ActivationGradient<CPUBuffer>?
  ) throws {
    let samples = try checkPooling(
      "unpool", large: x, small: y, switches: switches, geometry, below: below, result: .large)
    let job = try pooling(cinch_unpool, geometry, samples, large: x, small: y, switches, result: .large)
    try run(job, below)
  }

  public func pickSwitches(
    _ x: Tensor<CPUBuffer>, switches: Tensor<CPUBuffer>, _ geometry: PoolingGeometry, into y: Tensor<CPUBuffer>,
    below: ActivationGradient<CPUBuffer>?
  ) throws {
    let samples = try checkPooling(
      "pickSwitches", large: x, small: y, switches: switches, geometry, below: below, result: .small)
    let job = try pooling(cinch_pick_switches, geometry, samples, large: x, small: y, switches, result: .small)
    try run(job, below)
  }

  public func poolSum(
    _ x: Tensor<CPUBuffer>, _ geometry: PoolingGeometry, mean: Bool, into y: Tensor<CPUBuffer>,
    below: ActivationGradient<CPUBuffer>?
  ) throws {
    let samples = try checkPooling("poolSum", large: x, small: y, geometry, below: below, result: .small)
    let kind = mean ? cinch_pool_mean : cinch_pool_sum
    let job = try pooling(kind, geometry, samples, large: x, small: y, nil, result: .small)
    try run(job, below)
  }

  public func poolSpread(
    _ y: Tensor<CPUBuffer>, _ geometry: PoolingGeometry, mean: Bool, into x: Tensor<CPUBuffer>,
    below: ActivationGradient<CPUBuffer>?
  ) throws {
    let samples = try checkPooling("poolSpread", large: x, small: y, geometry, below: below, result: .large)
    let kind = mean ? cinch_spread_mean : cinch_spread
    let job = try pooling(kind, geometry, samples, large: x, small: y, nil, result: .large)
    try run(job, below)
  }

  private func pooling(
    _ kind: cinch_pooling_kind, _ g: PoolingGeometry, _ samples: Int, large: Tensor<CPUBuffer>,
    small: Tensor<CPUBuffer>, _ switches: Tensor<CPUBuffer>?, result side: ConvolutionSide
  ) throws -> cinch_pooling {
    let result = side == .large ? large : small
    var job = pooling(kind, g, samples)
    job.large = try large.input
    job.small = try small.input
    job.switches = try switches?.input
    job.result = try result.pointer
    return job
  }

  /// Without images.
  func pooling(_ kind: cinch_pooling_kind, _ g: PoolingGeometry, _ samples: Int) -> cinch_pooling {
    var job = cinch_pooling()
    job.kind = kind
    job.samples = Int64(samples)
    (job.height, job.width, job.channels) = (Int64(g.height), Int64(g.width), Int64(g.channels))
    (job.output_height, job.output_width) = (Int64(g.outputHeight), Int64(g.outputWidth))
    (job.kernel_height, job.kernel_width) = (Int64(g.kernelHeight), Int64(g.kernelWidth))
    (job.stride_height, job.stride_width) = (Int64(g.strideHeight), Int64(g.strideWidth))
    (job.top, job.left) = (Int64(g.top), Int64(g.left))
    return job
  }

  private func run(_ job: cinch_pooling, _ below: ActivationGradient<CPUBuffer>?) throws {
    launch("pool", (job, try cinch_epilogue(below.map { .backward($0) } ?? .none))) { device, job in
      var (job, below) = job
      guard cinch_pool_images(device, &job, &below) else { throw noRoom }
    }
  }
}
