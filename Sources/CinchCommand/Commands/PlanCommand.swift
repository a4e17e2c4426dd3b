import ArgumentParser
import Cinch

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Tells what training would take: memory, operations, time.",
    discussion: """
      RECIPE and options are those of 'cinch train', whose run is planned: its own code asks a device that computes \
      nothing for memory and ops, which are added up. For the time, a few of its updates are tried on the device, which \
      takes some seconds: run nothing else meanwhile. Loading, compiling kernels and writing files are not in it.
      """)

  @Argument(
    help: ArgumentHelp("Which recipe; left out with --recipe.", valueName: "recipe"),
    completion: .list(Recipe.all.map(\.name)))
  var name: String?

  @Option(
    name: .customLong("recipe"),
    help: ArgumentHelp("A recipe as JSON, as 'cinch recipes --json' prints them, or a run's.", valueName: "file.json"))
  var file: String?

  @OptionGroup(title: "Data") var dataOptions: DataOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Plans for so many samples like those of --data; without --data, of noise in the recipe's shape. (default: the data's)",
      valueName: "n"))
  var samples: Int?

  @OptionGroup(title: "Data") var heldOutOptions: HeldOutOptions

  @OptionGroup(title: "Device") var deviceOptions: RunlessDeviceOptions

  @OptionGroup(title: "Recipe") var recipeOptions: RecipeOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Passes over the data. (default: the recipe's)", valueName: "n"))
  var epochs: Int?

  @Flag(help: "Prints one JSON object.")
  var json = false

  func run() throws {
    guard name == nil || file == nil else {
      throw CinchError.usage("Give a recipe's name or --recipe FILE.json, not both.")
    }
    guard var recipe = try name.map(Recipe.named) ?? file.map(Recipe.load) else {
      throw CinchError.usage(
        "No recipe is named: choose one of \(Recipe.all.map(\.name).joined(separator: ", ")), or give --recipe FILE.json."
      )
    }
    recipe.epochs = epochs ?? recipe.epochs
    let validation = try heldOutOptions.validation(dataOptions, recipeOptions)
    let zcaEpsilon = try heldOutOptions.epsilon
    let data = try data(for: recipe)
    let begun = try recipeOptions.begin(recipe, isFromFile: file != nil, with: data, scale: heldOutOptions.scale)
    let plan = try TrainingPlan(
      begun.recipe, data: data, validation: try validation?.loaded(as: data.schema).samples, samples: samples,
      scaling: begun.scale, zcaEpsilon: zcaEpsilon, on: deviceOptions.device ?? .automatic)
    let report = PlanReport(plan)
    try Output.result(json ? report.record.description : report.text)
  }

  private func data(for recipe: Recipe) throws -> Dataset {
    if let samples, dataOptions.data == nil {
      if let option = dataOptions.given.first {
        throw CinchError.usage("\(option) says how a file is read: name it with --data, or leave \(option) out.")
      }
      let recipe = try recipeOptions.apply(to: recipe)
      // Noise for a network that no device holds may be all that takes time.
      let device = deviceOptions.device ?? .automatic
      try recipe.requireFit(try recipe.validated(), on: try device.open().backend)
      return try .noise(for: recipe, count: samples)
    }
    let source = try dataOptions.source(default: "fashion-mnist")
    return try LoadReport.observing(quiet: json) { try source.loaded() }.samples
  }
}

extension Dataset {
  /// A few samples that go with a recipe: uniform numbers in [0, 1), and every class in turn. What a plan tells does not
  /// depend on the numbers, so wide samples have the same ones over again.
  fileprivate static func noise(for recipe: Recipe, count: Int) throws -> Dataset {
    let shape = recipe.image.map { Shape([$0.channels, $0.height, $0.width]) } ?? [recipe.input]
    let few = max(1, min(count, 1024, (1 << 24) / max(recipe.input, 1)))
    try HostMemory.require(few * recipe.input * MemoryLayout<Float>.size, for: "a sample of \(recipe.input) features")
    let philox = Philox(seed: 1, stream: .test)
    let total = few * recipe.input
    let drawn = (0..<min(total, 1_000_003)).map { Philox.uniform(philox.word(element: $0, step: 0)) }
    let values = (0..<total).map { drawn[$0 % drawn.count] }
    let classes = recipe.classifier?.classes
    return try Dataset(
      values: values, count: few, sampleShape: shape, labels: classes.map { classes in (0..<few).map { $0 % classes } },
      name: "noise")
  }
}
