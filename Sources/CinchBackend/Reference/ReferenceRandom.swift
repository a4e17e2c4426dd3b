import Glibc

extension ReferenceBackend {
  public func gather(
    _ source: Tensor<ReferenceBuffer>, _ order: SampleOrder, into batch: Tensor<ReferenceBuffer>
  ) throws {
    try checkGather(source, order, into: batch)
    counters.launches += 1
    let from = try view(source), to = try view(batch)
    for i in 0..<batch.rows {
      let row = order.permutation?(order.start + i) ?? order.start + i
      for j in 0..<batch.columns { to[i * batch.columns + j] = from[row * batch.columns + j] }
    }
  }

  public func gatherBytes(
    _ source: ByteRows<ReferenceBuffer>, _ order: SampleOrder, into batch: Tensor<ReferenceBuffer>
  ) throws {
    try checkGather(source, scalar: MemoryLayout<Double>.size, order, into: batch)
    counters.launches += 1
    let bytes = UnsafeRawBufferPointer(try view(source.packed)), to = try view(batch)
    for i in 0..<batch.rows {
      let row = order.permutation?(order.start + i) ?? order.start + i
      for j in 0..<batch.columns {
        // A float, as every device has it: a data set in another type is the same data set.
        to[i * batch.columns + j] = Double(Float(bytes[row * batch.columns + j]) / source.divisor)
      }
    }
  }

  public func corrupt(
    _ x: Tensor<ReferenceBuffer>, _ corruption: Corruption, _ draws: Draws, into corrupted: Tensor<ReferenceBuffer>
  ) throws {
    try checkCorrupt(x, corruption, draws, into: corrupted)
    guard x.count > 0 else { return }
    counters.launches += 1
    let values = try view(x), result = try view(corrupted)
    let (philox, step, first) = (draws.philox, draws.step, draws.firstRow * x.columns)
    switch corruption {
    case .masking(let level):
      let threshold = Philox.threshold(level)
      for e in 0..<values.count {
        result[e] = UInt64(philox.word(element: first + e, step: step)) < threshold ? 0 : values[e]
      }
    case .maskingExact(let level):
      let masked = Int((level * Double(x.columns)).rounded())
      for k in 0..<x.rows {
        let order = Permutation(count: x.columns, philox: philox, index: draws.firstRow + k, step: step)
        for i in 0..<x.columns {
          result[k * x.columns + i] = order(i) < masked ? 0 : values[k * x.columns + i]
        }
      }
    case .gaussian(let sigma):
      for e in 0..<values.count { result[e] = values[e] + sigma * philox.gaussian(element: first + e, step: step) }
    case .saltPepper(let level):
      let zero = Philox.threshold(level / 2), one = Philox.threshold(level)
      for e in 0..<values.count {
        let word = UInt64(philox.word(element: first + e, step: step))
        result[e] = word < zero ? 0 : word < one ? 1 : values[e]
      }
    case .block(let share):
      guard let block = CorruptionBlock(share: share, of: x.shape) else { return }
      for k in 0..<x.rows {
        let (top, left) = block.origin(draws.firstRow + k, philox, step: step)
        for row in 0..<block.height {
          for column in 0..<block.width {
            let isInside =
              row >= top && row < top + block.rows && column >= left && column < left + block.columns
            for channel in 0..<block.channels {
              let e = ((k * block.height + row) * block.width + column) * block.channels + channel
              result[e] = isInside ? 0 : values[e]
            }
          }
        }
      }
    }
  }

  public func bernoulli(
    _ p: Tensor<ReferenceBuffer>, _ draws: Draws, into samples: Tensor<ReferenceBuffer>
  ) throws {
    try checkBernoulli(p, draws, into: samples)
    counters.launches += 1
    let probabilities = try view(p), result = try view(samples)
    let first = draws.firstRow * p.columns
    for e in 0..<probabilities.count {
      let uniform = Double(Philox.uniform(draws.philox.word(element: first + e, step: draws.step)))
      result[e] = uniform < probabilities[e] ? 1 : 0
    }
  }
}

extension Philox {
  /// A standard normal number for `element` of `step`, by Box–Muller as `Corruption.gaussian` lays it out.
  public func gaussian(element: Int, step: UInt64) -> Double {
    let words = block(index: element >> 2, step: step)
    let first = element & 2
    // u lies in (0, 1], so its logarithm is finite.
    let u = (Double(words[first] >> 8) + 1) * 0x1p-24
    let v = Double(Philox.uniform(words[first + 1]))
    let radius = sqrt(-2 * log(u))
    return radius * (element & 1 == 0 ? cos(2 * Double.pi * v) : sin(2 * Double.pi * v))
  }
}
