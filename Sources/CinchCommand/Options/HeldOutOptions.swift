import ArgumentParser
import Cinch

/// What samples a new run holds out, and how all of them are scaled.
struct HeldOutOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Held-out samples, in place of --validation-split. (default: none)", valueName: "source"))
  var validation: String?

  @Option(
    help: ArgumentHelp(
      "What is done to every feature: none keeps values (bytes become [0, 1]), bytes divides values of 0 to 255 by "
        + "255, minmax takes its range to [0, 1], standard makes its mean 0 and variance 1; zca whitens samples. (default: none; "
        + "standard for a table with texts, where the loss is mixed)", valueName: "kind"))
  var scale: Scaling.Kind?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "ε of zca, as a fraction of the covariance's mean eigenvalue. (default: 0.1)", valueName: "x"))
  var zcaEpsilon: Double?

  /// - Throws: `CinchError.usage` where nothing is whitened.
  var epsilon: Double {
    get throws {
      guard let zcaEpsilon else { return Whitening.usualEpsilon }
      guard scale == .zca else { throw CinchError.usage("--zca-epsilon belongs to whitening: add --scale zca.") }
      return zcaEpsilon
    }
  }

  /// - Throws: `CinchError.usage` where both options say what is held out.
  func validation(_ dataOptions: DataOptions, _ recipeOptions: RecipeOptions) throws -> DataSource? {
    try Self.source(validation, "--validation", dataOptions, recipeOptions)
  }

  /// With --resume: where files of the data lie now.
  func moved(_ dataOptions: DataOptions) -> [Override<Run.MovedFiles>] {
    [
      Override("--data", dataOptions.data, \.data), Override("--labels", dataOptions.labels, \.labels),
      Override("--validation", validation, \.validation),
    ]
  }

  /// - Throws: `CinchError.usage` where both options say what is held out.
  static func source(
    _ name: String?, _ option: String, _ dataOptions: DataOptions, _ recipeOptions: RecipeOptions
  ) throws -> DataSource? {
    guard let name else { return nil }
    guard !name.isEmpty else { throw CinchError.usage("\(option) is empty: name samples, or leave it out.") }
    guard recipeOptions.validationSplit == nil else {
      throw CinchError.usage("Give \(option) or --validation-split, not both: each says what is held out.")
    }
    return DataSource(name, options: try dataOptions.otherOptions)
  }
}
