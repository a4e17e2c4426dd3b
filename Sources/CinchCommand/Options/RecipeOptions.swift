import ArgumentParser
import Cinch

/// Settings that replace a recipe's own. Each is nil where it was not given. Values are read unconditionally, so
/// that `--lr -1` is refused for what it is.
struct RecipeOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Units from the input to the code, such as 784,128,32; or, of images, \"conv 16 3x3 s2, conv 32 3x3 s2\", with "
        + "maxpool 2, avgpool 2 and dropout 0.2 between, or dense 20 at the end. The decoder mirrors them. 'pretrain' takes "
        + "units alone, and 'finetune' nothing: it has its run's layers. (default: the recipe's, fitted to the data; of "
        + "'pretrain' 500,500 behind the data's features)",
      valueName: "layers"))
  var layers: String?

  @Option(
    name: [.customShort("p"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "Components of pca and ppca alone, in place of --layers. (default: the recipe's, 32)", valueName: "n"))
  var components: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The activation of every hidden layer, and of the code where the recipe gives it no other. (default: the recipe's)",
      valueName: "activation"))
  var activation: Activation?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The activation of the code. (default: the recipe's)", valueName: "activation"))
  var codeActivation: Activation?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The activation of the output layer. (default: the recipe's)", valueName: "activation"))
  var outputActivation: Activation?

  @Option(parsing: .unconditional, help: "The loss. (default: the recipe's)")
  var loss: Loss?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("σ of the gaussian loss. (default: the recipe's; learned where it has none)", valueName: "x"))
  var sigma: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The update rule. Each update of lbfgs takes the whole training set and searches along a line. (default: the "
        + "recipe's, adam)", valueName: "rule"))
  var optimizer: Optimizer.Rule?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The learning rate; of lbfgs the step that its line search tries first. (default: the recipe's; 1 with lbfgs)",
      valueName: "x"))
  var lr: PerLayer<Double>?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("μ of the rules momentum and nesterov. (default: 0.9)", valueName: "x"))
  var momentum: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How many of the last updates lbfgs keeps, to make the next one from. (default: 10)", valueName: "m"))
  var historySize: Int?

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
    parsing: .unconditional,
    help: ArgumentHelp(
      "Samples in a mini-batch; of lbfgs those that pass at a time, rounded up to a multiple of 4. (default: the recipe's)",
      valueName: "n"))
  var batchSize: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Fixes first weights, shuffles, corruption and splits. (default: the recipe's, 0)", valueName: "n"))
  var seed: UInt64?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("λ of (λ/2)·Σ W²; 0 removes it. (default: the recipe's)", valueName: "x"))
  var weightDecay: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "KL sparsity: the mean activation wanted of every code unit, or of a Boltzmann machine's hidden units. (default: the "
        + "recipe's)", valueName: "x"))
  var rho: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The weight of KL sparsity, 0 removes it; or of a variational code's divergence from its prior. (default: the "
        + "recipe's)", valueName: "x"))
  var beta: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The past's share in the mean activation that KL sparsity looks at; 0 takes that of the batch. (default: the "
        + "recipe's, 0; 0.9 of a Boltzmann machine)", valueName: "m"))
  var sparsityMomentum: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Updates during which β of a variational code grows from 0 to its value. (default: the recipe's, 0)",
      valueName: "updates"))
  var betaWarmUp: Int?

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
    help: ArgumentHelp(
      "Steps of Gibbs sampling for each update of a Boltzmann machine. (default: the recipe's, 1)", valueName: "k"))
  var cd: Int?

  @Flag(
    inversion: .prefixedNo,
    help: "Whether a Boltzmann machine's chains go on from update to update. (default: the recipe's)")
  var persistent: Bool?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("A Boltzmann machine's visible units. (default: the recipe's, bernoulli)", valueName: "units"))
  var visible: VisibleUnits?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How the input is corrupted; the target stays clean. (default: the recipe's)", valueName: "kind")
  )
  var corruption: Corruption.Kind?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The probability of corruption, of blocks the share of an image, or σ of gaussian noise; 0 removes it. (default: the "
        + "recipe's, 0.3)",
      valueName: "x"))
  var corruptionLevel: PerLayer<Double>?

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

  /// Every option above, in the order in which they apply: `--layers` takes its activations from what is before it, the
  /// code's comes after it, and a rule, a kind or a density comes before what belongs to it.
  var overrides: [Override<Recipe>] {
    [
      Override("--visible", visible) { recipe, units in
        try recipe.changeChain("--visible") { _ in }
        // Gaussian units are not bounded, and want a smaller rate.
        let standard = Recipe.rbm(visible: units == .gaussian ? .linear : .sigmoid)
        recipe = try recipe.settingOutputActivation(units == .gaussian ? .linear : .sigmoid)
        recipe.optimizer.learningRate = standard.optimizer.learningRate
      },
      Override("--loss", loss) { recipe, loss in
        recipe.loss = loss
        // What a table's columns are is nothing to another loss.
        if loss != .mixed { recipe.objective.columns = nil }
      },
      Override("--sigma", sigma, \.sigma),
      Override(tied == false ? "--no-tied" : "--tied", tied) { recipe, tied in
        guard recipe.autoencoder != nil else {
          throw CinchError.usage("A classifier has no decoder to share weights with: leave --tied out.")
        }
        recipe.autoencoder?.tied = tied
      },
      Override("--activation", activation) { recipe, activation in
        recipe = try recipe.settingActivations(hidden: activation, code: recipe.activations.code ?? activation)
      },
      Override("--output-activation", outputActivation) { recipe, activation in
        recipe = try recipe.settingOutputActivation(activation)
      },
      Override("--layers", layers) { try $0.setLayers($1, asText: layersAreText, codeActivation: codeActivation) },
      Override("--code-activation", codeActivation) { recipe, activation in
        // A layer that is spelled out may name its own.
        if !layersAreText { recipe = recipe.settingCodeActivation(activation) }
      },
      Override("--components", components) { recipe, count in
        guard layers == nil else {
          throw CinchError.usage("Give --components or --layers, not both: each says how wide the code is.")
        }
        guard recipe.closedForm != nil else {
          throw CinchError.usage("--components belongs to pca and ppca: say how wide a code is with --layers.")
        }
        guard count > 0 else { throw CinchError.usage("--components must be 1 or more, not \(count).") }
        let widths = [recipe.input, count]
        recipe.autoencoder?.setLayers(widths, activation: .linear, outputActivation: .linear)
      },
      Override("--optimizer", optimizer) { recipe, rule in
        // A first step of a line search is no rate for a batch, nor the other way round.
        if (rule == .lbfgs) != (recipe.optimizer.rule == .lbfgs) {
          recipe.optimizer.learningRate = Optimizer(rule).learningRate
        }
        recipe.optimizer.rule = rule
      },
      Override("--lr", lr) { $0.optimizer.learningRate = try $1.single("--lr") },
      Override("--momentum", momentum) { recipe, value in
        guard [.momentum, .nesterov].contains(recipe.optimizer.rule) else {
          throw CinchError.usage(
            "--momentum means nothing to \(recipe.optimizer.rule.rawValue): add --optimizer momentum or nesterov.")
        }
        recipe.optimizer.momentum = value
      },
      Override("--history-size", historySize) { recipe, size in
        guard recipe.optimizer.rule == .lbfgs else {
          throw CinchError.usage(
            "--history-size means nothing to \(recipe.optimizer.rule.rawValue): add --optimizer lbfgs.")
        }
        recipe.optimizer.historySize = size
      },
      Override("--schedule", schedule, \.schedule.kind), Override("--warm-up", warmUp, \.schedule.warmUpEpochs),
      Override("--clip", clip, \.gradientClip), Override("--batch-size", batchSize, \.batchSize),
      Override("--seed", seed, \.seed),
      Override("--weight-decay", weightDecay, \.penalties.weightDecay), Override("--l1", l1, \.penalties.l1),
      Override("--contraction", contraction, \.penalties.contraction),
      Override("--rho", rho) { recipe, rho in
        // A weight of 0 in a file is no penalty either.
        if recipe.penalties.kl?.beta ?? 0 == 0 { recipe.penalties.kl = recipe.usualSparsity }
        recipe.penalties.kl?.rho = rho
      },
      Override("--beta", beta) { recipe, beta in
        guard recipe.penalties.prior == nil else {
          recipe.penalties.prior?.beta = beta
          return
        }
        recipe.penalties.kl = beta == 0 ? nil : recipe.penalties.kl ?? recipe.usualSparsity
        recipe.penalties.kl?.beta = beta
      },
      Override("--sparsity-momentum", sparsityMomentum) { recipe, momentum in
        guard recipe.penalties.kl != nil else {
          throw CinchError.usage("--sparsity-momentum belongs to KL sparsity, which this recipe has not: add --rho.")
        }
        recipe.penalties.kl?.momentum = momentum
      },
      Override("--beta-warm-up", betaWarmUp) { recipe, updates in
        guard recipe.penalties.prior != nil else {
          throw CinchError.usage("--beta-warm-up belongs to a prior, which only a variational recipe has: train vae.")
        }
        recipe.penalties.prior?.warmUp = updates
      },
      Override("--cd", cd) { recipe, steps in try recipe.changeChain("--cd") { $0.steps = steps } },
      Override(persistent == false ? "--no-persistent" : "--persistent", persistent) { recipe, isPersistent in
        try recipe.changeChain("--persistent") { $0.persistent = isPersistent }
      },
      Override("--corruption", corruption) {
        // A level of 0 in a file is no corruption either.
        $0.corruption = Corruption($1, level: $0.corruption.flatMap { $0.level > 0 ? $0.level : nil } ?? 0.3)
      },
      Override("--corruption-level", corruptionLevel) { recipe, level in
        let level = try level.single("--corruption-level")
        guard let kind = recipe.corruption?.kind else {
          throw CinchError.usage("--corruption-level needs a kind of corruption: add --corruption masking.")
        }
        recipe.corruption = level == 0 ? nil : Corruption(kind, level: level)
      },
      Override("--validation-split", validationSplit, \.validationSplit), Override("--patience", patience, \.patience),
    ]
  }
}

extension RecipeOptions {
  /// What may be given with a recipe that is solved in closed form.
  private static let ofClosedForms: Set<String> = [
    "--layers", "--components", "--loss", "--tied", "--no-tied", "--seed", "--validation-split",
  ]

  /// What may be given with a stack from a file: what its layers have in common. All else they have of their own.
  private static let ofStacks: Set<String> = [
    "--layers", "--components", "--activation", "--code-activation", "--output-activation", "--schedule", "--warm-up",
    "--clip", "--batch-size", "--seed", "--validation-split", "--patience",
  ]

  /// Whether `--layers` spells layers out, not numbers of units.
  var layersAreText: Bool { layers.map(LayerText.namesLayers) ?? false }

  /// The settings of one layer of a stack, without `--code-activation`, which is about the stack's code.
  ///
  /// - Parameters:
  ///   - layer: counted from 0.
  ///   - layers: how many there are.
  /// - Throws: `CinchError.usage` where an option has neither one value nor one for each.
  func of(layer: Int, in layers: Int) throws -> RecipeOptions {
    var options = self
    options.lr = try lr?.of(layer, in: layers, "--lr")
    options.corruptionLevel = try corruptionLevel?.of(layer, in: layers, "--corruption-level")
    options.codeActivation = nil
    if layer > 0 {
      // What is said of samples holds for the first layer's.
      options.visible = nil
      options.outputActivation = nil
      options.loss = nil
      options.sigma = nil
    }
    return options
  }

  /// These settings with others in place of those that `other` has.
  func merging(_ other: RecipeOptions) -> RecipeOptions {
    var merged = self
    func take<Value>(_ setting: WritableKeyPath<RecipeOptions, Value?>) {
      if let value = other[keyPath: setting] { merged[keyPath: setting] = value }
    }
    take(\.layers)
    take(\.components)
    take(\.activation)
    take(\.codeActivation)
    take(\.outputActivation)
    take(\.loss)
    take(\.sigma)
    take(\.optimizer)
    take(\.lr)
    take(\.momentum)
    take(\.historySize)
    take(\.schedule)
    take(\.warmUp)
    take(\.clip)
    take(\.batchSize)
    take(\.seed)
    take(\.weightDecay)
    take(\.rho)
    take(\.beta)
    take(\.sparsityMomentum)
    take(\.betaWarmUp)
    take(\.l1)
    take(\.contraction)
    take(\.cd)
    take(\.persistent)
    take(\.visible)
    take(\.corruption)
    take(\.corruptionLevel)
    take(\.tied)
    take(\.validationSplit)
    take(\.patience)
    return merged
  }

  /// The names of the options that were given.
  var given: [String] { overrides.given() }

  /// The recipe with these settings in place of its own.
  /// - Throws: `CinchError.usage` where a setting means nothing; `Recipe.validate` checks their values.
  func apply(to base: Recipe) throws -> Recipe {
    var recipe = base
    if base.closedForm != nil, let option = overrides.given().first(where: { !Self.ofClosedForms.contains($0) }) {
      throw CinchError.usage(
        "\(option) means nothing to '\(base.name)', which is solved in closed form: leave it out, or train linear.")
    }
    if base.training.pretraining != nil, let option = overrides.given().first(where: { !Self.ofStacks.contains($0) }) {
      throw CinchError.usage(
        "\(option) does not reach the layers of '\(base.name)', each of which is trained by itself with settings of its own: "
          + "train them with it by 'cinch pretrain', or change the file.")
    }
    try overrides.apply(to: &recipe)
    return recipe
  }
}

extension Recipe {
  fileprivate mutating func changeChain(_ option: String, _ change: (inout ChainSettings) -> Void) throws {
    guard var chain = objective.chain else {
      throw CinchError.usage("\(option) belongs to a Boltzmann machine, which '\(name)' is not: train rbm.")
    }
    change(&chain)
    objective.chain = chain
  }

  /// The activations that new layers take over. A code that differs from the layers before it, as a linear one does,
  /// does so on purpose; nil where it does not.
  fileprivate var activations: (hidden: Activation, code: Activation?) {
    let activations = encoder.filter(\.hasParameters).map(\.activation)
    let hidden = activations.first ?? .sigmoid
    return (hidden, activations.last == hidden ? nil : activations.last)
  }

  /// - Parameter codeActivation: of the code, where it names none; nil takes the recipe's.
  /// - Throws: `CinchError.usage` where the text means no layers, or layers that do not go with this recipe.
  fileprivate mutating func setLayers(_ text: String, asText: Bool, codeActivation: Activation?) throws {
    let (hidden, own) = activations
    let code = codeActivation ?? own
    let output = decoder.last?.activation ?? .sigmoid
    guard asText else {
      guard !isOfImages else {
        throw CinchError.usage(
          "The recipe '\(name)' is made of images: write its layers as --layers \"conv 16 3x3 s2, conv 32 3x3 s2\", "
            + "or choose a dense recipe.")
      }
      let widths = try parseExtents(text, option: "--layers", example: "--layers 784,128,32")
      guard widths.count > 1 else {
        throw CinchError.usage("--layers needs an input and a code at least, not '\(text)' (--layers 784,32).")
      }
      autoencoder?.setLayers(widths, activation: hidden, codeActivation: code, outputActivation: output)
      classifier?.setLayers(widths, activation: hidden, codeActivation: code)
      return
    }
    guard let pools = autoencoder?.poolInverse else {
      throw CinchError.usage("A classifier's layers are dense: give --layers as numbers of units, such as 784,500.")
    }
    guard let image else {
      throw CinchError.usage(
        "The layers '\(text)' work on images: say what the samples are with --image-shape CHANNELS,HEIGHT,WIDTH.")
    }
    try autoencoder?.setLayers(
      image: image, encoder: try LayerText.parse(text, activation: hidden, codeActivation: code),
      outputActivation: output, pools: pools)
  }
}
