import ArgumentParser
import Cinch
import Logging

struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Trains a recipe with every combination of some settings, and compares the runs.",
    discussion: """
      A grid is a setting and its values: --grid lr=1e-3,3e-3. Settings are the options below without their hyphens, and \
      code (units of the code), epochs and scale; layers are separated by semicolons, \
      as in --grid "layers=784,32;784,64". Other options hold for every run.

      The sweep goes into a folder of its own: a run's folder for each combination, sweep.json, sweep.csv with a row for \
      each run, and report.html, which compares them. Ctrl-C ends it between two updates; --resume goes on from there.
      """)

  @Argument(
    help: ArgumentHelp("Which recipe; left out with --recipe or --resume.", valueName: "recipe"),
    completion: .list(Recipe.all.map(\.name)))
  var name: String?

  @Option(
    name: .customLong("recipe"),
    help: ArgumentHelp("A recipe as JSON, as 'cinch recipes --json' prints them, or a run's.", valueName: "file.json"))
  var file: String?

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("A setting and its values; given again for each setting.", valueName: "setting=a,b,…"))
  var grid: [GridAxis] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How many runs train at a time, which pays where one does not fill the device. No bit depends on it. (default: 1)",
      valueName: "n"))
  var jobs: Int?

  @OptionGroup(title: "Data") var dataOptions: DataOptions

  @OptionGroup(title: "Data") var heldOutOptions: HeldOutOptions

  @OptionGroup(title: "Device") var deviceOptions: DeviceOptions

  @OptionGroup(title: "Recipe") var recipeOptions: RecipeOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Passes over the data. (default: the recipe's)", valueName: "n"))
  var epochs: Int?

  @Option(help: ArgumentHelp("The sweep's folder. (default: runs/YYYY-MM-DD-RECIPE-sweep)", valueName: "folder"))
  var out: String?

  @Option(
    help: ArgumentHelp(
      "Goes on with this sweep, with its own runs and data. Only --device and --jobs may be given with it, and where data were moved: --data, --labels and --validation say where they lie now.",
      valueName: "sweep"))
  var resume: String?

  @Flag(help: "Prints one JSON object per line: start, every run, end.")
  var json = false

  @Flag(help: "Prints nothing but results.")
  var quiet = false

  func run() throws {
    if let jobs, jobs < 1 { throw CinchError.usage("--jobs \(jobs) is no number of runs: give 1 or more.") }
    let sweep = try resume.map(resumed) ?? begun()
    Interruption.install()
    let report = SweepReport(sweep, style: json ? .json : quiet ? .quiet : .human)
    let again = "cinch sweep --resume \(Provenance.quoted(sweep.folder.path))"
    let isComplete: Bool
    do {
      try report.start()
      isComplete = try sweep.train(jobs: jobs ?? 1, settings: .ofProgram) { event in
        try report.tell(event)
        return !Interruption.isRequested
      }
    } catch is OutputClosed { throw CinchError.unread(goingOn: again) }
    guard isComplete else {
      Output.note("cinch: Interrupted: go on with '\(again)'.")
      throw ExitCode(CinchError.interrupted.exitCode)
    }
    try report.end(report: try compare(sweep))
  }

  /// The most runs of its page.
  private static let mostReported = 20

  /// Writes what the runs came to, the best first, as one page.
  /// - Returns: the page; nil, with a notice of why, where there is none.
  private func compare(_ sweep: Sweep) throws -> String? {
    let paths = try sweep.results.ranked.prefix(Self.mostReported).map(\.path)
    guard !paths.isEmpty else { return nil }
    let output = sweep.folder.path + "/report.html"
    let log = Diagnostics.logger(quiet: quiet)
    do {
      let report = try RunReport(paths, on: deviceOptions.device) { CinchError.badData($0).typed }
      for notice in report.notices { log.notice("\(CinchError.badData(notice).typed)") }
      try report.write(to: output, overwriting: true)
      return output
    } catch let error as CinchError {
      // The runs are there; a full disk is still to be told.
      if case .inputOutput = error { throw error }
      log.warning("no report: \(error.typed)")
      return nil
    }
  }

  private func begun() throws -> Sweep {
    guard name == nil || file == nil else {
      throw CinchError.usage("Give a recipe's name or --recipe FILE.json, not both.")
    }
    guard let recipe = try name.map(Recipe.named) ?? file.map(Recipe.load) else {
      throw CinchError.usage(
        "No recipe is named: choose one of \(Recipe.all.map(\.name).joined(separator: ", ")), "
          + "or give --recipe FILE.json or --resume SWEEP.")
    }
    let grid = try Grid(grid)
    let given = Set(
      recipeOptions.given + (epochs == nil ? [] : ["--epochs"]) + (heldOutOptions.scale == nil ? [] : ["--scale"]))
    if let axis = grid.axes.first(where: { given.contains("--\($0.name)") || given.contains("--no-\($0.name)") }) {
      throw CinchError.usage("--\(axis.name) is given by itself and by --grid: leave one of them out.")
    }
    guard recipe.closedForm == nil || !(given.contains("--epochs") || grid.axes.contains { $0.name == "epochs" }) else {
      throw CinchError.usage(
        "Epochs mean nothing to '\(recipe.name)', which is solved in closed form: leave them out, or train linear.")
    }
    guard recipeOptions.components == nil || !grid.axes.contains(where: { $0.name == "code" }) else {
      throw CinchError.usage("--components and --grid code=… both say how wide the code is: leave one of them out.")
    }
    let source = try dataOptions.source(default: "fashion-mnist")
    let runs = try grid.combinations.map {
      try Grid.Combination($0, with: recipeOptions, epochs: epochs, scale: heldOutOptions.scale)
    }
    var (validation, zcaEpsilon): (DataSource?, Double) = (nil, Whitening.usualEpsilon)
    for run in runs {
      var heldOut = heldOutOptions
      heldOut.scale = run.scale
      (validation, zcaEpsilon) = (try heldOut.validation(dataOptions, run.options), try heldOut.epsilon)
    }
    let data = try LoadReport.observing(quiet: quiet) { try source.loaded() }
    let entries = try runs.enumerated().map { index, run in
      try run.entry(of: recipe, isFromFile: file != nil, with: data.samples, isFirst: index == 0)
    }
    return try Sweep.create(
      entries, data: data, validation: validation, zcaEpsilon: zcaEpsilon, in: out,
      on: deviceOptions.device ?? .automatic)
  }

  private func resumed(_ path: String) throws -> Sweep {
    let others: [(name: String, isGiven: Bool)] = [
      ("RECIPE", name != nil), ("--recipe", file != nil), ("--grid", !grid.isEmpty), ("--epochs", epochs != nil),
      ("--out", out != nil), ("--validation", heldOutOptions.validation != nil),
      ("--scale", heldOutOptions.scale != nil), ("--zca-epsilon", heldOutOptions.zcaEpsilon != nil),
    ]
    let given = others.filter(\.isGiven).map(\.name) + dataOptions.given + recipeOptions.given
    let moved = heldOutOptions.moved(dataOptions)
    let places = moved.given()
    if let option = given.first(where: { !places.contains($0) }) {
      throw CinchError.usage(
        "\(option) cannot be given with --resume, for the sweep goes on with its own settings: leave it out, or start a new sweep."
      )
    }
    var files = Run.MovedFiles()
    try moved.apply(to: &files)
    return try Sweep.resume(path, on: deviceOptions.device, moved: files)
  }
}
