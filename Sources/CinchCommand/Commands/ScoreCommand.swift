import ArgumentParser
import Cinch
import CinchData

struct ScoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score", abstract: "Tells how unusual samples are to a run's model.",
    discussion: """
      A sample's score is its own loss: that of the run's recipe without penalties, plus the divergence of a variational \
      autoencoder; of ppca -log p(x), of a Boltzmann machine the free energy. The file has a row for each sample: its name, where it has one, its score, \
      its quantile among the scores of the run's training samples, and whether it is an anomaly, 1 where the score is larger than \
      the threshold. Where scaling makes 0 of features that were constant in training, it also has how many of these have another \
      value now, which no score shows.

      The training samples are scored the first time; their scores are kept in the run's folder as scores.safetensors with the \
      threshold, which holds until another is set.

      Where the samples have labels, the area under the ROC curve and the average precision are printed: anomalies are labels \
      that are not 0, or those that --normal does not name.
      """)

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp("A file for the scores: .csv, with a row for each sample. (default: none)", valueName: "file"))
  var output: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Sets the threshold so that no more than this share of the training samples lies above it. (default: 0.01, or the "
        + "threshold that was set last)", valueName: "x"))
  var falseAlarms: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Sets the threshold so that no more than this share of the samples lies above it. (default: none)", valueName: "x"
    ))
  var contamination: Double?

  @Flag(help: "Adds a column for each feature: what it adds to the score.")
  var perFeature = false

  @Option(
    help: ArgumentHelp(
      "A label that is normal; give the option again for others. (default: the number 0)", valueName: "name"))
  var normal: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Prints the samples with the largest scores, so many of them. (default: none)", valueName: "n"))
  var top: Int?

  @Option(
    help: ArgumentHelp(
      "A picture, .png, of the samples with the largest scores (--top of them, or 20), their reconstructions, and the "
        + "errors. (default: none)", valueName: "file"))
  var picture: String?

  @OptionGroup var overwriting: OverwriteOptions

  @Flag(help: "Prints one JSON object.")
  var json = false

  private static let usualTop = 20

  func run() throws {
    try check()
    let (model, config) = try runOptions.open()
    guard !perFeature || config.recipe.scoresFeatures || config.recipe.classifier != nil else {
      throw CinchError.usage(
        "A Boltzmann machine's free energy is no sum over features: leave --per-feature out, or train another recipe.")
    }
    var detector = try LoadReport.observing(quiet: false) { try AnomalyDetector(runOptions.run, model) }
    if detector.wasDamaged {
      Diagnostics.logger().notice(
        "the run's scores.safetensors was damaged: a threshold that was set by --false-alarms or --contamination is lost"
      )
    }
    try detector.requireSamples(of: rule)
    let data = try dataOptions.load(for: config)
    let isAnomaly = try data.anomalies(normal: normal)
    let features = perFeature ? try model.featureScores(data, in: config.layout) : nil
    let scores = try features?.scores ?? model.scores(data)
    let threshold = try detector.threshold(rule, for: scores)
    let metrics = try isAnomaly.flatMap { try DetectionMetrics(scores: scores, isAnomaly: $0) }
    let changed = data.changedConstants()
    let report = ScoreReport(
      scores: scores, training: detector.training, threshold: threshold, metrics: metrics, changed: changed,
      config: config)
    if let output {
      try report.write(features, columns: data.columnNames, rows: NamedRows(data.sampleNames), to: output)
    }
    let worst = report.worst(top ?? (picture == nil ? 0 : Self.usualTop))
    if let picture { try draw(worst, of: data, model, config, to: picture) }
    keep(threshold, &detector)
    if let note = changed?.note(on: data) { Diagnostics.logger().notice("\(note.inOneLine)") }
    note(detector, data, isAnomaly, metrics)
    if json {
      return try Output.result(report.json(worst: top == nil ? nil : worst, names: data.sampleNames).description)
    }
    if let output {
      try Output.result("saved     \(output)   (\(NumberText.counted(scores.count, "sample")))")
    }
    if let picture { try Output.result("saved     \(picture)   (\(NumberText.counted(worst.count, "sample")))") }
    try Output.result(report.text)
    if top != nil { try Output.result("\n" + report.table(worst, names: data.sampleNames)) }
  }

  private var rule: AnomalyDetector.Rule? {
    contamination.map { .contamination($0) } ?? falseAlarms.map { .falseAlarms($0) }
  }

  /// Before any work is done.
  private func check() throws {
    if let output, !output.isNamed(".csv") {
      throw CinchError.usage("The output '\(output)' is no .csv: name a file that ends so.")
    }
    if let picture, !picture.isNamed(".png") {
      throw CinchError.usage("The picture '\(picture)' is no .png: name a file that ends so.")
    }
    try overwriting.requireFree(output, picture)
    guard falseAlarms == nil || contamination == nil else {
      throw CinchError.usage("Give --false-alarms or --contamination, not both: each sets the threshold.")
    }
    try rule?.validate()
    guard !perFeature || output != nil else {
      throw CinchError.usage("--per-feature adds columns to a file: name one with --out scores.csv.")
    }
    if let top, top < 1 { throw CinchError.usage("--top \(top) shows nothing: ask for 1 or more.") }
  }

  private func draw(
    _ worst: [Int], of data: Dataset, _ model: Autoencoder, _ config: RunConfig, to path: String
  ) throws {
    let picture = try RunFolder.errorPicture(
      model, of: data.gather(worst[...]), config,
      caption: "\(config.recipe.name), largest scores first, from the top: samples, reconstructed, errors")
    try PNG.write(picture, texts: config.identity?.metadata ?? [:], to: path)
  }

  private func keep(_ threshold: AnomalyDetector.Threshold, _ detector: inout AnomalyDetector) {
    do { try detector.keep(threshold) } catch let error as CinchError {
      Diagnostics.logger().notice("the threshold is not kept: \(error.typed)")
    } catch {}
  }

  private func note(
    _ detector: AnomalyDetector, _ data: Dataset, _ isAnomaly: [Bool]?, _ metrics: DetectionMetrics?
  ) {
    if let missing = detector.missing {
      Diagnostics.logger().notice(
        "no quantiles, for the training samples cannot be scored: \(CinchError.badData(missing).typed)")
    }
    if isAnomaly == nil, data.labels != nil {
      Diagnostics.logger().notice("labels are names: say which are normal with --normal to compare with them")
    } else if isAnomaly != nil, metrics == nil {
      Diagnostics.logger().notice("all labels are normal, or none is: there is nothing to compare the scores with")
    }
  }
}
