import CinchBackend
import CinchData

extension Recipe {
  /// Times the samples of an epoch, this still fits an Int.
  static let mostEpochs = 1_000_000_000

  /// Checks that the settings make a network that can be trained.
  /// - Throws: `CinchError.usage`, naming the setting to change.
  public func validate() throws {
    func refuse(_ text: CinchError.Message) -> CinchError { .usage(text) }
    if isOfImages, image == nil {
      throw refuse(
        "The recipe '\(name)' is made of images: say what they are with \(.imageShape) CHANNELS,HEIGHT,WIDTH.")
    }
    guard input > 0, !encoder.isEmpty else {
      throw refuse(
        "The layers \(widths) make no autoencoder: give at least an input and a code, each 1 or more (\(.layers, "784,32"))."
      )
    }
    if let image, [image.channels, image.height, image.width].contains(where: { !(1...65_536).contains($0) }) {
      throw refuse("An image of \(image) cannot be: each of its extents is 1 to 65536.")
    }
    if let image, image.count != input {
      throw refuse("An image of \(image) has \(image.count) values, but the input has \(input) features.")
    }
    if decoder.isEmpty {
      // Says which layer of the encoder cannot be, if that is why.
      _ = try LayerSpec.mirror(of: encoder, from: inputShape, outputActivation: .linear, pools: .upsample)
      throw refuse("The recipe has no decoder: spell it out, or leave it away to mirror the encoder.")
    }
    let shape = try shape()
    let rebuilt = shape.layers[shape.layers.count - 1].output
    guard rebuilt == inputShape else {
      throw refuse("The decoder ends with \(rebuilt), but a sample is \(inputShape): \(remedy(shape)).")
    }
    guard let last = decoder.last, last.hasParameters else {
      throw refuse(
        "The decoder ends with pooling undone, which has no weights to learn: begin the encoder with a convolution.")
    }
    try validateTying(shape)
    let output = last.activation
    if loss == .bce && output != .sigmoid {
      throw refuse(
        "The bce loss reads the output as a probability: use \(.outputActivation, "sigmoid"), not \(output.rawValue).")
    }
    try validatePenalties()
    try validateTraining()
  }

  private func validateTying(_ shape: NetworkShape) throws {
    guard tied else { return }
    let mirrored =
      decoder.count == encoder.count
      && encoder.indices.allSatisfy { index in
        let (down, up) = (shape.layers[index], shape.layers[2 * encoder.count - 1 - index])
        guard down.input == up.output, down.output == up.input else { return false }
        return switch (down.kind, up.kind) {
        case (.convolution(let a), .transposedConvolution(let b)): a == b
        default: down.spec.hasParameters == up.spec.hasParameters
        }
      }
    guard mirrored else {
      let steps = shapes.map(\.description).joined(separator: " → ")
      throw CinchError.usage("Tied weights need a decoder that mirrors the encoder layer by layer, not \(steps).")
    }
  }

  /// What to change where the decoder does not lead back to the input's size.
  private func remedy(_ shape: NetworkShape) -> String {
    for layer in shape.layers[..<encoder.count] {
      guard case .maxPool(let g) = layer.kind, let drop = g.leftOut else { continue }
      return "\(layer.name) pools \(layer.input) to \(layer.output) and leaves \(drop) out; use images whose sides its "
        + "stride divides, or other pooling"
    }
    let (down, up) = (shape.layers[..<encoder.count], Array(shape.layers[encoder.count...].reversed()))
    guard down.count == up.count, let index = down.indices.last(where: { down[$0].input != up[$0].output }) else {
      return "change the last layer, or strides and pooling that divide the image evenly"
    }
    return "\(down[index].name) makes \(down[index].output) of \(down[index].input), and \(up[index].name) makes "
      + "\(up[index].output) of it again; use images, or strides and pooling, that divide evenly"
  }

  private func validatePenalties() throws {
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
    var isDense = false
    if case .dense = encoder[0] { isDense = true }
    if penalties.contraction > 0 && (encoder.count != 1 || !isDense) {
      throw CinchError.usage(
        "The contractive penalty needs an encoder of one dense layer: "
          + "use \(isOfImages ? "the contractive recipe" : "two numbers in \(.layers)"), or leave \(.contraction) out.")
    }
    if name == "undercomplete" && codeUnits >= input {
      throw CinchError.usage(
        "An undercomplete code is narrower than its input, but \(codeUnits) units are not fewer than \(input): "
          + "choose \(.layers, "\(input),\(max(1, input / 4))"), or the overcomplete recipe.")
    }
    if name == "overcomplete" && codeUnits <= input {
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

extension PoolingGeometry {
  /// What the last windows do not reach; nil where that is nothing.
  fileprivate var leftOut: String? {
    let rows = height - (outputHeight - 1) * strideHeight - kernelHeight
    let columns = width - (outputWidth - 1) * strideWidth - kernelWidth
    guard rows > 0 || columns > 0 else { return nil }
    return rows > 0 ? "\(rows) row\(rows == 1 ? "" : "s")" : "\(columns) column\(columns == 1 ? "" : "s")"
  }
}
