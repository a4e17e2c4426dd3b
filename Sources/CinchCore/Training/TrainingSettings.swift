import CinchBackend
import CinchData

/// How an objective is minimised.
public struct TrainingSettings: Sendable, Hashable {
  public var optimizer: Optimizer
  public var schedule: Schedule
  /// The largest norm of the whole gradient, or nil for no clipping.
  public var gradientClip: Double?
  /// Samples of an update; of one that takes them all (`Optimizer.Rule.lbfgs`) those that pass at a time.
  public var batchSize: Int
  public var epochs: Int
  /// Fixes the first weights, shuffles and corruption, on every device alike.
  public var seed: UInt64
  /// The fraction of the samples held out, drawn with `seed`.
  public var validationSplit: Double
  /// Epochs without a better validation loss before training stops and the best weights return.
  public var patience: Int?
  /// How each layer of a stack is trained by itself, on the frozen outputs of the last; nil trains all layers together. The
  /// other settings hold for every layer, but for the optimiser and the epochs, which are its own.
  public var pretraining: [PretrainedLayer]?
  /// How many of a classifier's first layers keep the weights that they begin with; nil trains all.
  public var frozenLayers: Int?
  /// Solves for the weights in one epoch, which the optimiser's settings then have no part in; nil learns them by gradients.
  public var closedForm: ClosedForm?

  public init(
    optimizer: Optimizer = Optimizer(), schedule: Schedule = Schedule(), gradientClip: Double? = nil,
    batchSize: Int = 256, epochs: Int = 20, seed: UInt64 = 0, validationSplit: Double = 0, patience: Int? = nil,
    closedForm: ClosedForm? = nil
  ) {
    self.optimizer = optimizer
    self.schedule = schedule
    self.gradientClip = gradientClip
    self.batchSize = batchSize
    self.epochs = epochs
    self.seed = seed
    self.validationSplit = validationSplit
    self.patience = patience
    self.closedForm = closedForm
  }
}

extension TrainingSettings: Codable {
  enum CodingKeys: String, CodingKey, CaseIterable {
    case optimizer, schedule, gradientClip, batchSize, epochs, seed, validationSplit, patience, pretraining,
      frozenLayers, closedForm
  }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "training")
    try self.init(settingsOf: decoder)
  }

  /// Reads the settings among others, which it passes over.
  init(settingsOf decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let standard = TrainingSettings()
    let closedForm: ClosedForm? = try container.choiceIfPresent(.closedForm)
    self.init(
      optimizer: try container.decodeIfPresent(Optimizer.self, forKey: .optimizer) ?? standard.optimizer,
      schedule: try container.decodeIfPresent(Schedule.self, forKey: .schedule) ?? standard.schedule,
      gradientClip: try container.decodeIfPresent(Double.self, forKey: .gradientClip),
      batchSize: try container.wholeIfPresent(.batchSize) ?? standard.batchSize,
      epochs: try container.wholeIfPresent(.epochs) ?? (closedForm == nil ? standard.epochs : 1),
      seed: try container.wholeIfPresent(.seed) ?? standard.seed,
      validationSplit: try container.decodeIfPresent(Double.self, forKey: .validationSplit)
        ?? standard.validationSplit,
      patience: try container.wholeIfPresent(.patience))
    pretraining = try container.decodeIfPresent([PretrainedLayer].self, forKey: .pretraining)
    frozenLayers = try container.wholeIfPresent(.frozenLayers)
    self.closedForm = closedForm
  }
}

extension TrainingSettings {
  /// Times the samples of an epoch, this still fits an Int.
  static let mostEpochs = 1_000_000_000

  /// - Throws: `CinchError.usage` where no run can have so many.
  static func requirePossible(epochs: Int) throws {
    guard (0...mostEpochs).contains(epochs) else {
      throw CinchError.usage("\(.epochs) must lie between 0 and \(mostEpochs), not \(epochs).")
    }
  }

  /// - Throws: `CinchError.usage`, naming the setting to change.
  func validate() throws {
    guard (1...Permutation.largestCount).contains(batchSize) else {
      throw CinchError.usage("\(.batchSize) must lie between 1 and \(Permutation.largestCount), not \(batchSize).")
    }
    try Self.requirePossible(epochs: epochs)
    guard optimizer.learningRate > 0, optimizer.learningRate.isFinite else {
      throw CinchError.usage("\(.learningRate) must be a positive number, not \(optimizer.learningRate).")
    }
    let averages: [(CinchError.Message, Double)] = [
      ("\(.momentum)", optimizer.momentum), ("Adam's beta1", optimizer.beta1), ("Adam's beta2", optimizer.beta2),
    ]
    for (name, value) in averages where !(0..<1).contains(value) {
      throw CinchError.usage("\(name) must be at least 0 and below 1, not \(value).")
    }
    try validateFullBatch()
    // Devices take numbers below the smallest normal one for 0.
    guard Float(optimizer.epsilon) >= .leastNormalMagnitude, Float(optimizer.epsilon).isFinite else {
      throw CinchError.usage(
        "The optimiser's epsilon must be a positive number of float32, 1.2e-38 or more, not \(optimizer.epsilon).")
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
  }

  static let longestHistory = 1000

  private func validateFullBatch() throws {
    guard optimizer.rule == .lbfgs else { return }
    guard (1...Self.longestHistory).contains(optimizer.historySize) else {
      throw CinchError.usage(
        "\(.historySize) must lie between 1 and \(Self.longestHistory), not \(optimizer.historySize).")
    }
    let others: [(CinchError.Message, Bool)] = [
      ("\(.gradientClip)", gradientClip != nil), ("A schedule", schedule.kind != .constant),
      ("\(.warmUpEpochs)", schedule.warmUpEpochs > 0), ("Decoupled weight decay", optimizer.decoupledWeightDecay),
    ]
    if let (name, _) = others.first(where: \.1) {
      throw CinchError.usage(
        name + " means nothing to lbfgs, whose line search finds the length of each step: leave it out, or use another "
          + "rule.")
    }
  }
}
