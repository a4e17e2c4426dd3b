import CinchBackend
import CinchData

extension Recipe {
  /// Times the samples of an epoch, this still fits an Int.
  static let mostEpochs = 1_000_000_000

  /// Checks that the settings make a network that can be trained.
  /// - Throws: `CinchError.usage`, naming the setting to change.
  public func validate() throws { _ = try validated() }

  /// The network, where the settings can train it.
  func validated() throws -> ResolvedNetwork {
    let network = try resolved()
    let output = network.layers[network.layers.count - 1].spec.activation
    if loss == .bce && output != .sigmoid {
      throw CinchError.usage(
        "The bce loss reads the output as a probability: use \(.outputActivation, "sigmoid"), not \(output.rawValue).")
    }
    try validatePenalties(network)
    try validateConstraint(codeUnits: network.codeUnits)
    try validateTraining()
    return network
  }

  private func validatePenalties(_ network: ResolvedNetwork) throws {
    // Pooling leaves values where they were, between the least and the largest.
    let code = encoder.last(where: \.hasParameters)?.activation ?? .linear
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
        throw CinchError.usage("The momentum of KL sparsity must be at least 0 and below 1, not \(kl.momentum).")
      }
    }
    let weights: [(CinchError.Setting, Double)] = [
      (.weightDecay, penalties.weightDecay), (.l1, penalties.l1), (.contraction, penalties.contraction),
    ]
    for (name, value) in weights where !(value >= 0 && value.isFinite) {
      throw CinchError.usage("\(name) cannot be \(value); use 0 or more.")
    }
    if penalties.contraction > 0 && (encoder.count != 1 || !network.layers[0].kind.takesRowPull) {
      throw CinchError.usage(
        "The contractive penalty needs an encoder of one dense layer: "
          + "use \(isOfImages ? "the contractive recipe" : "two numbers in \(.layers)"), or leave \(.contraction) out.")
    }
  }

  private func validateConstraint(codeUnits: Int) throws {
    if constraint == .undercomplete && codeUnits >= input {
      throw CinchError.usage(
        "An undercomplete code is narrower than its input, but \(codeUnits) units are not fewer than \(input): "
          + "choose \(.layers, "\(input),\(max(1, input / 4))"), or the overcomplete recipe.")
    }
    if constraint == .overcomplete && codeUnits <= input {
      throw CinchError.usage(
        "An overcomplete code is wider than its input, but \(codeUnits) units are not more than \(input): "
          + "choose \(.layers, "\(input),\(input * 2)"), or the undercomplete recipe.")
    }
  }

  private func validateTraining() throws {
    guard (1...Permutation.largestCount).contains(batchSize) else {
      throw CinchError.usage("\(.batchSize) must lie between 1 and \(Permutation.largestCount), not \(batchSize).")
    }
    guard (0...Self.mostEpochs).contains(epochs) else {
      throw CinchError.usage("\(.epochs) must lie between 0 and \(Self.mostEpochs), not \(epochs).")
    }
    guard optimizer.learningRate > 0, optimizer.learningRate.isFinite else {
      throw CinchError.usage("\(.learningRate) must be a positive number, not \(optimizer.learningRate).")
    }
    let averages: [(CinchError.Message, Double)] = [
      ("\(.momentum)", optimizer.momentum), ("beta1", optimizer.beta1), ("beta2", optimizer.beta2),
    ]
    for (name, value) in averages where !(0..<1).contains(value) {
      throw CinchError.usage("\(name) must be at least 0 and below 1, not \(value).")
    }
    guard optimizer.epsilon > 0, optimizer.epsilon.isFinite else {
      throw CinchError.usage("The optimiser's epsilon must be a positive number, not \(optimizer.epsilon).")
    }
    guard (0..<1).contains(validationSplit) else {
      throw CinchError.usage("\(.validationSplit) must be at least 0 and below 1, not \(validationSplit).")
    }
    if let patience, patience < 1 { throw CinchError.usage("\(.patience) must be 1 or more, not \(patience).") }
    if let clip = gradientClip, !(clip > 0 && clip.isFinite) {
      throw CinchError.usage("\(.gradientClip) must be a positive number, not \(clip).")
    }
    guard schedule.warmUpEpochs >= 0, schedule.warmUpEpochs.isFinite else {
      throw CinchError.usage("\(.warmUpEpochs) cannot be \(schedule.warmUpEpochs) epochs; use 0 or more.")
    }
    guard (1...Self.mostEpochs).contains(schedule.every), schedule.decay > 0, schedule.decay.isFinite,
      (0...1).contains(schedule.floor)
    else {
      throw CinchError.usage(
        "A schedule needs 'every' of 1 epoch or more, 'decay' above 0 and 'floor' between 0 and 1.")
    }
    if let corruption {
      let level = corruption.level
      let limit = corruption.kind == .gaussian ? Double.infinity : 1
      guard level >= 0 && level <= limit && level.isFinite else {
        throw CinchError.usage(
          corruption.kind == .gaussian
            ? "\(.corruptionLevel) is σ for gaussian noise and cannot be \(level)."
            : "\(.corruptionLevel) is a probability between 0 and 1, not \(level).")
      }
    }
  }

  /// Checks the data against the model.
  /// - Throws: `CinchError.badData` where features or values do not fit.
  public func validate(_ data: Dataset) throws {
    guard data.features == input else {
      throw CinchError.badData(
        "The data have \(data.features) features a sample, but the model takes \(inputShape): "
          + (image == nil ? "pass \(.layers, "\(data.features),…") or other data." : "pass images of that shape."))
    }
    try requireImages(data)
    guard data.count > 0 else { throw CinchError.badData("The data set '\(data.name)' has no samples.") }
    try data.requireOrder()
    if loss == .bce, let found = data.first(outside: 0...1) {
      throw CinchError.badData(
        "The bce loss needs values in [0, 1], but row \(found.row + 1), feature \(found.feature + 1) is "
          + "\(found.value): use \(.scaling, "minmax"), or \(.loss, "sse") with \(.outputActivation) linear.")
    }
  }
}
