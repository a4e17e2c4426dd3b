import CinchBackend
import CinchData

// The variants, with the numbers their sources use.
extension Recipe {
  /// Linear encoder and decoder with `sse`: learns the subspace of PCA (Baldi & Hornik 1989).
  public static func linear(layers: [Int] = [784, 32]) -> Recipe {
    Recipe(name: "linear", layers: layers, activation: .linear, outputActivation: .linear, loss: .sse)
  }

  /// Principal component analysis, in closed form: the linear autoencoder of least squared error, with orthonormal components
  /// for weights.
  public static func pca(layers: [Int] = [784, 32]) -> Recipe {
    var recipe = Recipe(
      name: "pca", layers: layers, activation: .linear, outputActivation: .linear, loss: .sse, tied: true, epochs: 1)
    recipe.closedForm = .pca
    return recipe
  }

  /// Probabilistic principal component analysis, in closed form: gaussian factors and noise, with a likelihood (Tipping and
  /// Bishop 1999).
  public static func ppca(layers: [Int] = [784, 32]) -> Recipe {
    var recipe = Recipe(
      name: "ppca", layers: layers, activation: .linear, outputActivation: .linear, loss: .gaussian, epochs: 1)
    recipe.closedForm = .ppca
    return recipe
  }

  /// A code narrower than the input, ReLU, sigmoid output and BCE.
  public static func undercomplete(layers: [Int] = [784, 32]) -> Recipe {
    var recipe = Recipe(
      name: "undercomplete", layers: layers, activation: .relu, outputActivation: .sigmoid, loss: .bce)
    recipe.autoencoder?.constraint = .undercomplete
    return recipe
  }

  /// A code wider than the input, which weight decay keeps from copying.
  public static func overcomplete(layers: [Int] = [784, 1024], weightDecay: Double = 1e-3) -> Recipe {
    var recipe = Recipe(
      name: "overcomplete", layers: layers, activation: .sigmoid, outputActivation: .sigmoid, loss: .bce,
      penalties: Penalties(weightDecay: weightDecay))
    recipe.autoencoder?.constraint = .overcomplete
    return recipe
  }

  /// Several layers: 784-128-32-128-784 with ReLU, sigmoid output and BCE.
  public static func deep(layers: [Int] = [784, 128, 32]) -> Recipe {
    Recipe(name: "deep", layers: layers, activation: .relu, outputActivation: .sigmoid, loss: .bce)
  }

  /// KL sparsity on a sigmoid code (Ng, CS294A): every unit is active ρ of the time.
  ///
  /// Adam at 3e-3: at 1e-3 twenty epochs leave the mean activation further above ρ and the reconstruction a tenth worse.
  public static func sparse(
    layers: [Int] = [784, 196], rho: Double = 0.05, beta: Double = 3, weightDecay: Double = 1e-3
  ) -> Recipe {
    Recipe(
      name: "sparse", layers: layers, activation: .sigmoid, outputActivation: .sigmoid, loss: .sse,
      penalties: Penalties(weightDecay: weightDecay, kl: KLSettings(rho: rho, beta: beta)),
      optimizer: Optimizer(.adam, learningRate: 3e-3))
  }

  /// An L1 penalty on the code's activations. The default is Keras's customary 1e-5 against a loss averaged
  /// over 784 features, restated for the loss per sample.
  public static func sparseL1(layers: [Int] = [784, 32], l1: Double = 784e-5) -> Recipe {
    Recipe(
      name: "sparse-l1", layers: layers, activation: .relu, outputActivation: .sigmoid, loss: .bce,
      penalties: Penalties(l1: l1))
  }

  /// Reconstructs the clean sample from a corrupted one (Vincent et al. 2008).
  public static func denoising(layers: [Int] = [784, 1024], corruption: Corruption = .masking(0.3)) -> Recipe {
    Recipe(
      name: "denoising", layers: layers, activation: .sigmoid, outputActivation: .sigmoid, loss: .bce,
      corruption: corruption)
  }

  /// Penalises how much the code moves when the input does (Rifai et al. 2011).
  public static func contractive(layers: [Int] = [784, 256], contraction: Double = 0.1) -> Recipe {
    Recipe(
      name: "contractive", layers: layers, activation: .sigmoid, outputActivation: .sigmoid, loss: .bce,
      penalties: Penalties(contraction: contraction))
  }

  /// A variational autoencoder, 784-400-(20+20) and 20-400-784, ReLU, with a Bernoulli decoder (Kingma & Welling 2014).
  public static func vae(layers: [Int] = [784, 400, 20], beta: Double = 1, warmUp: Int = 0) -> Recipe {
    var recipe = Recipe(
      name: "vae", layers: layers, activation: .relu, codeActivation: .linear, outputActivation: .sigmoid, loss: .bce,
      penalties: Penalties(prior: PriorSettings(beta: beta, warmUp: warmUp)))
    recipe.autoencoder?.drawCode()
    recipe.batchSize = 128
    return recipe
  }

  /// A restricted Boltzmann machine, trained by contrastive divergence (Hinton 2002), or persistent contrastive divergence
  /// (Tieleman 2008).
  ///
  /// - Parameters:
  ///   - visible: sigmoid for Bernoulli units, linear for gaussian ones of unit variance, which want standardised data and
  ///     a smaller learning rate.
  ///   - steps: of Gibbs sampling for each update.
  public static func rbm(
    layers: [Int] = [784, 500], visible: Activation = .sigmoid, steps: Int = 1, persistent: Bool = false
  ) -> Recipe {
    var recipe = Recipe(
      name: "rbm", layers: layers, activation: .sigmoid, outputActivation: visible, loss: .sse,
      optimizer: Optimizer(.sgd, learningRate: visible == .linear ? 0.001 : 0.1))
    recipe.autoencoder?.tied = true
    recipe.objective.chain = ChainSettings(steps: steps, persistent: persistent)
    recipe.batchSize = 128
    return recipe
  }

  /// 784-1000-500-250-30 mirrored, sigmoid with a linear code (Hinton & Salakhutdinov 2006).
  public static func hinton(layers: [Int] = [784, 1000, 500, 250, 30]) -> Recipe {
    Recipe(
      name: "hinton", layers: layers, activation: .sigmoid, codeActivation: .linear, outputActivation: .sigmoid,
      loss: .bce)
  }

  /// Strided convolutions and, back, transposed ones: 1→16→32 filters of 3×3, each with stride 2.
  public static func conv(image: ImageShape = .fashion) -> Recipe {
    convolutional(
      name: "conv", image: image, encoder: strided(.relu), decoder: nil, activation: .relu, pools: .upsample)
  }

  /// Convolutions with max-pooling and, back, with upsampling.
  public static func convPool(image: ImageShape = .fashion) -> Recipe {
    func conv(_ filters: Int, _ activation: Activation = .relu) -> LayerSpec {
      .convolution(ConvolutionSpec(filters: filters, activation: activation))
    }
    return convolutional(
      name: "conv-pool", image: image,
      encoder: [conv(16), .maxPool(PoolSpec(Extent(2))), conv(8), .maxPool(PoolSpec(Extent(2)))],
      decoder: [
        conv(8), .upsample(Extent(2)), conv(8), .upsample(Extent(2)), conv(image.channels, .sigmoid),
      ], activation: .relu, pools: .upsample)
  }

  /// Convolutions with max-pooling and, back, unpooling to where each maximum was (Zeiler & Fergus 2014).
  public static func convUnpool(image: ImageShape = .fashion) -> Recipe {
    func conv(_ filters: Int) -> LayerSpec { .convolution(ConvolutionSpec(filters: filters)) }
    return convolutional(
      name: "conv-unpool", image: image,
      encoder: [conv(16), .maxPool(PoolSpec(Extent(2))), conv(8), .maxPool(PoolSpec(Extent(2)))], decoder: nil,
      activation: .relu, pools: .unpool)
  }

  /// `conv` that reconstructs the clean image from a corrupted one.
  public static func convDenoising(image: ImageShape = .fashion, corruption: Corruption = .masking(0.3)) -> Recipe {
    var recipe = conv(image: image)
    recipe.name = "conv-denoising"
    recipe.corruption = corruption
    return recipe
  }

  /// `conv` with a sigmoid code whose feature maps are active ρ of the time, averaged over samples and pixels.
  ///
  /// β is ten times that of `sparse`: one term speaks for a whole map, against the errors of all its pixels.
  public static func convSparse(image: ImageShape = .fashion, rho: Double = 0.05, beta: Double = 30) -> Recipe {
    var recipe = convolutional(
      name: "conv-sparse", image: image, encoder: strided(.sigmoid), decoder: nil, activation: .relu,
      pools: .upsample)
    recipe.penalties.kl = KLSettings(rho: rho, beta: beta)
    return recipe
  }

  /// Dense layers and a softmax layer that begins at zero, trained with labels: what an encoder is compared with that has been
  /// trained before.
  public static func classifier(layers: [Int] = [784, 500], activation: Activation = .relu, classes: Int = 10) -> Recipe
  {
    Recipe(
      name: "classifier",
      architecture: .classifier(ClassifierArchitecture(layers: layers, activation: activation, classes: classes)),
      objective: Objective(.softmax))
  }

  /// `vae` of images: two strided convolutions and a dense layer to 20 means and log variances, and back.
  public static func convVAE(image: ImageShape = .fashion, units: Int = 20, beta: Double = 1, warmUp: Int = 0) -> Recipe
  {
    let inputs = LayerSpec.Sampling.inputs(drawing: units)
    let encoder = strided(.relu) + [.dense(units: inputs, activation: .linear), .sampling]
    var recipe = convolutional(
      name: "conv-vae", image: image, encoder: encoder, decoder: nil, activation: .relu, pools: .upsample)
    recipe.penalties.prior = PriorSettings(beta: beta, warmUp: warmUp)
    return recipe
  }

  private static func strided(_ code: Activation) -> [LayerSpec] {
    [
      .convolution(ConvolutionSpec(filters: 16, stride: Extent(2), padding: .all(1))),
      .convolution(ConvolutionSpec(filters: 32, stride: Extent(2), padding: .all(1), activation: code)),
    ]
  }

  private static func convolutional(
    name: String, image: ImageShape, encoder: [LayerSpec], decoder: [LayerSpec]?, activation: Activation,
    pools: PoolInverse
  ) -> Recipe {
    var recipe = Recipe(
      name: name, layers: [image.count], activation: activation, outputActivation: .sigmoid, loss: .bce, epochs: 5)
    recipe.batchSize = 128
    let mirror = AutoencoderArchitecture.mirrorIfAny(
      of: encoder, from: .image(image), outputActivation: .sigmoid, pools: pools)
    recipe.autoencoder?.image = image
    recipe.autoencoder?.encoder = encoder
    recipe.autoencoder?.decoder = decoder ?? mirror
    return recipe
  }

  /// Completes tables with missing cells: a denoising autoencoder whose layers grow by 7 units, three of them, tanh, on
  /// standardised columns of which a third are zeroed (MIDA: Gondara and Wang, "MIDA: multiple imputation using denoising
  /// autoencoders", PAKDD 2018; it zeroes half, which did no better on five tables and worse on one), with the loss of each
  /// column's kind as MIDASpy has it.
  ///
  /// - Parameters:
  ///   - features: numbers of a sample.
  ///   - columns: what they are; nil for numbers alone.
  ///   - corruption: the share of values that is zeroed.
  public static func imputation(features: Int = 784, columns: [OutputColumn]? = nil, corruption: Double = 0.35)
    -> Recipe
  {
    // Numbers that no network has are refused before its layers and columns are looked at.
    let isPossible = (0...1 << 30).contains(features)
    var recipe = Recipe(
      name: "imputation", layers: (0...3).map { features &+ 7 * $0 }, activation: .tanh, outputActivation: .linear,
      loss: .mixed, corruption: .masking(corruption), epochs: 100)
    recipe.objective.columns = columns ?? [OutputColumn](repeating: .number, count: isPossible ? features : 0)
    recipe.batchSize = 64
    return recipe
  }

  /// Every named recipe with its defaults.
  public static var all: [Recipe] { byKind.flatMap(\.recipes) }

  /// Every named recipe with its defaults, by what it is.
  public static var byKind: [(kind: String, recipes: [Recipe])] {
    [
      ("dense autoencoders", [.linear(), .undercomplete(), .overcomplete(), .deep(), .hinton()]),
      ("linear models in closed form", [.pca(), .ppca()]),
      ("regularised autoencoders", [.sparse(), .sparseL1(), .denoising(), .contractive()]),
      ("autoencoders of images", [.conv(), .convPool(), .convUnpool(), .convDenoising(), .convSparse()]),
      ("tables with missing cells", [.imputation()]),
      ("generative models", [.vae(), .convVAE(), .rbm()]),
      ("trained with labels", [.classifier()]),
    ]
  }

  /// The recipe of that name.
  /// - Throws: `CinchError.usage`, listing the names there are.
  public static func named(_ name: String) throws -> Recipe {
    guard let recipe = all.first(where: { $0.name == name }) else {
      let names = all.map(\.name)
      throw CinchError.usage(
        "There is no recipe '\(name)'\(Suggestion.text(for: name, among: names)): choose one of "
          + "\(names.joined(separator: ", ")).")
    }
    return recipe
  }
}
