import CinchData

// Widths that were chosen for one input, on another.
extension Recipe {
  /// The recipe for vectors of another length, with as many layers, of widths that suit it.
  ///
  /// From the input to the code, a layer keeps its width wᵢ where that is at most half of what comes before it; else it has
  /// half of that, rounded up, so that every layer of more than one unit is followed by fewer. Layers that are wider than
  /// the recipe's own input n, and those of a Boltzmann machine, have at most wᵢ/n of the input instead; so has a code that
  /// must be wider than its input, which also grows with it. Those of `imputation` have as many units more than the input as
  /// ever. A classifier, and a network of images, keeps its widths, and so does one that is or becomes too large for any
  /// device.
  ///
  /// - Parameter features: of one sample.
  public func fitted(to features: Int) -> Recipe {
    var recipe = adopting(features: features)
    let sizes = 0...ParameterList.mostElements
    guard features != input, features >= 1, let network = autoencoder, let widths = network.denseWidths,
      ([features, input] + widths).allSatisfy({ sizes.contains($0) })
    else { return recipe }
    var below = features
    var fitted: [Int] = []
    for width in widths {
      let share = max(1, Int(exactly: (Double(width) / Double(input) * Double(features)).rounded()) ?? width)
      if network.constraint == .overcomplete {
        below = max(features + 1, share)
      } else if width > input, loss == .mixed {
        below = features + width - input
      } else if width > input || objective.chain != nil {
        below = min(width, share)
      } else {
        below = min(width, (below + 1) / 2)
      }
      fitted.append(below)
    }
    recipe.autoencoder?.setDenseWidths(fitted)
    return recipe
  }

  /// The recipe with another number of units of the code, or of filters where it is an image; the other layers keep theirs.
  /// - Throws: `CinchError.usage` where nothing says how wide the code is.
  public func giving(codeUnits units: Int) throws -> Recipe {
    guard var network = autoencoder, let last = network.encoder.lastIndex(where: \.hasParameters) else {
      throw CinchError.usage("The recipe '\(name)' has no code to make wider: choose one of an autoencoder.")
    }
    // As far as 2 units for each can be counted.
    guard (1...1 << 30).contains(units) else {
      throw CinchError.usage("A code of \(units) units is not possible: give 1 to \(1 << 30).")
    }
    network.encoder[last] = network.encoder[last].definition.giving(
      units: network.encoder.last == .sampling ? 2 * units : units)
    var recipe = self
    recipe.autoencoder = network
    return recipe
  }

  /// Whether a dense network's code is at least as wide as its input, and nothing keeps it from copying that: neither
  /// corruption, what is drawn in training, nor a penalty on the code, nor that it is meant to be so wide.
  public var mayCopyItsInput: Bool {
    guard let network = autoencoder, !isOfImages, network.constraint == nil, objective.chain == nil, corruption == nil,
      !penalties.act(onFirst: network.encoder.count, encoderCount: network.encoder.count),
      let resolved = try? resolved()
    else { return false }
    return resolved.codeUnits >= resolved.input.count && !resolved.layers.contains { $0.kind.draws }
  }
}

extension AutoencoderArchitecture {
  /// The units of a dense encoder's layers, up to the code; nil of other networks.
  fileprivate var denseWidths: [Int]? {
    let isDrawn = encoder.last == .sampling
    var widths: [Int] = []
    for layer in isDrawn ? encoder.dropLast() : encoder[...] {
      guard case .dense(let dense) = layer else { return nil }
      widths.append(dense.units)
    }
    guard let code = widths.last, decoder.count == widths.count else { return nil }
    if isDrawn { widths[widths.count - 1] = code / 2 }
    return widths
  }

  /// Gives a network of dense layers, and their mirror, other widths.
  fileprivate mutating func setDenseWidths(_ widths: [Int]) {
    for (index, width) in widths.enumerated() {
      let isDrawn = encoder.last == .sampling && index == widths.count - 1
      encoder[index] = encoder[index].definition.giving(units: isDrawn ? 2 * width : width)
    }
    for (index, width) in ([input] + widths.dropLast()).reversed().enumerated() {
      decoder[index] = decoder[index].definition.giving(units: width)
    }
  }
}
