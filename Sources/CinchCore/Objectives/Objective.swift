import CinchBackend
import CinchData
import Glibc

/// What is minimised: the mean over samples of a loss per sample, plus penalties.
public struct Objective: Sendable, Hashable {
  public var loss: Loss
  /// σ of the `gaussian` loss, in the data's units; nil has log σ² learned, from 0. Other losses have none.
  public var sigma: Double?
  /// What the columns of the `mixed` loss are, from left to right. Other losses have none.
  public var columns: [OutputColumn]?
  public var penalties: Penalties
  /// How the input is corrupted; the target stays clean. Fresh at every step.
  public var corruption: Corruption?
  /// How gradients are estimated where the model is a restricted Boltzmann machine, whose loss is only reported: that of a
  /// reconstruction. Nil where they are those of the loss.
  public var chain: ChainSettings?

  public init(
    _ loss: Loss = .bce, sigma: Double? = nil, columns: [OutputColumn]? = nil, penalties: Penalties = Penalties(),
    corruption: Corruption? = nil, chain: ChainSettings? = nil
  ) {
    self.loss = loss
    self.sigma = sigma
    self.columns = columns
    self.penalties = penalties
    self.corruption = corruption
    self.chain = chain
  }
}

extension Objective: Codable {
  enum CodingKeys: String, CodingKey, CaseIterable { case loss, sigma, columns, penalties, corruption, chain }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "the objective")
    try self.init(settingsOf: decoder)
  }

  /// Reads the settings among others, which it passes over.
  init(settingsOf decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let standard = Objective()
    self.init(
      try container.choiceIfPresent(.loss) ?? standard.loss,
      sigma: try container.decodeIfPresent(Double.self, forKey: .sigma),
      columns: try container.decodeIfPresent([OutputColumn].self, forKey: .columns),
      penalties: try container.decodeIfPresent(Penalties.self, forKey: .penalties) ?? standard.penalties,
      corruption: try container.decodeIfPresent(Corruption.self, forKey: .corruption),
      chain: try container.decodeIfPresent(ChainSettings.self, forKey: .chain))
  }
}

extension Objective {
  /// Adds what the loss and the penalties learn or keep.
  /// - Throws: `CinchError.usage` where the arena would be larger than any device.
  func addParameters(to network: inout ResolvedNetwork) throws {
    let stage = network.layers.count
    if chain != nil { network.parameters.setInitial(.normal(deviation: 0.01), at: 0) }
    if loss == .gaussian {
      try network.parameters.add(
        ParameterSpec(
          "log_variance", sigma == nil ? .bias : .buffer, shape: [1],
          initial: .constant(Float(sigma.map { 2 * log($0) } ?? 0))),
        owner: "loss", stage: stage)
    }
    for penalty in penalties.active {
      for spec in penalty.parameters(on: network) {
        try network.parameters.add(spec, owner: penalty.name, stage: stage)
      }
    }
  }

  /// - Throws: `CinchError.usage`, naming the setting to change.
  func validate(on network: ResolvedNetwork) throws {
    if (loss.target == .labels) != network.isClassifier {
      throw CinchError.usage(
        network.isClassifier
          ? "A classifier is trained by the softmax loss, not by \(loss.rawValue): use \(.loss, "softmax")."
          : "The softmax loss compares with labels, which an autoencoder does not see: use \(.loss, "bce"), or a classifier."
      )
    }
    let output = network.layers[network.layers.count - 1].spec.activation
    if loss == .bce && output != .sigmoid {
      throw CinchError.usage(
        "The bce loss reads the output as a probability: use \(.outputActivation, "sigmoid"), not \(output.rawValue).")
    }
    try validateSigma()
    try validatePenalties(network)
    try validatePrior(network)
    try validateCorruption(network)
    try chain?.validate(self, on: network)
    // Where there is another loss to use, columns are no advice.
    try validateColumns(network)
  }

  private func validateColumns(_ network: ResolvedNetwork) throws {
    guard loss == .mixed else {
      guard columns == nil else {
        throw CinchError.usage("Columns belong to the mixed loss, not to \(loss.rawValue): use \(.loss, "mixed").")
      }
      return
    }
    let last = network.layers[network.layers.count - 1]
    guard last.output.image == nil, let columns, !columns.isEmpty else {
      throw CinchError.usage(
        "The mixed loss is of the columns of a table: train a dense autoencoder by gradients on one, such as deep, or give "
          + "the recipe 'columns', such as [\"number\", \"binary\", 3].")
    }
    guard last.spec.activation == .linear else {
      throw CinchError.usage(
        "The mixed loss gives each column an activation of its own: use \(.outputActivation, "linear"), not "
          + "\(last.spec.activation.rawValue).")
    }
    guard columns.allSatisfy({ $0.width >= 1 && $0 != .category(1) }) else {
      throw CinchError.usage("A category of the mixed loss has two texts or more: correct the recipe's 'columns'.")
    }
    // Widths that no network has would overflow.
    var width = 0
    for column in columns {
      width += min(column.width, network.input.count + 1)
      if width > network.input.count { break }
    }
    guard width == network.input.count else {
      throw CinchError.usage(
        "The columns of the mixed loss do not make the \(network.input.count) numbers of a sample: correct the recipe's "
          + "'columns'.")
    }
  }

  private func validateSigma() throws {
    guard let sigma else { return }
    guard loss == .gaussian else {
      throw CinchError.usage(
        "\(.sigma) belongs to the gaussian loss, not to \(loss.rawValue): leave it out, or use \(.loss, "gaussian").")
    }
    guard sigma > 0, sigma.isFinite else {
      throw CinchError.usage("\(.sigma) must be a positive number, not \(sigma); leave it out to have it learned.")
    }
  }

  private func validatePenalties(_ network: ResolvedNetwork) throws {
    // Pooling leaves values where they were, between the least and the largest.
    let encoder = network.layers[..<network.encoderCount]
    // Dropout divides by less than 1.
    let isDropped = encoder.reversed().prefix { !$0.spec.hasParameters }.contains { $0.kind is DropoutKind }
    let code = isDropped ? .linear : encoder.map(\.spec).last(where: \.hasParameters)?.activation ?? .linear
    if let kl = penalties.kl {
      guard code.isProbability else {
        throw CinchError.usage(
          "KL sparsity needs a code in [0, 1]: use \(.activation, "sigmoid"), not \(code.rawValue), or \(.l1) instead.")
      }
      guard kl.rho > 0 && kl.rho < 1 else { throw CinchError.usage("\(.rho) must lie between 0 and 1, not \(kl.rho).") }
      guard kl.beta >= 0, kl.beta.isFinite else {
        throw CinchError.usage("\(.beta) cannot be \(kl.beta); use 0 or more.")
      }
      guard (0..<1).contains(kl.momentum) else {
        throw CinchError.usage("\(.sparsityMomentum) must be at least 0 and below 1, not \(kl.momentum).")
      }
    }
    let weights: [(CinchError.Setting, Double)] = [
      (.weightDecay, penalties.weightDecay), (.l1, penalties.l1), (.contraction, penalties.contraction),
    ]
    for (name, value) in weights where !(value >= 0 && value.isFinite) {
      throw CinchError.usage("\(name) cannot be \(value); use 0 or more.")
    }
    if penalties.contraction > 0 && (network.encoderCount != 1 || !network.layers[0].kind.takesRowPull) {
      throw CinchError.usage(
        "The contractive penalty needs an encoder of one dense layer: "
          + "use \(network.input.image == nil ? "two numbers in \(.layers)" : "the contractive recipe"), "
          + "or leave \(.contraction) out.")
    }
  }

  private func validatePrior(_ network: ResolvedNetwork) throws {
    let isDrawn = network.layers[network.encoderCount - 1].kind is SamplingKind
    guard let prior = penalties.prior else {
      guard !isDrawn else {
        throw CinchError.usage(
          "A code that is drawn needs a prior: give the penalties a 'prior', such as {\"beta\": 1}.")
      }
      return
    }
    guard isDrawn else {
      throw CinchError.usage(
        "A prior needs a code that is drawn: end the encoder with a layer of type 'sampling', or use the vae recipe.")
    }
    guard loss == .bce || loss == .gaussian else {
      throw CinchError.usage(
        "The bound of a variational autoencoder is made of probabilities, which \(loss.rawValue) is not: use "
          + "\(.loss, "bce"), or \(.loss, "gaussian").")
    }
    guard prior.beta >= 0, prior.beta.isFinite else {
      throw CinchError.usage("\(.beta) cannot be \(prior.beta); use 0 or more.")
    }
    guard (0...TrainingSettings.mostEpochs).contains(prior.warmUp) else {
      throw CinchError.usage(
        "\(.betaWarmUp) must lie between 0 and \(TrainingSettings.mostEpochs) updates, not \(prior.warmUp).")
    }
  }

  private func validateCorruption(_ network: ResolvedNetwork) throws {
    guard let corruption else { return }
    let level = corruption.level
    guard corruption.kind != .block || network.input.image != nil else {
      throw CinchError.usage(
        "Corruption by blocks needs a network that takes images, and this one takes \(network.input): use a convolutional "
          + "recipe, such as conv-denoising, or \(.corruption, "masking").")
    }
    guard level >= 0 && level.isFinite && (corruption.kind == .gaussian || level < 1) else {
      throw CinchError.usage(
        corruption.kind == .gaussian
          ? "\(.corruptionLevel) is σ for gaussian noise and cannot be \(level)."
          : "\(.corruptionLevel) is a probability of 0 or more and less than 1, which leaves something of the input, not "
            + "\(level).")
    }
    guard level > 0 else { return }
    switch corruption.kind {
    case .maskingExact:
      let count = network.input.count
      let masked = (level * Double(count)).rounded()
      guard masked > 0, masked < Double(count) else {
        throw CinchError.usage(
          "\(.corruptionLevel, "\(level)") masks \(masked == 0 ? "none" : "all") of \(count) components: choose another, or "
            + "\(.corruption, "masking").")
      }
    case .block:
      let block = CorruptionBlock(share: level, of: network.input.shape(rows: 1))
      guard let block, block.rows < block.height || block.columns < block.width else {
        throw CinchError.usage(
          "A block of \(.corruptionLevel, "\(level)") covers images of \(network.input) whole, which leaves nothing of them: "
            + "choose less.")
      }
    case .masking, .gaussian, .saltPepper: break
    }
  }
}
