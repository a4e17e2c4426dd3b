import Cinch

/// What a run trains on: the samples as the model takes them, and what `config.json` says of them.
struct TrainingSetup {
  var recipe: Recipe
  var training: Dataset
  var held: Dataset?
  var data: DataSource?
  var validation: DataSource?
  var scaling: Scaling
  var sampleShape: Shape

  /// A new run.
  ///
  /// - Parameters:
  ///   - base: the recipe before `options`, which may need to know what images the data are.
  ///   - isFromFile: whether `base` is the user's own, not a named one.
  init(
    _ base: Recipe, isFromFile: Bool, options: RecipeOptions, data: DataSource, validation: DataSource?,
    scale: Scaling.Kind
  ) throws {
    var recipe = base
    let raw = try data.load()
    if options.layers != nil, !options.layersAreText, !recipe.isOfImages {
      recipe = try options.apply(to: recipe)
      guard raw.features == recipe.input else {
        throw CinchError.badData(
          "'\(raw.name)' has \(raw.features) features a sample, but --layers begins with \(recipe.input): "
            + "pass --layers \(raw.features),… or other data.")
      }
    } else {
      try recipe.adopt(raw, takesImages: options.layersAreText, isFromFile: isFromFile)
      if isFromFile, base.input > 0, recipe.inputShape != base.inputShape {
        Diagnostics.logger().notice(
          "The recipe's input of \(base.inputShape) gives way to the data's, \(recipe.inputShape).")
      }
      recipe = try options.apply(to: recipe)
    }
    self.data = data
    self.data?.samples = raw.count
    let rawHeld = try validation?.load()
    if let rawHeld, rawHeld.features != recipe.input {
      throw CinchError.badData(
        "'\(rawHeld.name)' has \(rawHeld.features) features a sample, but the training data have \(recipe.input): "
          + "pass held-out samples of as many.")
    }
    self.validation = validation
    self.validation?.samples = rawHeld?.count
    scaling = try Scaling.fit(scale, to: raw)
    sampleShape = raw.sampleShape
    self.recipe = recipe
    (training, held) = try Self.split(raw, rawHeld, scaling: scaling, recipe: recipe)
  }

  /// A run that goes on: the same samples, scaled and split as they were.
  init(resuming config: RunConfig, folder: String) throws {
    guard let data = config.data else {
      throw CinchError.usage("'\(folder)' does not say which data it was trained on: it cannot be resumed from here.")
    }
    recipe = config.recipe
    self.data = data
    validation = config.validation
    scaling = config.scaling ?? .identity
    sampleShape = config.shape
    let raw = try data.load()
    guard raw.features == recipe.input else {
      throw CinchError.badData(
        "'\(data.source)' has \(raw.features) features a sample now, but the run was started with \(recipe.input).")
    }
    (training, held) = try Self.split(raw, try validation?.load(), scaling: scaling, recipe: recipe)
  }

  private static func split(
    _ raw: Dataset, _ rawHeld: Dataset?, scaling: Scaling, recipe: Recipe
  ) throws -> (Dataset, Dataset?) {
    let data = try scaling.apply(to: raw)
    if let rawHeld { return (data, try scaling.apply(to: rawHeld)) }
    guard recipe.validationSplit > 0, recipe.validationSplit < 1 else { return (data, nil) }
    let parts = try data.split(validation: recipe.validationSplit, seed: recipe.seed)
    return (parts.training, parts.validation)
  }

  /// What the run folder keeps of it.
  func config(device: DeviceInfo, isFinal: Bool) -> RunConfig {
    RunConfig(
      recipe: recipe, data: data, validation: validation, scaling: scaling, sampleShape: sampleShape, device: device,
      isFinal: isFinal)
  }
}
