import CinchBackend
import CinchData

/// Chains of Gibbs sampling of a restricted Boltzmann machine: hidden and visible units drawn in turns.
struct GibbsSampling<B: Backend> {
  private let network: Network<B>
  private let backend: B
  private let rows: Int

  init(_ network: Network<B>) throws {
    self.network = network
    backend = network.backend
    // Parts of a batch begin at a multiple of four draws.
    rows = max(4, network.resolved.evaluationRows / 4 * 4)
    try network.reserve(rows: rows)
  }

  /// The visible units' means at the end, a row for each chain.
  /// - Throws: `CinchError.unavailable` where there is no room for all of them.
  func run(_ count: Int, steps: Int, seed: UInt64) throws -> [Float] {
    let (encoder, decoder) = try network.boltzmannLayers()
    let (units, features) = (encoder.resolved.output.count, network.input.count)
    let (bytes, overflow) = count.multipliedReportingOverflow(by: 4 * features)
    try HostMemory.require(overflow ? .max : bytes, for: "\(count) samples of \(features) features")
    let room = min(rows, count)
    let hidden = try backend.tensor([room, units])
    let visible = try backend.tensor([room, features])
    let isGaussian = decoder.resolved.spec.activation == .linear
    let noisy = try backend.tensor([isGaussian ? room : 1, features])
    var result: [Float] = []
    result.reserveCapacity(count * features)
    for first in stride(from: 0, to: count, by: rows) {
      let n = min(rows, count - first)
      let (h, v) = (hidden.prefix(rows: n), visible.prefix(rows: n))
      let pass = Pass(.inference, step: 0, seed: seed, firstRow: first, batchRows: count)
      func draws(_ stream: Philox.Stream, _ step: Int, _ site: Int) -> Draws {
        Draws(Philox(seed: seed, stream: stream, site: site), step: UInt64(step), firstRow: first)
      }
      try backend.fill(h, with: 0.5)
      try backend.bernoulli(h, draws(.bernoulli, 0, 0), into: h)
      for step in 1...steps {
        try decoder.forward(h, into: v, pass)
        guard step < steps else { break }
        if isGaussian {
          try backend.corrupt(v, .gaussian(1), draws(.sampling, step, 1), into: noisy.prefix(rows: n))
        } else {
          try backend.bernoulli(v, draws(.bernoulli, step, 1), into: v)
        }
        try encoder.forward(isGaussian ? noisy.prefix(rows: n) : v, into: h, pass)
        try backend.bernoulli(h, draws(.bernoulli, step, 2), into: h)
      }
      result += Scalars.floats(try backend.read(v))
    }
    return result
  }
}
