import ArgumentParser
import Cinch

/// What samples a new run holds out, and how all of them are scaled.
struct HeldOutOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Held-out samples, in place of --validation-split. (default: none)", valueName: "source"))
  var validation: String?

  @Option(
    help: ArgumentHelp(
      "What is done to every feature: none keeps values (bytes become [0, 1]), minmax takes its range to [0, 1], "
        + "standard makes its mean 0 and variance 1. (default: none)", valueName: "kind"))
  var scale: Scaling.Kind?

  /// - Throws: `CinchError.usage` where both options say what is held out.
  func validation(_ dataOptions: DataOptions, _ recipeOptions: RecipeOptions) throws -> DataSource? {
    try Self.source(validation, "--validation", dataOptions, recipeOptions)
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
