import Cinch

/// A training run of fixed shape whose throughput is compared from device to device and with other systems.
struct Workload: Sendable {
  let name: String
  private(set) var recipe: Recipe
  let batch: Int

  init(_ name: String, _ recipe: Recipe, batch: Int = 256) {
    self.name = name
    self.recipe = recipe
    // Plain contrastive divergence at the recipe's own rate.
    if recipe.objective.chain == nil { self.recipe.optimizer = Optimizer(.adam, learningRate: 1e-3) }
    self.batch = batch
  }

  /// Adam at 1e-3, or contrastive divergence, mini-batches from Fashion-MNIST.
  static let all: [Workload] = [
    Workload("deep", .deep(layers: [784, 128, 32])),
    Workload("sparse", .sparse(layers: [784, 196], rho: 0.05, beta: 3, weightDecay: 1e-3)),
    Workload("denoise", .denoising(layers: [784, 1024], corruption: .masking(0.3))),
    Workload("contractive", .contractive(layers: [784, 256], contraction: 0.1)),
    Workload("hinton", .hinton(layers: [784, 1000, 500, 250, 30])),
    Workload("vae", .vae(layers: [784, 400, 20]), batch: 128),
    Workload("rbm", .rbm(layers: [784, 500]), batch: 128),
    Workload("conv", .conv(), batch: 128),
    Workload("convpool", .convPool(), batch: 128),
  ]

  static func named(_ name: String) throws -> Workload {
    guard let workload = all.first(where: { $0.name == name }) else {
      throw CinchError.usage(
        "There is no workload '\(name)': choose from \(all.map(\.name).joined(separator: ", ")).")
    }
    return workload
  }
}
