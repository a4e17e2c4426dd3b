import Cinch

extension RecipeOptions {
  /// A recipe with these settings, its input and output fitted to the data.
  ///
  /// - Parameters:
  ///   - base: the recipe before them, which may need to know what images the data are.
  ///   - isFromFile: whether `base` is the user's own, not a named one.
  ///   - tellsOfInput: whether it is told that a file's input gives way to the data's.
  /// - Throws: `CinchError.usage` where a setting means nothing, `.badData` where `--layers` do not fit the data.
  func fit(_ base: Recipe, isFromFile: Bool, to data: Dataset, tellsOfInput: Bool = true) throws -> Recipe {
    let recipe = try fitLayers(base, isFromFile: isFromFile, to: data, tellsOfInput: tellsOfInput)
    guard recipe.loss == .mixed, recipe.takesMixedLoss else { return recipe }
    // The data say what the columns are.
    return try recipe.adopting(columnsOf: data)
  }

  /// The recipe of a new run, and how its samples are scaled.
  ///
  /// - Parameters:
  ///   - base: with its own settings.
  ///   - isFromFile: whether it was loaded, so that what it says of the samples is meant.
  ///   - data: what it is to be trained on.
  ///   - scale: what was asked for; nil for nothing.
  ///   - tellsOfInput: whether it is told that a file's input gives way to the data's.
  /// - Throws: `CinchError.usage` and `.badData` where options, recipe and samples do not go together.
  func begin(
    _ base: Recipe, isFromFile: Bool, with data: Dataset, scale: Scaling.Kind?, tellsOfInput: Bool = true
  ) throws -> (recipe: Recipe, scale: Scaling.Kind) {
    var (recipe, scale) = (base, scale)
    if !isFromFile {
      // As many classes as there are labels.
      if recipe.classifier != nil, let names = data.classNames { recipe.classifier?.classes = names.count }
      if scale ?? .standard == .standard, mixesColumns(recipe, of: data) {
        recipe = try recipe.fitted(to: data.features).adopting(columnsOf: data)
        scale = .standard
      }
    }
    return (try fit(recipe, isFromFile: isFromFile, to: data, tellsOfInput: tellsOfInput), scale ?? .none)
  }

  /// Whether the columns of a table are told apart: where that is asked for, and of a table with texts where nothing is said
  /// of the loss. A linear output is what the mixed loss has anyway.
  func mixesColumns(_ base: Recipe, of data: Dataset) -> Bool {
    guard base.takesMixedLoss, outputActivation ?? .linear == .linear else { return false }
    return (loss ?? base.loss) == .mixed || loss == nil && data.hasTexts
  }

  private func fitLayers(
    _ base: Recipe, isFromFile: Bool, to data: Dataset, tellsOfInput: Bool
  ) throws -> Recipe {
    if layers != nil, !layersAreText, !base.isOfImages {
      let recipe = try apply(to: base)
      guard data.features == recipe.input else {
        throw CinchError.badData(
          "'\(data.name)' has \(data.featuresText) per sample, but --layers begins with \(recipe.input): "
            + "pass --layers \(data.features),… or other data.")
      }
      return recipe
    }
    var recipe = base
    try recipe.adopt(data, takesImages: layersAreText, isFromFile: isFromFile)
    if tellsOfInput, isFromFile, base.input > 0, recipe.inputShape != base.inputShape {
      Diagnostics.logger().notice(
        "The recipe's input of \(base.inputShape) gives way to the data's, \(recipe.inputShape).")
    }
    return try apply(to: recipe)
  }
}

extension Recipe {
  /// Fits the input and output to the data, and a named recipe's layers between them; a file's stay as they are.
  ///
  /// - Parameters:
  ///   - takesImages: whether the network is or will be one of images.
  ///   - isFromFile: whether the recipe's own image is the user's, not a named recipe's default.
  /// - Throws: `CinchError.usage` where the data do not say what image a sample is.
  fileprivate mutating func adopt(_ data: Dataset, takesImages: Bool, isFromFile: Bool) throws {
    guard takesImages || isOfImages else {
      self = isFromFile ? adopting(features: data.features) : fitted(to: data.features)
      return
    }
    guard let shape = ImageShape(data.sampleShape) else {
      if isFromFile, let image, image.count == data.features { return }
      throw CinchError.usage(
        "Samples of '\(data.name)' are vectors of \(data.features) values, but the layers work on images: say what they "
          + "are with --image-shape CHANNELS,HEIGHT,WIDTH.")
    }
    if isOfImages { self = try adopting(image: shape) } else { autoencoder?.image = shape }
  }
}
