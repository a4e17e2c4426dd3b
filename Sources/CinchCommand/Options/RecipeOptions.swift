import ArgumentParser
import Cinch

/// Settings that replace a recipe's own. Each is nil where it was not given. Values are read unconditionally, so
/// that `--lr -1` is refused for what it is.
struct RecipeOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Units from the input to the code, such as 784,128,32; or, of images, \"conv 16 3x3 s2, conv 32 3x3 s2\", with "
        + "maxpool 2 and avgpool 2 between. The decoder mirrors them. (default: the recipe's, fitted to the data)",
      valueName: "layers"))
  var layers: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The function of every hidden layer, and of the code where the recipe gives it no other. (default: the recipe's)",
      valueName: "function"))
  var activation: Activation?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The function of the output layer. (default: the recipe's)", valueName: "function"))
  var outputActivation: Activation?

  @Option(parsing: .unconditional, help: "The reconstruction loss. (default: the recipe's)")
  var loss: ReconstructionLoss?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("The update rule. (default: the recipe's, adam)", valueName: "rule"))
  var optimizer: Optimizer.Rule?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The learning rate. (default: the recipe's)", valueName: "x"))
  var lr: Double?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("μ of the rules momentum and nesterov. (default: 0.9)", valueName: "x"))
  var momentum: Double?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("How the learning rate goes on. (default: constant)", valueName: "kind")
  )
  var schedule: Schedule.Kind?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Epochs during which the learning rate grows to its value. (default: 0)", valueName: "epochs"))
  var warmUp: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The largest norm of the whole gradient. (default: none)", valueName: "x"))
  var clip: Double?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Samples in a mini-batch. (default: the recipe's)", valueName: "n"))
  var batchSize: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Fixes first weights, shuffles, corruption and splits. (default: 0)", valueName: "n"))
  var seed: UInt64?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("λ of (λ/2)·Σ W²; 0 removes it. (default: the recipe's)", valueName: "x"))
  var weightDecay: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "KL sparsity: the mean activation wanted of every code unit. (default: the recipe's)", valueName: "x"))
  var rho: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The weight of KL sparsity; 0 removes it. (default: the recipe's)", valueName: "x"))
  var beta: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("λ of λ·Σ abs(h) of the code; 0 removes it. (default: the recipe's)", valueName: "x"))
  var l1: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("λ of the contractive penalty; 0 removes it. (default: the recipe's)", valueName: "x"))
  var contraction: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How the input is damaged; the target stays clean. (default: the recipe's)", valueName: "kind"))
  var corruption: Corruption.Kind?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The probability of damage, or σ of gaussian noise; 0 removes it. (default: the recipe's, 0.3)", valueName: "x"))
  var corruptionLevel: Double?

  @Flag(inversion: .prefixedNo, help: "Whether each decoder layer uses its mirror's weights. (default: the recipe's)")
  var tied: Bool?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The fraction of the samples held out. (default: the recipe's, 0)", valueName: "x"))
  var validationSplit: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Stops after this many epochs without a better validation loss, and gives back the best weights. (default: never)",
      valueName: "epochs"))
  var patience: Int?

  /// The names of the options that were given.
  var given: [String] {
    let all: [(String, Bool)] = [
      ("--layers", layers != nil), ("--activation", activation != nil),
      ("--output-activation", outputActivation != nil), ("--loss", loss != nil), ("--optimizer", optimizer != nil),
      ("--lr", lr != nil), ("--momentum", momentum != nil), ("--schedule", schedule != nil),
      ("--warm-up", warmUp != nil), ("--clip", clip != nil), ("--batch-size", batchSize != nil),
      ("--seed", seed != nil), ("--weight-decay", weightDecay != nil), ("--rho", rho != nil), ("--beta", beta != nil),
      ("--l1", l1 != nil), ("--contraction", contraction != nil), ("--corruption", corruption != nil),
      ("--corruption-level", corruptionLevel != nil), ("--tied", tied != nil),
      ("--validation-split", validationSplit != nil), ("--patience", patience != nil),
    ]
    return all.filter(\.1).map(\.0)
  }
}

extension RecipeOptions {
  /// Whether `--layers` spells layers out, not numbers of units.
  var layersAreText: Bool { layers.map { $0.contains("conv") || $0.contains("pool") } ?? false }

  /// The recipe with these settings in place of its own.
  /// - Throws: `CinchError.usage` where a setting means nothing; `Recipe.validate` checks their values.
  func apply(to base: Recipe) throws -> Recipe {
    var recipe = base
    try applyNetwork(to: &recipe)
    try applyPenalties(to: &recipe)
    try applyCorruption(to: &recipe)
    recipe.optimizer.rule = optimizer ?? recipe.optimizer.rule
    guard momentum == nil || [.momentum, .nesterov].contains(recipe.optimizer.rule) else {
      throw CinchError.usage(
        "--momentum means nothing to \(recipe.optimizer.rule.rawValue): add --optimizer momentum or nesterov.")
    }
    recipe.optimizer.learningRate = lr ?? recipe.optimizer.learningRate
    recipe.optimizer.momentum = momentum ?? recipe.optimizer.momentum
    recipe.schedule.kind = schedule ?? recipe.schedule.kind
    recipe.schedule.warmUpEpochs = warmUp ?? recipe.schedule.warmUpEpochs
    recipe.gradientClip = clip ?? recipe.gradientClip
    recipe.batchSize = batchSize ?? recipe.batchSize
    recipe.seed = seed ?? recipe.seed
    recipe.validationSplit = validationSplit ?? recipe.validationSplit
    recipe.patience = patience ?? recipe.patience
    return recipe
  }

  private func applyNetwork(to recipe: inout Recipe) throws {
    recipe.loss = loss ?? recipe.loss
    recipe.tied = tied ?? recipe.tied
    let functions = recipe.encoder.filter(\.hasParameters).map(\.activation)
    guard layers != nil || activation != nil || outputActivation != nil, let first = functions.first,
      let code = functions.last
    else { return }
    // A code that differs from the layers before it, as a linear one does, does so on purpose.
    let ownCode = code == first ? nil : code
    let (hidden, output) = (activation ?? first, outputActivation ?? recipe.decoder.last?.activation ?? .sigmoid)
    if layersAreText, let layers {
      guard let image = recipe.image else {
        throw CinchError.usage(
          "The layers '\(layers)' work on images: say what the samples are with --image-shape CHANNELS,HEIGHT,WIDTH.")
      }
      try recipe.setLayers(
        image: image, encoder: try LayerText.parse(layers, activation: hidden, codeActivation: ownCode),
        outputActivation: output, pools: recipe.poolInverse)
      return
    }
    if recipe.isOfImages {
      guard layers == nil else {
        throw CinchError.usage(
          "The recipe '\(recipe.name)' is made of images: write its layers as --layers \"conv 16 3x3 s2, conv 32 3x3 s2\", "
            + "or choose a dense recipe.")
      }
    }
    guard let layers else {
      recipe = try recipe.settingActivations(hidden: hidden, code: ownCode ?? hidden, output: output)
      return
    }
    let widths = try parseExtents(layers, option: "--layers", example: "--layers 784,128,32")
    if widths.count < 2 {
      throw CinchError.usage("--layers needs an input and a code at least, not '\(layers)' (--layers 784,32).")
    }
    recipe.setLayers(widths, activation: hidden, codeActivation: ownCode, outputActivation: output)
  }

  private func applyPenalties(to recipe: inout Recipe) throws {
    recipe.penalties.weightDecay = weightDecay ?? recipe.penalties.weightDecay
    recipe.penalties.l1 = l1 ?? recipe.penalties.l1
    recipe.penalties.contraction = contraction ?? recipe.penalties.contraction
    if rho != nil || beta != nil {
      var kl = recipe.penalties.kl ?? KLSettings(rho: 0.05, beta: 3)
      kl.rho = rho ?? kl.rho
      kl.beta = beta ?? kl.beta
      recipe.penalties.kl = kl.beta == 0 ? nil : kl
    }
  }

  private func applyCorruption(to recipe: inout Recipe) throws {
    guard corruption != nil || corruptionLevel != nil else { return }
    guard let kind = corruption ?? recipe.corruption?.kind else {
      throw CinchError.usage("--corruption-level needs a kind of damage: add --corruption masking.")
    }
    let level = corruptionLevel ?? recipe.corruption?.level ?? 0.3
    recipe.corruption = level == 0 ? nil : Corruption(kind, level: level)
  }
}

extension Recipe {
  /// Fits the input and output to the data, the layers between staying as they are.
  ///
  /// - Parameters:
  ///   - takesImages: whether the network is or will be one of images.
  ///   - isFromFile: whether the recipe's own image is the user's, not a named recipe's default.
  /// - Throws: `CinchError.usage` where the data do not say what image a sample is.
  mutating func adopt(_ data: Dataset, takesImages: Bool, isFromFile: Bool) throws {
    guard takesImages || isOfImages else {
      guard data.features != input, let last = decoder.last else { return }
      input = data.features
      decoder[decoder.count - 1] = .dense(units: data.features, activation: last.activation)
      return
    }
    guard let shape = ImageShape(data.sampleShape) else {
      if isFromFile, let image, image.count == data.features { return }
      throw CinchError.usage(
        "Samples of '\(data.name)' are vectors of \(data.features) values, but the layers work on images: say what they "
          + "are with --image-shape CHANNELS,HEIGHT,WIDTH.")
    }
    if isOfImages { self = try adopting(image: shape) } else { image = shape }
  }
}
