import ArgumentParser
import Cinch

/// The run that a command works with, and the device it runs on.
struct RunOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("The run's folder.", valueName: "run"))
  var run: String

  @OptionGroup(title: "Device") var deviceOptions: DeviceOptions

  func open() throws -> (model: Autoencoder, config: RunConfig) {
    let device = try deviceOptions.choice
    let model = try Autoencoder.load(run, on: device)
    guard let config = model.run else { throw CinchError.inputOutput("'\(run)' holds no run.") }
    return (model, config)
  }
}

extension DataOptions {
  /// The samples named here, or else the run's own, scaled as the run scales.
  func load(for config: RunConfig) throws -> Dataset {
    guard let source = try source() ?? config.data else {
      throw CinchError.usage("This run does not say which data it was trained on: name some with --data.")
    }
    return try config.prepare(try source.load())
  }
}

/// Writes a matrix: .csv as text, anything else as .npy.
func writeMatrix(_ values: [Float], shape: Shape, to path: String) throws {
  if path.hasSuffix(".csv") {
    try CSVWriter.write(values: values, features: shape.columns, to: path)
  } else {
    try NPY.write(values: values, shape: shape, to: path)
  }
  try Output.result("saved     \(path)   (\(shape))")
}

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Measures how well a run's model reconstructs samples.",
    discussion: "The samples are scaled as the run's training set was, and never corrupted.")

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @Flag(help: "Prints one JSON object.")
  var json = false

  func run() throws {
    let (model, config) = try runOptions.open()
    let evaluation = try model.evaluate(try dataOptions.load(for: config))
    if json {
      return try Output.result(
        JSONValue.object([
          "reconstruction_per_sample": .number(evaluation.reconstruction.perSample),
          "reconstruction_per_element": .number(evaluation.reconstruction.perElement),
          "mean_activation": .number(evaluation.meanActivation), "samples": .integer(evaluation.samples),
        ]).description)
    }
    var facts = Facts()
    facts.add(
      "loss",
      "\(Numbers.short(evaluation.reconstruction.perElement)) per element, "
        + "\(Numbers.short(evaluation.reconstruction.perSample)) per sample (\(config.recipe.loss.rawValue))")
    facts.add("code", config.recipe.codeText(meanActivation: evaluation.meanActivation))
    facts.add("samples", Numbers.grouped(evaluation.samples))
    try Output.result(facts.text)
  }
}

struct EncodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encode", abstract: "Writes the codes of samples.",
    discussion: "The file has one row a sample and one column a code unit, as float32.")

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp("Where the codes go: .npy or .csv.", valueName: "file"))
  var output: String

  func run() throws {
    let (model, config) = try runOptions.open()
    let codes = try model.encode(try dataOptions.load(for: config))
    try writeMatrix(codes.values, shape: [codes.count, codes.features], to: output)
  }
}

struct DecodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "Writes the samples that codes stand for.",
    discussion: """
      Samples have the shape of the training samples and their units: minmax and standard scaling are undone, bytes \
      stay in [0, 1].
      """)

  @OptionGroup var runOptions: RunOptions

  @Option(help: ArgumentHelp("Codes as 'cinch encode' writes them.", valueName: "file"))
  var codes: String

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp("Where the samples go: .npy or .csv.", valueName: "file"))
  var output: String

  func run() throws {
    let (model, config) = try runOptions.open()
    let decoded = try model.decode(try Dataset.load(codes))
    let values = try config.restore(decoded.values)
    try writeMatrix(values, shape: Shape([decoded.count] + config.shape.dimensions), to: output)
  }
}

struct ReconstructCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconstruct", abstract: "Writes samples as the model reconstructs them.",
    discussion: """
      Samples keep their shape and units: minmax and standard scaling are undone, bytes stay in [0, 1].
      """)

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp("Where the samples go: .npy or .csv.", valueName: "file"))
  var output: String

  func run() throws {
    let (model, config) = try runOptions.open()
    let reconstructed = try model.reconstruct(try dataOptions.load(for: config))
    let values = try config.restore(reconstructed.values)
    try writeMatrix(values, shape: Shape([reconstructed.count] + config.shape.dimensions), to: output)
  }
}
