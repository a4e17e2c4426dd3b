import CinchBackend

/// Draws first weights, the same on every device: uniform numbers scaled on the host.
///
/// | layer | W ~ U(−r, r) with | source |
/// |---|---|---|
/// | ReLU, leaky-ReLU, softplus | r = √(6 / fan_in) | He et al. 2015 |
/// | hidden sigmoid | r = 4·√(6 / (fan_in + fan_out)) | Glorot & Bengio 2010; the 4 makes up for σ′(0) = 1/4 |
/// | all others, and every output layer | r = √(6 / (fan_in + fan_out)) | Glorot & Bengio 2010 |
///
/// Biases start at zero.
public enum Initialization {
  /// r of the table.
  public static func limit(inputs: Int, outputs: Int, activation: Activation, isOutput: Bool) -> Float {
    let glorot = (6 / (Double(inputs) + Double(outputs))).squareRoot()
    guard !isOutput else { return Float(glorot) }
    return switch activation {
    case .relu, .leakyReLU, .softplus: Float((6 / Double(inputs)).squareRoot())
    case .sigmoid: Float(4 * glorot)
    case .linear, .tanh: Float(glorot)
    }
  }

  /// `count` draws from N(0, deviation²). `index` sets the layers of one model apart.
  static func normal(count: Int, deviation: Float, seed: UInt64, index: Int) -> [Float] {
    let philox = Philox(seed: seed, stream: .initialisation)
    return (0..<count).map { deviation * Float(philox.gaussian(element: $0, step: UInt64(index))) }
  }

  /// `count` draws from U(−limit, limit), none where it is negative. `index` sets the layers of one model apart.
  public static func uniform(count: Int, limit: Float, seed: UInt64, index: Int) -> [Float] {
    let philox = Philox(seed: seed, stream: .initialisation)
    let count = max(count, 0)
    var values = [Float](repeating: 0, count: count)
    for block in 0..<(count + 3) / 4 {
      let words = philox.block(index: block, step: UInt64(truncatingIfNeeded: index))
      for lane in 0..<min(4, count - 4 * block) {
        values[4 * block + lane] = (2 * Philox.uniform(words[lane]) - 1) * limit
      }
    }
    return values
  }
}
