import ArgumentParser
import Cinch
import CinchData

struct ImputeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "impute", abstract: "Completes the missing cells of a table.",
    discussion: """
      Without --run a model is trained on the table's known cells: the recipe imputation, a denoising autoencoder (MIDA), whose \
      loss leaves missing cells out. It is a run like any other, and --run completes other tables with it, or with any \
      autoencoder of a table. What comes out for a row does not depend on the other rows of its table.

      The completed table is the file with its missing cells filled, all else as it was, to the last digit. -m 5 writes five \
      others, name-1.csv to name-5.csv, from passes that zero other values of a row, as in training, and in name-variance.csv how \
      much these differ: the variance of a number, the share of other texts than the most frequent one.

      --evaluate 0.2 hides a fifth of the known cells, trains on the others, and compares what the model puts there with means, \
      medians, principal components and nearest neighbours.
      """)

  @OptionGroup(title: "Data") var sourceOptions: SourceOptions

  @Option(
    name: [.short, .customLong("output")],
    help: ArgumentHelp(
      "The completed table: .csv, or .tsv where the table has tabs between its cells. (default: none)",
      valueName: "file"
    ))
  var output: String?

  @OptionGroup var overwriting: OverwriteOptions

  @Option(
    name: [.customShort("m"), .customLong("imputations")], parsing: .unconditional,
    help: ArgumentHelp(
      "Completes the table so many times, and tells how much they differ. (default: 1)", valueName: "n"))
  var imputations: Int?

  @Option(
    name: .customLong("run"),
    help: ArgumentHelp("A run that completes the table, without training. (default: none)", valueName: "run"))
  var trained: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Hides this share of the known cells, and compares ways to complete them. (default: none)", valueName: "share"))
  var evaluate: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Passes over the table. (default: as make about 6000 updates, 20 to 1000)", valueName: "n"))
  var epochs: Int?

  @Option(
    help: ArgumentHelp("The new run's folder. (default: runs/YYYY-MM-DD-imputation)", valueName: "folder"))
  var save: String?

  @OptionGroup(title: "Device") var deviceOptions: DeviceOptions

  @OptionGroup(title: "Recipe") var recipeOptions: RecipeOptions

  @OptionGroup var reportOptions: ReportOptions

  func run() throws {
    try check()
    if let trained { return try complete(with: trained) }
    guard let source = try sourceOptions.source() else {
      throw CinchError.usage("No table is named: give --data table.csv.")
    }
    let table = try LoadReport.observing(quiet: reportOptions.quiet) { try source.loaded() }
    try table.samples.requireTable()
    let recipe = try recipe(for: table.samples)
    if imputations ?? 1 > 1 { try recipe.requireDraws() }
    let writer = try writer(for: table)
    if let evaluate { try compare(table.samples, recipe, hiding: evaluate) }
    if evaluate != nil, output == nil, save == nil { return }
    try complete(table, with: try train(recipe, table), writer)
  }

  /// With a model that has been trained.
  private func complete(with run: String) throws {
    let imputer = try Imputer(run, on: deviceOptions.device)
    if let note = imputer.model.deviceNote { reportOptions.log.notice("\(note)") }
    if imputations ?? 1 > 1 { try imputer.run.recipe.requireDraws() }
    guard var source = try sourceOptions.source() ?? imputer.run.data else {
      throw CinchError.usage("This run does not say which table it was trained on: name one with --data.")
    }
    imputer.run.complete(&source, hasLayout: sourceOptions.layout != nil, hasCount: false)
    let table = try LoadReport.observing(quiet: reportOptions.quiet) { [source] in try source.loaded() }
    try complete(table, with: imputer, try writer(for: table))
  }

  /// What writes the table anew; nil where nobody wants it.
  private func writer(for table: LoadedSamples) throws -> TableRewriter? {
    guard let output else { return nil }
    guard let schema = table.samples.schema, let source = table.source else {
      throw CinchError.usage(
        "'\(table.samples.name)' is no table with names: name a .csv or .tsv file that begins with some.")
    }
    let writer = try TableRewriter(source, schema)
    if let isTabbed = try writer.isTabbed, isTabbed != output.isNamed(".tsv") {
      throw CinchError.usage(
        "'\(source.source)' has \(isTabbed ? "" : "no ")tabs between its cells, and the completed table is written alike: let the "
          + "output's name end with \(isTabbed ? ".tsv" : ".csv").")
    }
    return writer
  }

  /// Every table that is to be written.
  private func requireFree() throws {
    guard let output else { return }
    let count = imputations ?? 1
    let parts = count > 1 ? (1...count).map(String.init) + ["variance"] : []
    try overwriting.requireFree([output] + parts.map { Self.name(output, $0) })
  }

  /// Before any work is done.
  private func check() throws {
    guard trained == nil || evaluate == nil else {
      throw CinchError.usage(
        "--evaluate trains a model on what it does not hide: leave --run out, whose model has seen all cells.")
    }
    let training = recipeOptions.given.filter { $0 != "--seed" } + (epochs == nil ? [] : ["--epochs"])
    if trained != nil, let option = training.first {
      throw CinchError.usage("\(option) is about training, and --run names a model that has been: leave one out.")
    }
    guard trained == nil || save == nil else {
      throw CinchError.usage("--save names a new run, --run an old one: give one.")
    }
    if let output, !output.isNamed(".csv"), !output.isNamed(".tsv") {
      throw CinchError.usage(
        "The output '\(output)' is neither .csv nor .tsv: name a file that ends with one of these.")
    }
    if let imputations {
      guard (1...1000).contains(imputations) else {
        throw CinchError.usage("-m \(imputations) imputations are not possible: choose 1 to 1000.")
      }
      guard output != nil else {
        throw CinchError.usage("-m says how many tables are written: name them with --output.")
      }
    }
    try requireFree()
    guard output != nil || evaluate != nil || save != nil else {
      throw CinchError.usage(
        "Nothing would come of this: name the completed table with --output, or ask for --evaluate 0.2.")
    }
    if let evaluate, !(evaluate > 0 && evaluate < 1) {
      throw CinchError.usage("A share of \(evaluate) hidden cells is not between 0 and 1: try 0.2.")
    }
  }

  private func recipe(for data: Dataset) throws -> Recipe {
    var recipe = try recipeOptions.fit(.imputation(of: data), isFromFile: false, to: data)
    recipe.epochs = epochs ?? recipe.epochs
    try recipe.validate()
    return recipe
  }

  private func train(_ recipe: Recipe, _ data: LoadedSamples) throws -> Imputer {
    let run = try LoadReport.observing(quiet: reportOptions.quiet) {
      try Run.create(
        recipe, data: data, scaling: .standard, in: save, on: deviceOptions.device ?? .automatic,
        settings: .ofProgram)
    }
    try reportOptions.follow(run, brief: true)
    return try Imputer(run.trainer.model, run.config)
  }

  private func compare(_ data: Dataset, _ recipe: Recipe, hiding share: Double) throws {
    Interruption.install()
    let bar = TrainingReport(style: reportOptions.json || reportOptions.quiet ? .quiet : .brief)
    let comparison: ImputationComparison
    do {
      comparison = try ImputationComparison(
        data, hiding: share, recipe: recipe, seed: recipe.seed, on: deviceOptions.device ?? .automatic
      ) { progress in
        bar.progress(progress)
        return !Interruption.isRequested
      }
    } catch CinchError.interrupted {
      bar.clearProgress()
      Output.note("cinch: Interrupted: nothing was compared, and nothing is kept.")
      throw ExitCode(CinchError.interrupted.exitCode)
    }
    bar.clearProgress()
    let report = ImputationReport(comparison)
    try Output.result(reportOptions.json ? report.json.description : report.text)
  }

  private func complete(_ table: LoadedSamples, with imputer: Imputer, _ writer: TableRewriter?) throws {
    guard let output, let writer else { return }
    let (data, schema) = (table.samples, writer.schema)
    let seed = recipeOptions.seed ?? imputer.run.recipe.seed
    try write(try imputer.complete(table), schema, writer, to: output)
    guard let m = imputations, m > 1 else { return try tell(data, [], output) }
    let draws = try imputer.complete(table, draws: m, seed: seed)
    for (index, draw) in draws.enumerated() {
      try write(draw, schema, writer, to: Self.name(output, "\(index + 1)"))
    }
    let spread = try ImputationSpread(draws)
    let ranges = schema.ranges
    try writer.write(to: Self.name(output, "variance")) { row, column, isMissing in
      let (start, range) = (row * schema.features, ranges[column])
      let cell = start + range.lowerBound..<start + range.upperBound
      let variance = spread.variance(cell, of: schema.columns[column].kind.output)
      return isMissing ? "\(variance ?? 0)" : "0"
    }
    try tell(data, try RubinEstimate.of(draws, data: data), output)
  }

  /// `completed.csv` to `completed-1.csv`.
  private static func name(_ output: String, _ part: String) -> String {
    "\(output.dropLast(4))-\(part)\(output.suffix(4))"
  }

  private func write(_ completed: Dataset, _ schema: TableSchema, _ writer: TableRewriter, to path: String) throws {
    let (values, ranges) = (completed.values, schema.ranges)
    try writer.write(to: path) { row, column, isMissing in
      guard isMissing else { return nil }
      let (start, range) = (row * schema.features, ranges[column])
      return schema.columns[column].cell(
        values[start + range.lowerBound..<start + range.upperBound], rounded: true)
    }
  }

  private func tell(_ data: Dataset, _ estimates: [RubinEstimate], _ output: String) throws {
    let missing = data.missingCells
    if reportOptions.json {
      return try Output.result(ImputationReport.json(saved: output, missing: missing, estimates).description)
    }
    if missing == 0 { reportOptions.log.notice("the table has no missing cells: it was written as it is") }
    try Output.result("saved     \(output)   (\(NumberText.counted(missing, "cell")) completed)")
    if !estimates.isEmpty, !reportOptions.quiet { try Output.result("\n" + ImputationReport.table(estimates)) }
  }
}
