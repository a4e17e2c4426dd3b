import ArgumentParser
import Cinch
import CinchData

struct SampleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample", abstract: "Makes new samples: decodes codes that are drawn.",
    discussion: """
      Codes of a variational autoencoder and of ppca are drawn from the prior N(0, I); of a Boltzmann machine chains of Gibbs sampling \
      give samples. For any other model a normal distribution, or \
      with --mixture several, is fitted to the codes of the run's training data, and codes are drawn from that.

      The result is a picture in the run's folder, samples.png; or what --output names: an array (.npy, .csv), a picture \
      (.png), or a folder of pictures, one for each sample. In arrays samples have the shape, layout and units of the \
      training samples; of a run that was trained on a table .csv files have its columns, texts among them.
      """)

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data to fit codes to (default: the run's training data)") var dataOptions: SourceOptions

  @Option(
    name: [.customShort("n"), .customLong("count")], parsing: .unconditional,
    help: ArgumentHelp(
      "How many samples; with --interpolate, how many steps. (default: 100, or 10 steps)", valueName: "n"))
  var count: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Which codes are drawn.", valueName: "n"))
  var seed: UInt64 = 0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps of Gibbs sampling from a Boltzmann machine. (default: 1000)", valueName: "k"))
  var steps: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Normal distributions that are fitted to the codes. (default: 1)", valueName: "k"))
  var mixture: Int?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Decodes what lies between the codes of two rows, counted from 1.", valueName: "a b"))
  var interpolate: [Int] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Decodes a square grid over a code of two units, with so many a side.", valueName: "n"))
  var grid: Int?

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp(
      "Where the samples go. (default: samples.png in the run's folder, which is replaced)", valueName: "path"))
  var output: String?

  @OptionGroup var overwriting: OverwriteOptions

  func run() throws {
    try requireOneWay()
    try requirePlace()
    let (model, config) = try runOptions.open()
    let (samples, columns, caption) = try make(model, config)
    try write(samples, config, columns: columns, caption: "\(config.recipe.name): \(caption)")
  }

  private func requirePlace() throws {
    guard let output else { return }
    if [".npy", ".csv", ".png"].contains(where: output.isNamed) { return try overwriting.requireFree(output) }
    guard ImageFolderOutput.isNamed(output) else { throw ImageOutput.unknownEnding(output) }
    // What is in a folder may be replaced where the user says so.
    if !overwriting.overwrite { _ = try ImageFolderOutput(output) }
  }

  private func requireOneWay() throws {
    guard interpolate.isEmpty || interpolate.count == 2 else {
      throw CinchError.usage("--interpolate takes two rows, not \(interpolate.count): --interpolate 1 2.")
    }
    if !interpolate.isEmpty {
      for (name, isGiven) in [("--mixture", mixture != nil), ("--grid", grid != nil), ("--steps", steps != nil)]
      where isGiven {
        throw CinchError.usage(
          "\(name) says nothing to --interpolate, which decodes codes of samples: give one of them.")
      }
    }
    if grid != nil, count != nil {
      throw CinchError.usage("--grid says how many samples there are: leave --count out.")
    }
  }

  private func make(
    _ model: Autoencoder, _ config: RunConfig
  ) throws -> (samples: Dataset, columns: Int?, caption: String) {
    if let first = interpolate.first, let last = interpolate.last {
      let data = try dataOptions.load(for: config)
      for row in interpolate where !(1...data.count).contains(row) {
        throw CinchError.usage("There is no row \(row) in '\(data.name)', which has \(data.count): choose another.")
      }
      let steps = count ?? 10
      let samples = try model.interpolate(
        from: try data.subset(first - 1..<first), to: try data.subset(last - 1..<last), steps: steps)
      return (
        samples, min(steps, 20), "from the code of row \(first) to that of row \(last)"
      )
    }
    if mixture == nil, config.recipe.objective.chain != nil || model.prior != nil, let option = dataOptions.given.first
    {
      throw CinchError.usage(
        "\(option) names samples whose codes nobody looks at: leave it out, or add --mixture.")
    }
    if config.recipe.objective.chain != nil, mixture == nil, grid == nil {
      let steps = steps ?? 1000
      return (
        try model.gibbs(count ?? 100, steps: steps, seed: seed), nil, "\(steps) steps of Gibbs sampling, seed \(seed)"
      )
    }
    if steps != nil {
      throw CinchError.usage("--steps belongs to Gibbs sampling from a Boltzmann machine: leave it out.")
    }
    var distribution: CodeDistribution?
    var source = "drawn from the prior"
    if let mixture {
      distribution = try model.codeDistribution(of: try dataOptions.load(for: config), components: mixture)
      source = "drawn from a mixture of \(mixture), fitted to codes"
    } else if model.prior == nil {
      distribution = try model.codeDistribution(of: try dataOptions.load(for: config))
      source = "drawn from a normal distribution, fitted to codes"
    }
    if let grid {
      return (
        try model.codeGrid(side: grid, over: distribution), grid,
        "codes from -2.5 to 2.5 standard deviations, the first unit to the right, the second up"
      )
    }
    return (try model.sample(count ?? 100, from: distribution, seed: seed), nil, "\(source), seed \(seed)")
  }

  private func write(_ samples: Dataset, _ config: RunConfig, columns: Int?, caption: String) throws {
    let path = output ?? RunFolder(runOptions.run).path + "/samples.png"
    if path.isNamed(".npy") || path.isNamed(".csv") {
      return try OutputOptions.write(samples, names: nil, of: config, to: path)
    }
    let identity = config.identity?.metadata ?? [:]
    let samples = try config.restored(samples)
    if path.isNamed(".png") {
      let picture = try RunFolder.picture(of: samples, shape: config.shape, columns: columns, caption: caption)
      try PNG.write(picture, texts: identity, to: path)
    } else {
      try writeFolder(path, samples, config, identity)
    }
    try Output.result("saved     \(path)   (\(NumberText.counted(samples.count, "sample")))")
  }

  private func writeFolder(
    _ path: String, _ samples: Dataset, _ config: RunConfig, _ identity: [String: String]
  ) throws {
    guard config.shape.dimensions.count > 1 else {
      throw CinchError.usage("Samples of \(config.shape) are no images: name a file that ends with .npy or .csv.")
    }
    let written = WrittenFiles()
    written.noteFolders(of: path)
    try RunFolder(path).create()
    let digits = "\(samples.count)".count
    for index in 0..<samples.count {
      let name = String(repeating: "0", count: digits - "\(index + 1)".count) + "\(index + 1)"
      let picture = try RunFolder.picture(of: try samples.subset(index..<index + 1), shape: config.shape)
      written.noteFile("\(path)/\(name).png")
      try PNG.write(picture, texts: identity, to: "\(path)/\(name).png")
    }
    written.stay()
  }
}
