import ArgumentParser
import Cinch

/// The run that a command works with, and the device it runs on.
struct RunOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("The run's folder.", valueName: "run"))
  var run: String

  @OptionGroup(title: "Device") var deviceOptions: DeviceOptions

  func open() throws -> (model: Autoencoder, config: RunConfig) {
    let model = try Autoencoder.load(run, on: deviceOptions.device)
    if let note = model.deviceNote { Diagnostics.logger().notice("\(note)") }
    guard let config = model.run else { throw CinchError.inputOutput("'\(run)' holds no run: check the path.") }
    if let notice = config.unfinishedNotice(of: run) { Diagnostics.logger().notice("\(notice)") }
    return (model, config)
  }

  /// PCA of the run's training data; nil, with a note of why, where there is none to compare with on these samples.
  func principalComponents(of config: RunConfig, _ model: Autoencoder, for data: Dataset) throws -> Autoencoder? {
    guard data.observed == nil else {
      Diagnostics.logger().notice(
        "no PCA to compare with: '\(data.name)' has missing cells, of which it can make nothing.")
      return nil
    }
    do {
      let (pca, note) = try RunFolder(run).principalComponents(of: config, on: model.device.device)
      if let note { Diagnostics.logger().notice("PCA is not kept: \(CinchError.inputOutput(note).typed)") }
      return pca
    } catch RunFolder.NoComparison.impossible(let why) {
      Diagnostics.logger().notice("no PCA to compare with: \(CinchError.badData(why).typed)")
    } catch RunFolder.NoComparison.meaningless {}
    return nil
  }
}

extension RunConfig {
  /// What is told where weights are used that may not be what training comes to; nil where it has ended.
  func unfinishedNotice(of path: String) -> String? {
    guard !isFinal, RunFolder(path).has(.checkpoint) else { return nil }
    return "training of '\(path)' has not ended: these are the weights with which it was last stopped, or had ended "
      + "before it went on; 'cinch train --resume \(Provenance.quoted(path))' goes on with it"
  }
}

/// Where a command's result goes.
struct OutputOptions: ParsableArguments {
  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp("Where the result goes: a file that ends with .npy or .csv.", valueName: "file"))
  var output: String

  @OptionGroup var overwriting: OverwriteOptions

  /// Before any work is done: a misspelt ending would hide in which format the file is.
  ///
  /// - Parameter other: a second file.
  /// - Throws: `CinchError.usage` where a file ends otherwise, or is there already.
  func requirePlace(_ other: String? = nil) throws {
    for path in [output, other].compactMap({ $0 }) { try Self.requireKnownEnding(path) }
    try overwriting.requireFree(output, other)
  }

  static func requireKnownEnding(_ output: String) throws {
    guard output.isNamed(".npy") || output.isNamed(".csv") else {
      throw CinchError.usage(
        "The output '\(output)' is neither .npy nor .csv: name a file that ends with one of these.")
    }
  }

  /// Writes a matrix: .csv as text, with the rows' names where they have some, .npy as it is.
  ///
  /// - Parameter column: what columns are called behind names of rows, with a number from 1.
  func write(_ values: [Float], shape: Shape, names: SampleNames? = nil, column: String = "feature") throws {
    try Self.write(values, shape: shape, names: names, column: column, to: output)
  }

  static func write(
    _ values: [Float], shape: Shape, names: SampleNames? = nil, column: String = "feature", to output: String
  ) throws {
    if output.isNamed(".csv"), let names {
      let width = shape.columns
      try NamedRows(names).write(
        columns: (1...width).map { "\(column)_\($0)" }, rows: values.count / width, to: output
      ) { row in values[row * width..<(row + 1) * width].map { "\($0)" } }
    } else if output.isNamed(".csv") {
      try CSVWriter.write(values: values, features: shape.columns, to: output)
    } else {
      try NPY.write(values: values, shape: shape, to: output)
    }
    try Output.result("saved     \(output)   (\(shape))")
  }

  /// Writes samples as the run's data are laid out.
  ///
  /// - Parameter names: of the rows, where they have some.
  func write(_ samples: Dataset, names: SampleNames?, of config: RunConfig) throws {
    try Self.write(samples, names: names, of: config, to: output)
  }

  static func write(_ samples: Dataset, names: SampleNames?, of config: RunConfig, to output: String) throws {
    if output.isNamed(".csv"), let table = try config.tableRows(samples) {
      try NamedRows(names).write(
        columns: table.names, numbers: config.columnNumbers, rows: samples.count, to: output, table.row)
      return try Output.result("saved     \(output)   (\(NumberText.counted(samples.count, "row")))")
    }
    let (values, shape) = try config.inFiles(samples)
    try write(values, shape: Shape([samples.count] + shape.dimensions), names: names, to: output)
  }
}

extension DataOptions {
  /// The samples named here, or else the run's own, scaled as the run scales.
  ///
  /// - Parameter withLabels: whether a table's labels are wanted, from the run's column where no other is named.
  func load(for config: RunConfig, withLabels: Bool = false) throws -> Dataset {
    var source = try source()
    if withLabels, var table = source {
      config.completeLabels(&table)
      source = table
    }
    return try config.prepare(
      try SourceOptions.load(source, for: config, hasLayout: layout != nil, hasCount: count != nil))
  }

  /// The same, not scaled.
  func loadRaw(for config: RunConfig) throws -> Dataset {
    try SourceOptions.load(try source(), for: config, hasLayout: layout != nil, hasCount: count != nil)
  }
}

extension SourceOptions {
  func load(for config: RunConfig) throws -> Dataset {
    try config.prepare(try Self.load(try source(), for: config, hasLayout: layout != nil, hasCount: false))
  }

  fileprivate static func load(
    _ source: DataSource?, for config: RunConfig, hasLayout: Bool, hasCount: Bool
  ) throws -> Dataset {
    guard var source else {
      guard let own = config.data else {
        throw CinchError.usage("This run does not say which data it was trained on: name some with --data.")
      }
      let data = try LoadReport.observing(quiet: false) { try own.load() }
      if config.hasChanged(data) {
        Diagnostics.logger().notice("'\(own.source)' holds other data now than the run was trained on")
      }
      return data
    }
    config.complete(&source, hasLayout: hasLayout, hasCount: hasCount)
    return try LoadReport.observing(quiet: false) { [source] in try source.load() }
  }
}

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Measures how well a run's model does on samples.",
    discussion: """
      The samples are scaled as the run's training set was, and never corrupted. PCA with as many components as the code has \
      units is measured on them, too: the first time it is fitted to the run's training data, and kept in its folder as \
      pca.safetensors.
      """)

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @Flag(help: "Measures the samples that the run holds out, and no others.")
  var heldOut = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of a variational autoencoder: the importance-weighted bound with so many codes of each sample.",
      valueName: "n"))
  var samples: Int?

  @Flag(
    help: ArgumentHelp(
      "Of a Boltzmann machine: log p(v). Exact where a side has at most 20 units (of gaussian ones the hidden side); else "
        + "by annealed importance sampling, 100 chains through 1,000 temperatures."))
  var ais = false

  @Flag(help: "Prints one JSON object.")
  var json = false

  func run() throws {
    let (model, config) = try runOptions.open()
    if heldOut, let option = dataOptions.given.first {
      throw CinchError.usage("\(option) names other samples than --held-out does: give one of them.")
    }
    let data =
      heldOut
      ? try config.prepare(try LoadReport.observing(quiet: false) { try config.heldOut() })
      : try dataOptions.load(for: config, withLabels: config.recipe.classifier != nil)
    var evaluation = try model.evaluate(data)
    if let samples {
      evaluation.metrics[Metrics.weightedBoundName] = try model.importanceWeightedBound(data, draws: samples)
    }
    var partition: LogPartition?
    if ais {
      let found = try model.exactLogPartition() ?? model.logPartition(data)
      partition = found
      evaluation.metrics[Metrics.logLikelihoodName] =
        -(evaluation.metrics[Metrics.freeEnergyName] ?? .nan) - found.value
    }
    evaluation.metrics[Evaluation.principalName] =
      config.recipe.closedForm == .pca
      ? evaluation.metrics[Evaluation.mseName]
      : try runOptions.principalComponents(of: config, model, for: data)?.evaluate(data).metrics[Evaluation.mseName]
    if json {
      return try Output.result(
        JSON.record([
          "metrics": .metrics(evaluation.metrics),
          "log_partition": .optional(partition?.value),
          "log_partition_error": .optional(partition?.standardError),
          "log_partition_exact": partition.map { .boolean($0.isExact) },
          "reconstruction_per_sample": .optional(evaluation.metrics[Reconstruction.perSampleName]),
          "reconstruction_per_element": .optional(evaluation.metrics[Reconstruction.perElementName]),
          "mean_activation": .number(evaluation.meanActivation), "samples": .integer(evaluation.samples),
        ]).description)
    }
    var facts = Facts()
    facts.add("loss", config.recipe.lossText(evaluation))
    facts.add("bound", evaluation.boundText)
    facts.add("energy", evaluation.energyText)
    if let partition, let likelihood = evaluation.metrics[Metrics.logLikelihoodName] {
      facts.add(
        "log p(v)",
        "\(NumberText.short(likelihood)) nats a sample, log Z \(NumberText.short(partition.value)) "
          + (partition.isExact ? "(exact)" : "± \(NumberText.short(partition.standardError))"))
    }
    facts.add("log p(x)", config.recipe.likelihoodText(evaluation))
    if config.recipe.closedForm != .pca, let error = evaluation.metrics[Evaluation.principalName] {
      let units = try config.recipe.resolved().codeUnits
      facts.add("pca", "mse \(NumberText.short(error)) per element with \(NumberText.counted(units, "component"))")
    }
    facts.add("code", try config.recipe.codeText(meanActivation: evaluation.meanActivation))
    facts.add("samples", NumberText.grouped(evaluation.samples) + (heldOut ? ", held out" : ""))
    try Output.result(facts.text)
  }
}

struct EncodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encode", abstract: "Writes the codes of samples.",
    discussion: """
      The file has one row per sample and one column per code unit, as float32; where the code is an image, .npy files \
      are [samples, channels, height, width]. Where samples have names, by --id-column or as files, the first column of a .csv \
      file has them, and a first row says what columns are.
      """)

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @OptionGroup var outputOptions: OutputOptions

  func run() throws {
    try outputOptions.requirePlace()
    let (model, config) = try runOptions.open()
    let data = try dataOptions.load(for: config)
    let codes = try model.encode(data)
    try outputOptions.write(
      codes.values, shape: Shape([codes.count] + codes.sampleShape.dimensions), names: data.sampleNames, column: "code")
  }
}

struct DecodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "Writes the samples that codes stand for.",
    discussion: """
      Samples have the shape, layout and units of the training samples: minmax, standard and zca scaling are undone, \
      bytes stay in [0, 1]. Of a run that was trained on a table .csv files have its columns, texts among them.
      """)

  @OptionGroup var runOptions: RunOptions

  @Option(help: ArgumentHelp("Codes as 'cinch encode' writes them.", valueName: "file"))
  var codes: String

  @OptionGroup var outputOptions: OutputOptions

  func run() throws {
    try outputOptions.requirePlace()
    let (model, config) = try runOptions.open()
    let data = try NamedRows.codes(codes)
    let decoded = try model.decode(data, in: config.layout)
    try outputOptions.write(decoded, names: data.sampleNames, of: config)
  }
}

struct ReconstructCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconstruct", abstract: "Writes samples as the model reconstructs them.",
    discussion: """
      Samples have the shape, layout and units of the training samples: minmax, standard and zca scaling are undone, \
      bytes stay in [0, 1]. Where the output is a new or empty folder, they become PNG files under the names of the \
      images, or numbers.

      \(ImageInputs.help)
      """)

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @OptionGroup var outputOptions: ImageOutputOptions

  func run() throws {
    var output = try outputOptions.open()
    let (model, config) = try runOptions.open()
    let inputs = try ImageInputs(dataOptions, config)
    if let samples = inputs.samples, !output.isPicture {
      let data = try config.prepare(samples)
      return try output.write(try model.reconstruct(data, in: config.layout), of: data, config)
    }
    try output.begin(inputs, config)
    for batch in 0..<inputs.batches {
      let images = try inputs.load(batch)
      try output.write(try model.reconstructTiles(images), of: images)
    }
    try output.finish()
  }
}
