import ArgumentParser
import Cinch
import Logging

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a recipe: an autoencoder, a Boltzmann machine, a classifier.",
    discussion: """
      RECIPE is one of \(Recipe.all.map(\.name).joined(separator: ", ")); 'cinch recipes' shows what each one is. \
      Options replace the recipe's own settings.

      The run goes into a folder of its own: config.json, model.safetensors, checkpoint.safetensors, history.csv, \
      reconstructions.png, filters.png and, of convolutions, features.png, of zca scaling scaling.safetensors. Ctrl-C ends it between two updates; --resume goes on from there, and \
      comes to the same weights, bit for bit, as if it had never stopped.
      """)

  @Argument(
    help: ArgumentHelp("Which recipe; left out with --recipe or --resume.", valueName: "recipe"),
    completion: .list(Recipe.all.map(\.name)))
  var name: String?

  @Option(
    name: .customLong("recipe"),
    help: ArgumentHelp("A recipe as JSON, as 'cinch recipes --json' prints them, or a run's.", valueName: "file.json"))
  var file: String?

  @OptionGroup(title: "Data") var dataOptions: DataOptions

  @OptionGroup(title: "Data") var heldOutOptions: HeldOutOptions

  @OptionGroup(title: "Device") var deviceOptions: DeviceOptions

  @OptionGroup(title: "Recipe") var recipeOptions: RecipeOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Passes over the data; with --resume it can only grow. (default: the recipe's)", valueName: "n"))
  var epochs: Int?

  @Option(help: ArgumentHelp("The run's folder. (default: runs/YYYY-MM-DD-RECIPE)", valueName: "folder"))
  var out: String?

  @Option(
    help: ArgumentHelp(
      """
      Goes on with this run, with its own recipe, data and device. Only --epochs, --device, --changed-data and what is watched may be \
      given with it, and by --data, --labels and --validation where files lie now that were moved.
      """,
      valueName: "run"))
  var resume: String?

  @Flag(help: "With --resume: goes on even where the data are not those that the run was started with.")
  var changedData = false

  @OptionGroup(title: "Watching") var watchOptions: WatchOptions

  @OptionGroup var reportOptions: ReportOptions

  @Flag(name: .customLong(KernelHelper.option), help: .hidden)
  var compilesAhead = false

  func run() throws {
    if let resume { return try go(on: resume) }
    guard !changedData else {
      throw CinchError.usage("--changed-data is about a run that goes on: give it with --resume RUN.")
    }
    try start()
  }

  /// What a new run is told and a resumed one has of its own.
  private struct NewRun {
    var recipe: Recipe?
    var validation: DataSource?
    var scale: Scaling.Kind?
    var zcaEpsilon = Whitening.usualEpsilon
    var folder: String?
  }

  private var overrides: [Override<NewRun>] {
    [
      Override("RECIPE", name) { $0.recipe = try Recipe.named($1) },
      Override("--recipe", file) { run, file in
        guard run.recipe == nil else { throw CinchError.usage("Give a recipe's name or --recipe FILE.json, not both.") }
        run.recipe = try Recipe.load(file)
      },
      Override("--validation", heldOutOptions.validation) { run, _ in
        run.validation = try heldOutOptions.validation(dataOptions, recipeOptions)
      },
      Override("--scale", heldOutOptions.scale, \.scale),
      Override("--zca-epsilon", heldOutOptions.zcaEpsilon) { run, _ in run.zcaEpsilon = try heldOutOptions.epsilon },
      Override("--out", out, \.folder),
    ]
  }

  private func start() throws {
    let source = try dataOptions.source(default: "fashion-mnist")
    var new = NewRun()
    try overrides.apply(to: &new)
    guard var recipe = new.recipe else {
      throw CinchError.usage(
        "No recipe is named: choose one of \(Recipe.all.map(\.name).joined(separator: ", ")), "
          + "or give --recipe FILE.json or --resume RUN.")
    }
    guard recipe.closedForm == nil || epochs == nil else {
      throw CinchError.usage(
        "--epochs means nothing to '\(recipe.name)', which is solved in closed form: leave it out, or train linear.")
    }
    recipe.epochs = epochs ?? recipe.epochs
    let start = ContinuousClock.now
    let data = try LoadReport.observing(quiet: reportOptions.quiet) { try source.loaded() }
    let loading = ContinuousClock.now - start
    let begun = try recipeOptions.begin(recipe, isFromFile: file != nil, with: data.samples, scale: new.scale)
    if compilesAhead {
      // The first process may have ended meanwhile.
      let progress = KernelHelper.Progress()
      guard progress.taken != nil else { return }
      return try Run.compileKernels(
        of: begun.recipe, data: data.samples, validation: try new.validation?.loaded(as: data.samples.schema).samples,
        scaling: begun.scale, zcaEpsilon: new.zcaEpsilon, on: deviceOptions.device ?? .automatic,
        until: { progress.taken })
    }
    KernelHelper.install(
      for: begun.recipe, dataBytes: data.samples.count * data.samples.features * MemoryLayout<Float>.stride,
      loading: loading)
    let run = try LoadReport.observing(quiet: reportOptions.quiet) {
      try Run.create(
        begun.recipe, data: data, validation: new.validation, scaling: begun.scale, zcaEpsilon: new.zcaEpsilon,
        in: new.folder, on: deviceOptions.device ?? .automatic, settings: try watchOptions.settings())
    }
    if run.recipe.mayCopyItsInput, let units = try? run.recipe.resolved().codeUnits {
      let sizes = "\(NumberText.counted(units, "unit")) for \(NumberText.counted(run.recipe.input, "feature"))"
      reportOptions.log.notice(
        "the code has \(sizes), and nothing keeps the network from copying its input: choose fewer by --layers, or add --corruption, --rho, --l1 or --contraction"
      )
    }
    if recipe.classifier == nil, let kind = run.config.scaling?.kind, kind == .standard || kind == .zca,
      run.recipe.decoder.last?.activation == .sigmoid
    {
      reportOptions.log.warning(
        "the output layer gives values in [0, 1], but \(kind.rawValue) scaling makes others: add --output-activation linear"
      )
    }
    try reportOptions.follow(run)
  }

  private func go(on path: String) throws {
    let own = compilesAhead ? ["--\(KernelHelper.option)"] : []
    let given = own + overrides.given() + dataOptions.given + recipeOptions.overrides.given()
    let moved = heldOutOptions.moved(dataOptions)
    let places = moved.given()
    if let option = given.first(where: { !places.contains($0) }) {
      throw CinchError.usage(
        "\(option) cannot be given with --resume, for the run goes on with its own settings: leave it out, or start a new run."
      )
    }
    var files = Run.MovedFiles()
    try moved.apply(to: &files)
    let started = try RunFolder(path).config().device
    let run = try LoadReport.observing(quiet: reportOptions.quiet) { [files] in
      try Run.resume(
        path, epochs: epochs, on: deviceOptions.device, changedData: changedData, moved: files,
        settings: try watchOptions.settings())
    }
    if deviceOptions.device != nil, run.trainer.device.identifier != started.identifier {
      reportOptions.log.info("the run was started on \(started.identifier): another device rounds differently")
    }
    try reportOptions.follow(run)
  }
}

/// How training can be watched.
struct WatchOptions: ParsableArguments {
  @Flag(help: "Prints what each op took at the end, and writes trace.json, which ui.perfetto.dev opens.")
  var profile = false

  @Flag(
    help: "Writes events into the run's folder, which TensorBoard shows: figures, pictures, histograms of each epoch.")
  var tensorboard = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Draws filters and reconstructions every n epochs, into the run's folder pictures.", valueName: "n"))
  var picturesEvery: Int?

  /// Of a run that is looked at in this way, or not.
  func settings() throws -> Run.Settings {
    if let picturesEvery, picturesEvery < 1 {
      throw CinchError.usage("--pictures-every \(picturesEvery) is no number of epochs: give 1 or more.")
    }
    var settings = Run.Settings.ofProgram
    if profile { settings.profiler = Profiler() }
    settings.tensorBoard = tensorboard
    settings.pictureInterval = picturesEvery
    return settings
  }
}

extension Run.Settings {
  /// A run keeps what this program was told.
  static var ofProgram: Run.Settings {
    var settings = Run.Settings()
    settings.commandLine = ["cinch"] + CommandLine.arguments.dropFirst()
    return settings
  }
}

/// How a command that trains tells of it.
struct ReportOptions: ParsableArguments {
  @Flag(help: "Prints one JSON object per line: start, every epoch, end.")
  var json = false

  @Flag(help: "Prints nothing but results.")
  var quiet = false

  @Flag(help: "Prints diagnostics too.")
  var verbose = false

  var log: Logger { Diagnostics.logger(quiet: quiet, verbose: verbose) }

  /// Trains a run to its end.
  ///
  /// - Parameter brief: whether epochs are passed over.
  func follow(_ run: Run, brief: Bool = false) throws {
    let report = TrainingReport(style: json ? .json : quiet ? .quiet : brief ? .brief : .human)
    let log = log
    if let source = run.config.data?.source {
      log.debug("read \(run.training.count) training samples from \(source)")
    }
    Interruption.install()
    let device = run.trainer.device
    if let note = run.model.deviceNote {
      if device.identifier == "reference" { log.warning("\(note)") } else { log.notice("\(note)") }
    }
    log.debug("opened \(device.identifier): \(device.name), \(device.detail)")
    let observer = RunObserver(run, report, log)
    try observer.begin()
    if let state = run.resumedFrom, state.ended == .epochs, state.epoch >= run.recipe.epochs,
      run.recipe.closedForm == nil
    {
      let isStack = run.recipe.training.pretraining != nil
      let goesOn = isStack ? "'cinch finetune \(Provenance.quoted(run.folder.path))'" : "a larger --epochs"
      log.notice("the run has had all of its epochs: \(goesOn) goes on with it")
    }
    if run.resumedFrom?.ended == .converged {
      log.notice("the run has converged: more epochs change nothing; a new run may begin elsewhere with another --seed")
    }
    run.settings.profiler?.reset()
    try observer.train()
    if let profile = run.settings.profiler?.profile { try tell(profile, of: run) }
  }

  private func tell(_ profile: Profile, of run: Run) throws {
    let device = run.trainer.device
    // On a backend of its own, which tells nobody.
    let backend = try device.device.open().backend as? any MeasuresPeak
    let report = ProfileReport(profile: profile, ceilings: try backend.map { try Ceilings(of: $0) })
    try run.folder.writeTrace(profile.trace(of: device))
    if json {
      try Output.result(report.record("event", "profile").description)
    } else {
      for line in report.lines { try Output.result(line) }
    }
  }
}
