import ArgumentParser
import Cinch

struct PretrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pretrain", abstract: "Trains the layers of a stack one after the other.",
    discussion: """
      Each layer is trained by itself, as an autoencoder or a Boltzmann machine, on what the layers below, which are no longer \
      trained, make of the samples. What they learned together is one run: 'cinch encode' and the other commands take it, and \
      'cinch finetune' goes on with it. Options of the recipe are about the layers; --lr, --corruption-level and --epochs take one \
      value for all, or one for each: 0.1,0.05.

      Ctrl-C ends it between two updates; 'cinch train --resume' goes on at the same layer, epoch and update.
      """)

  /// What each layer is trained as.
  enum Module: String, CaseIterable, ExpressibleByArgument {
    case autoencoder, denoising, sparse, contractive, rbm

    var recipe: Recipe {
      switch self {
      case .autoencoder:
        Recipe(
          name: rawValue, layers: [784, 500], activation: .sigmoid, outputActivation: .sigmoid, loss: .bce)
      case .denoising: .denoising()
      case .sparse: .sparse()
      case .contractive: .contractive()
      case .rbm: .rbm()
      }
    }
  }

  @Option(help: "What each layer is trained as. (default: autoencoder)")
  var module: Module?

  @OptionGroup(title: "Data") var dataOptions: DataOptions

  @OptionGroup(title: "Data") var heldOutOptions: HeldOutOptions

  @OptionGroup(title: "Device") var deviceOptions: RunlessDeviceOptions

  @OptionGroup(title: "Layers") var recipeOptions: RecipeOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Passes over the data, for each layer. (default: the module's, 20)", valueName: "n"))
  var epochs: PerLayer<Int>?

  @Option(help: ArgumentHelp("The run's folder. (default: runs/YYYY-MM-DD-stacked-MODULE)", valueName: "folder"))
  var out: String?

  @OptionGroup(title: "Watching") var watchOptions: WatchOptions

  @OptionGroup var reportOptions: ReportOptions

  func run() throws {
    let source = try dataOptions.source(default: "fashion-mnist")
    let validation = try heldOutOptions.validation(dataOptions, recipeOptions)
    let data = try LoadReport.observing(quiet: reportOptions.quiet) { try source.loaded() }
    let run = try LoadReport.observing(quiet: reportOptions.quiet) {
      try Run.create(
        try stack(for: data.samples), data: data, validation: validation, scaling: heldOutOptions.scale ?? .none,
        zcaEpsilon: try heldOutOptions.epsilon, in: out, on: deviceOptions.device ?? .automatic,
        settings: try watchOptions.settings())
    }
    try reportOptions.follow(run)
  }

  private func stack(for data: Dataset) throws -> Recipe {
    let example = "--layers \(data.features),500,500"
    if let layers = recipeOptions.layers, recipeOptions.layersAreText {
      throw CinchError.usage(
        "Layers are pre-trained where they are dense: give numbers of units, not '\(layers)' (\(example)).")
    }
    let widths =
      try recipeOptions.layers.map { try parseExtents($0, option: "--layers", example: example) }
      ?? [data.features, 500, 500]
    guard widths.count > 1 else {
      throw CinchError.usage("--layers needs an input and a layer at least, not '\(widths[0])' (\(example)).")
    }
    guard widths[0] == data.features else {
      throw CinchError.badData(
        "'\(data.name)' has \(data.featuresText) per sample, but --layers begins with \(widths[0]): pass \(example) or "
          + "other data.")
    }
    let count = widths.count - 1
    let base = (module ?? .autoencoder).recipe
    let modules = try (0..<count).map { layer in
      var recipe = try recipeOptions.of(layer: layer, in: count).apply(to: base)
      if let epochs { recipe.epochs = try epochs.of(layer, in: count, "--epochs").single("--epochs") }
      return recipe
    }
    return try Recipe.stack(layers: widths, codeActivation: recipeOptions.codeActivation, of: modules)
  }
}
