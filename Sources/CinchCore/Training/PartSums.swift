import CinchBackend

/// Adds up what the parts of a batch leave, where it passes through the network part by part.
struct PartSums<B: Backend> {
  private let backend: B
  private let gradients: Tensor<B.Buffer>
  private let statistics: [Tensor<B.Buffer>]

  init(_ network: Network<B>, _ learner: any Learner<B>, memory: Memory<B>) throws {
    backend = network.backend
    gradients = try memory.scratch(network.gradients.shape)
    statistics = try learner.statistics.map { try memory.scratch($0.shape) }
  }

  /// The gradient of the whole batch, in the network's own arena, and the record, a row for each part.
  ///
  /// What terms average over the batch must be whole before the first backward pass. So where there is such, every part
  /// passes forward twice.
  func evaluate(
    _ network: Network<B>, _ learner: any Learner<B>, parts: Int, into record: Tensor<B.Buffer>, sink: GradientSink,
    load: (_ part: Int) throws -> Batch<B.Buffer>
  ) throws {
    if !statistics.isEmpty {
      for part in 0..<parts {
        try learner.forward(try load(part))
        for (own, sum) in zip(learner.statistics, statistics) { try add(own, to: sum, isFirst: part == 0) }
      }
    }
    for part in 0..<parts {
      let batch = try load(part)
      try learner.forward(batch)
      for (own, sum) in zip(learner.statistics, statistics) { try backend.copy(sum, to: own) }
      try learner.backward(batch, into: sink)
      try learner.record(batch, into: record.slice(at: part * record.columns, shape: [record.columns]))
      if part < parts - 1 {
        try add(network.gradients, to: gradients, isFirst: part == 0)
      } else if part > 0 {
        try add(gradients, to: network.gradients, isFirst: false)
      }
    }
  }

  private func add(_ x: Tensor<B.Buffer>, to sum: Tensor<B.Buffer>, isFirst: Bool) throws {
    try backend.columnSums(x.reshaped([1, x.count]), scale: 1, accumulate: !isFirst, into: sum)
  }
}
