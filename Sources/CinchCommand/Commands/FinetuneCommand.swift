import ArgumentParser
import Cinch

struct FinetuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finetune", abstract: "Trains a run's encoder with labels, or a stack as a whole.",
    discussion: """
      A softmax layer is put upon the encoder of a run, and the whole network is trained with labels, or, with --freeze, what \
      lies above its first layers. With --unroll the layers of a stack, encoders and decoders, are trained together as a deep \
      autoencoder instead. Either is a new run; 'cinch classify' tells classes by it.

      Labels come with MNIST-like images, from --label-column of a table, or from a file by --labels. At the end the errors of \
      training, validation and test samples are printed, each with its 95 % interval.
      """)

  @Argument(help: ArgumentHelp("The folder of the run to begin with.", valueName: "run"))
  var origin: String

  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @Option(help: ArgumentHelp("Held-out samples, in place of --validation-split. (default: none)", valueName: "source"))
  var validation: String?

  @Option(
    help: ArgumentHelp("Labelled samples that are looked at once, at the end. (default: none)", valueName: "source"))
  var test: String?

  @Option(
    help: ArgumentHelp("A file of labels for --test. (default: the file beside MNIST-like images)", valueName: "file"))
  var testLabels: String?

  @OptionGroup(title: "Device") var deviceOptions: DeviceOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How many of the first layers keep their weights. (default: none)", valueName: "n"))
  var freeze: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The rate at which values behind each layer are dropped in training. (default: 0)", valueName: "p")
  )
  var dropout: Double?

  @Flag(help: "Trains encoder and decoder together, without labels.")
  var unroll = false

  @OptionGroup(title: "Recipe") var recipeOptions: RecipeOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Passes over the data. (default: 20)", valueName: "n"))
  var epochs: Int?

  @Option(help: ArgumentHelp("The new run's folder. (default: runs/YYYY-MM-DD-RECIPE)", valueName: "folder"))
  var out: String?

  @OptionGroup(title: "Watching") var watchOptions: WatchOptions

  @OptionGroup var reportOptions: ReportOptions

  func run() throws {
    let options: [(name: String, isGiven: Bool)] = [
      ("--freeze", freeze != nil), ("--dropout", dropout != nil), ("--test", test != nil),
    ]
    if unroll, let option = options.first(where: \.isGiven) {
      throw CinchError.usage("\(option.name) is about labels, which --unroll does without: leave one of them out.")
    }
    if let option = ["--layers", "--components"].first(where: recipeOptions.given.contains) {
      throw CinchError.usage("The layers are those of the run '\(origin)': leave \(option) out.")
    }
    guard test != nil || testLabels == nil else {
      throw CinchError.usage("--test-labels says how --test is labelled: name samples with it.")
    }
    guard test?.isEmpty != true else {
      throw CinchError.usage("--test is empty: name samples, or leave it out.")
    }
    let config = try RunFolder(origin).config()
    if let notice = config.unfinishedNotice(of: origin) { reportOptions.log.notice("\(notice)") }
    let data = try data(of: config)
    let validation = try HeldOutOptions.source(validation, "--validation", dataOptions, recipeOptions)
      .map { beside($0, of: config) }
    let testing = try testSource.map { beside($0, of: config) }
    let run = try LoadReport.observing(quiet: reportOptions.quiet) {
      try Run.fineTune(
        origin, data: data, validation: validation, test: testing, in: out, on: deviceOptions.device,
        settings: try watchOptions.settings()
      ) { config, classes in
        var recipe = try recipeOptions.apply(to: try recipe(config.recipe, classes))
        recipe.epochs = epochs ?? 20
        return recipe
      }
    }
    try reportOptions.follow(run)
  }

  /// The samples named here, or the run's own with the labels named here.
  private func data(of config: RunConfig) throws -> DataSource? {
    guard dataOptions.data == nil else {
      guard var source = try dataOptions.source() else { return nil }
      complete(&source, by: config)
      if !unroll { config.completeLabels(&source) }
      return source
    }
    guard dataOptions.given == ["--labels"], var own = config.data else { return try dataOptions.source() }
    own.options.labels = DataSource(own.source, options: try dataOptions.loadOptions).options.labels
    own.options.labelColumn = nil
    return own
  }

  private var testSource: DataSource? {
    get throws {
      guard let test else { return nil }
      var options = try dataOptions.otherOptions
      options.labels = testLabels
      return DataSource(test, options: options)
    }
  }

  /// Samples beside those that are trained on, read as these are.
  private func beside(_ given: DataSource, of config: RunConfig) -> DataSource {
    var source = given
    if dataOptions.data == nil {
      source = config.source(given.source)
      source.options.labels = given.options.labels
    } else {
      complete(&source, by: config)
    }
    // Labels of a file are others than those of the run's column.
    if !unroll, dataOptions.sourceOptions.labels == nil { config.completeLabels(&source) }
    return source
  }

  private func complete(_ source: inout DataSource, by config: RunConfig) {
    config.complete(&source, hasLayout: dataOptions.layout != nil, hasCount: dataOptions.count != nil)
  }

  private func recipe(_ origin: Recipe, _ classes: [String]) throws -> Recipe {
    guard !unroll else {
      guard origin.autoencoder != nil else {
        throw CinchError.usage("'\(self.origin)' is a classifier, which has no decoder to unroll: name a stack.")
      }
      return origin.unrolled()
    }
    guard !classes.isEmpty else {
      throw CinchError.usage(
        "The samples have no labels: name a file of them with --labels, or a column of --data with --label-column, or train "
          + "without them by --unroll."
      )
    }
    guard (2...10_000).contains(classes.count) else {
      throw CinchError.badData(
        "There are \(NumberText.counted(classes.count, "different label")) in the data: a classifier tells 2 to 10000 apart."
      )
    }
    var recipe = try origin.classifier(classes: classes.count, dropout: dropout ?? 0)
    try freeze.map { recipe.training.frozenLayers = try recipe.layers(upTo: $0) }
    return recipe
  }
}

extension Recipe {
  /// How many layers there are up to the `count`th with weights, and what belongs to it. Dropout does not: it is about what
  /// is trained upon it.
  fileprivate func layers(upTo count: Int) throws -> Int {
    let learned = encoder.indices.filter { encoder[$0].hasParameters }
    guard (1...learned.count).contains(count) else {
      throw CinchError.usage(
        "--freeze \(count) is not possible: the run has \(NumberText.counted(learned.count, "layer")) to keep.")
    }
    let next = count == learned.count ? encoder.count : learned[count]
    return encoder[learned[count - 1]..<next].firstIndex(where: \.isDropout) ?? next
  }
}

extension LayerSpec {
  fileprivate var isDropout: Bool { if case .dropout = self { true } else { false } }
}
