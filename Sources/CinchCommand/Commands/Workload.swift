import Cinch

/// A training run of fixed shape whose throughput is compared from device to device and with other systems.
struct Workload: Sendable {
  let name: String
  let recipe: Recipe

  /// The dense workloads: Adam at 1e-3, mini-batches of 256 from Fashion-MNIST.
  static let all: [Workload] = [
    Workload(name: "deep", recipe: .deep(layers: [784, 128, 32])),
    Workload(name: "sparse", recipe: .sparse(layers: [784, 196], rho: 0.05, beta: 3, weightDecay: 1e-3)),
    Workload(name: "denoise", recipe: .denoising(layers: [784, 1024], corruption: .masking(0.3))),
    Workload(name: "contractive", recipe: .contractive(layers: [784, 256], contraction: 0.1)),
    Workload(name: "hinton", recipe: .hinton(layers: [784, 1000, 500, 250, 30])),
  ]

  static func named(_ name: String) throws -> Workload {
    guard let workload = all.first(where: { $0.name == name }) else {
      throw CinchError.usage(
        "There is no workload '\(name)'. Choose from \(all.map(\.name).joined(separator: ", ")).")
    }
    return workload
  }

  /// Matrix work of one training step, per sample: forward, weight gradients, and input gradients of all but
  /// the first layer; 2 per multiply-add.
  var flopsPerSample: Double {
    let products = zip(recipe.widths, recipe.widths.dropFirst()).map { Double($0 * $1) }
    return 6 * products.reduce(0, +) - 2 * (products.first ?? 0)
  }
}
