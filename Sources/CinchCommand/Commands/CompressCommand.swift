import ArgumentParser
import Cinch
import CinchData

struct CompressCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compress", abstract: "Writes samples as quantised codes of a run, entropy-coded.",
    discussion: """
      Compression is lossy: 'cinch decompress' gives the samples that the run's decoder makes of the codes. Each unit of the \
      code is quantised over the range that it has in these samples; fewer bits make a smaller file and a larger error.

      Beside the file's size stand the mean squared error per element of the decompressed samples, that of plain \
      reconstruction, PCA with as many components, quantised and coded alike, and what zlib's deflate makes of the raw \
      samples without loss.
      """)

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Of a quantised value: 1 to 16.", valueName: "n"))
  var bits = 8

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp("Where the compressed samples go.", valueName: "file"))
  var output: String

  @OptionGroup var overwriting: OverwriteOptions

  @Flag(help: "Prints one JSON object.")
  var json = false

  func run() throws {
    try CodeStream.require(bits: bits)
    if let ending = Self.otherEndings.first(where: output.isNamed) {
      throw CinchError.usage("Compressed samples are no \(ending) file: name one that ends otherwise, such as x.cinch.")
    }
    try overwriting.requireFree(output)
    let (model, config) = try runOptions.open()
    let data = try dataOptions.load(for: config)
    let stream = try model.compress(data, bits: bits)
    try stream.write(to: output)
    let error = data.meanSquaredError(of: try model.decompress(stream))
    let plain = data.meanSquaredError(of: try model.reconstruct(data))
    let pca = try principalComponents(of: data, model, config)
    let (size, raw, deflated) = (stream.bytes.count, data.rawSize, try data.deflatedSize())
    let perElement = 8 * Double(size) / Double(data.count) / Double(data.features)
    if json {
      return try Output.result(
        JSON.record([
          "samples": .integer(stream.samples), "units": .integer(stream.codeShape.count), "bits": .integer(bits),
          "bytes": .integer(size), "raw_bytes": .integer(raw), "ratio": .number(Double(raw) / Double(size)),
          "bits_per_element": .number(perElement),
          "largest_step": .optional(stream.steps.max().map(Double.init)),
          Evaluation.mseName: .number(error), "reconstruction_\(Evaluation.mseName)": .number(plain),
          Evaluation.principalName: .optional(pca?.error), "pca_bytes": pca.map { .integer($0.bytes) },
          "deflate_bytes": .integer(deflated),
        ]).description)
    }
    func sizeText(_ bytes: Int) -> String {
      "\(NumberText.counted(bytes, "byte")), 1 : \(NumberText.short(Double(raw) / Double(bytes)))"
    }
    var facts = Facts()
    facts.add("saved", "\(output)   (\(NumberText.counted(stream.samples, "sample")))")
    facts.add(
      "size", "\(sizeText(size)) of \(NumberText.grouped(raw)); \(NumberText.short(perElement)) bits per element")
    facts.add(
      "code",
      "\(NumberText.counted(stream.codeShape.count, "unit")) of \(NumberText.counted(bits, "bit")); steps of up to "
        + NumberText.short(stream.steps.max().map(Double.init) ?? 0))
    facts.add(
      "error",
      "mse \(NumberText.short(error)) per element; \(NumberText.short(plain)) where codes are not quantised")
    facts.add(
      "pca",
      pca.map { "mse \(NumberText.short($0.error)) per element in \(sizeText($0.bytes))" })
    facts.add("deflate", "\(sizeText(deflated)), without loss")
    try Output.result(facts.text)
  }
}

extension CompressCommand {
  /// Of formats that others would take the file for.
  private static let otherEndings = [".npy", ".npz", ".csv", ".tsv", ".png", ".jpg", ".jpeg"]

  /// What PCA of as many components makes of the samples; nil where there is none to compare with.
  private func principalComponents(
    of data: Dataset, _ model: Autoencoder, _ config: RunConfig
  ) throws -> (error: Double, bytes: Int)? {
    guard config.recipe.closedForm != .pca,
      let pca = try runOptions.principalComponents(of: config, model, for: data)
    else { return nil }
    let stream = try pca.compress(data, bits: bits)
    return (data.meanSquaredError(of: try pca.decompress(stream)), stream.bytes.count)
  }
}

struct DecompressCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decompress", abstract: "Writes the samples that a file of 'cinch compress' stands for.",
    discussion: """
      The run must be the one that compressed them. Samples have the shape, layout and units of the training samples: \
      minmax, standard and zca scaling are undone, bytes stay in [0, 1].
      """)

  @OptionGroup var runOptions: RunOptions

  @Argument(help: ArgumentHelp("The compressed samples.", valueName: "file"))
  var file: String

  @OptionGroup var outputOptions: OutputOptions

  @Option(
    help: ArgumentHelp("Where the codes go, as quantising left them: .npy or .csv. (default: none)", valueName: "file"))
  var codes: String?

  func run() throws {
    try outputOptions.requirePlace(codes)
    let (model, config) = try runOptions.open()
    let restored = try model.codes(of: try CodeStream(contentsOf: file))
    let samples = try model.decode(restored, in: config.layout)
    if let codes {
      try OutputOptions.write(
        restored.values, shape: Shape([restored.count] + restored.sampleShape.dimensions), to: codes)
    }
    try outputOptions.write(samples, names: nil, of: config)
  }
}
