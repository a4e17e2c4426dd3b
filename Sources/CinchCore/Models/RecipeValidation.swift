import CinchBackend
import CinchData

extension Recipe {
  /// Checks that the settings make a network that can be trained.
  /// - Throws: `CinchError.usage`, naming the setting to change.
  public func validate() throws { _ = try validated() }

  /// The network, where the settings can train it.
  package func validated() throws -> ResolvedNetwork {
    var network = try architecture.validated()
    try objective.validate(on: network)
    try objective.addParameters(to: &network)
    try training.validate()
    try validateFullBatch()
    try validatePretraining()
    try validateFrozenLayers()
    try closedForm?.validate(self, on: network)
    return network
  }

  /// - Throws: `CinchError.usage` where updates that take the whole training set do not go with the objective.
  private func validateFullBatch() throws {
    guard optimizer.isFullBatch else { return }
    guard objective.chain == nil else {
      throw CinchError.usage(
        "A Boltzmann machine's gradient is an estimate, and no objective goes with it that lbfgs could search: use another "
          + "rule, such as sgd.")
    }
    guard penalties.kl?.momentum ?? 0 == 0 else {
      throw CinchError.usage(
        "\(.sparsityMomentum) means nothing to lbfgs, whose updates take the whole training set: leave it out.")
    }
  }

  /// - Throws: `CinchError.usage` where early stopping has nothing to go by.
  package func requireHeldOut(_ isHeldOut: Bool) throws {
    guard patience == nil || isHeldOut else {
      throw CinchError.usage(
        "Early stopping needs held-out samples: add \(.validationSplit, "0.1"), or leave \(.patience) out.")
    }
  }

  /// What data are for: advice is of what can still be changed.
  package enum DataUse {
    /// To be trained on, so other settings would do, too.
    case training
    /// For a model as it is.
    case evaluation
  }

  /// Checks the data against the model.
  /// - Throws: `CinchError.badData` where features or values do not fit.
  public func validate(_ data: Dataset) throws { try validate(data, for: .training) }

  /// - Throws: as `validate(_:)`.
  package func validate(_ data: Dataset, for use: DataUse) throws {
    guard data.features == input else {
      throw CinchError.badData(
        "The data have \(data.featuresText) per sample, but the model takes \(inputShape): "
          + (image != nil
            ? "pass images of that shape."
            : use == .evaluation
              ? "pass data as it was trained on." : "pass \(.layers, "\(data.features),…") or other data."))
    }
    try requireImages(data)
    guard data.count > 0 else { throw CinchError.badData("The data set '\(data.name)' has no samples.") }
    try data.requireOrder()
    try requireLabels(data)
    try requireObserved(data)
    try validateRange(data, for: use)
    if use == .training, closedForm == nil, loss == .gaussian, sigma == nil, data.isConstant {
      throw CinchError.badData(
        "All \(data.count) samples of '\(data.name)' are the same, so that σ would shrink for ever: give \(.sigma), or other "
          + "data.")
    }
  }

  /// - Throws: `CinchError.badData` where the loss or the units have no meaning for a value.
  func validateRange(_ data: Dataset, for use: DataUse) throws {
    if objective.chain != nil, decoder.last?.activation == .sigmoid, let found = data.first(outside: 0...1) {
      throw CinchError.badData(
        "Bernoulli units need values in [0, 1], but row \(found.row + 1), feature \(found.feature + 1) is \(found.value): "
          + (use == .evaluation
            ? "leave such rows out, or train a machine of gaussian units, with \(.outputActivation) linear."
            : "use \(.scaling, "minmax"), or \(.outputActivation) linear for gaussian units."))
    }
    if let columns = objective.columns, let found = data.firstShare(outside: columns) {
      throw CinchError.badData(
        "Categories are numbers from 0 to 1 to the mixed loss, but row \(found.row + 1), feature \(found.feature + 1) is "
          + "\(found.value): leave \(.scaling) out, or use \(.scaling, "standard"), which leaves categories alone.")
    }
    if loss == .bce, let found = data.first(outside: 0...1) {
      // The bound of a variational autoencoder is made of probabilities.
      let other = penalties.prior == nil ? Loss.sse.rawValue : Loss.gaussian.rawValue
      throw CinchError.badData(
        "The bce loss needs values in [0, 1], but row \(found.row + 1), feature \(found.feature + 1) is "
          + "\(found.value): "
          + (use == .evaluation
            ? "leave such rows out, or train a model of any values, with \(.loss, other) and \(.outputActivation) linear."
            : "use \(.scaling, "minmax"), or \(.loss, other) with \(.outputActivation) linear."))
    }
  }

  /// - Throws: `CinchError.badData` where values are missing that a model needs.
  func requireObserved(_ data: Dataset) throws {
    guard data.observed != nil, objective.chain != nil || closedForm != nil else { return }
    throw CinchError.badData(
      "'\(data.name)' has missing cells, of which '\(name)' can make nothing: impute them first, or train an "
        + "autoencoder by gradients, such as deep.")
  }

  /// - Throws: `CinchError.badData` where the loss compares with labels, and the data have none or others.
  private func requireLabels(_ data: Dataset) throws {
    guard let classes = classifier?.classes else { return }
    guard let labels = data.labels else {
      throw CinchError.badData(
        "The samples of '\(data.name)' have no labels, which a classifier is trained with: name a \(.labelColumn) or a "
          + "file of labels.")
    }
    if let row = labels.firstIndex(where: { !(0..<classes).contains($0) }) {
      throw CinchError.badData(
        "Row \(row + 1) of '\(data.name)' has the label \(labels[row]), but the classes are 0 to \(classes - 1): correct "
          + "the label, or give the recipe more classes.")
    }
  }

  /// - Throws: `CinchError.badData` where the data are images, but of another shape than the model's.
  public func requireImages(_ data: Dataset) throws {
    guard let image, let given = ImageShape(data.sampleShape), given != image else { return }
    let reversed = given.shape == image.shape(in: .nhwc)
    throw CinchError.badData(
      "Samples of \(data.name) are \(given), but the model takes images of \(image): "
        + (reversed ? "read them with \(.layout) nhwc." : "pass images of that shape."))
  }
}
