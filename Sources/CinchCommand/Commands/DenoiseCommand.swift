import ArgumentParser
import Cinch

struct DenoiseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "denoise", abstract: "Writes samples without their noise.",
    discussion: """
      The run must have been trained with corruption, as 'cinch train denoising' and 'conv-denoising' are. Samples are taken as \
      they are: noisy. With --add-noise they are clean ones, to which the run's own corruption is added first; then the error is \
      measured before and after, MSE per value and PSNR = 10 log10(peak² / MSE) with a peak of 1, or of the span of values that \
      are not in [0, 1]. Samples have the units of the data, bytes in [0, 1].

      \(ImageInputs.help)
      """)

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @Flag(help: "The samples are clean: corrupts them first, and measures.")
  var addNoise = false

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Which noise --add-noise draws. (default: 0)", valueName: "n"))
  var seed: UInt64?

  @OptionGroup var pictureOptions: PictureOptions

  func run() throws {
    if seed != nil, !addNoise { throw CinchError.usage("--seed says which noise is drawn: add --add-noise.") }
    var output = try pictureOptions.open("denoised.png", runOptions.run)
    let (model, config) = try runOptions.open()
    guard let corruption = config.recipe.corruption else {
      throw CinchError.usage(
        "'\(runOptions.run)' was trained without corruption, so it has not learned to take noise away: use 'cinch reconstruct', "
          + "or train with \(.corruption, "gaussian").")
    }
    let inputs = try ImageInputs(dataOptions, config)
    guard ImageShape(config.shape) != nil else { return try denoiseRows(inputs, model, config, corruption, output) }
    try output?.begin(inputs, config)
    var picture = Comparison(versions: addNoise ? 3 : 2)
    var (before, after) = (ImageError(), ImageError())
    for batch in 0..<inputs.batches {
      let clean = try inputs.load(batch)
      let noisy = addNoise ? try model.addingNoise(to: clean, seed: seed ?? 0, number: batch) : clean
      let denoised = try model.reconstructTiles(noisy)
      if addNoise {
        before.add(noisy, clean)
        after.add(denoised, clean)
      }
      try picture.add((addNoise ? [clean] : []) + [noisy, denoised])
      try output?.write(denoised, of: clean)
    }
    try report(corruption, before, after)
    try output?.finish()
    try pictureOptions.write(
      picture, "denoised.png", runOptions.run, config, addNoise ? "samples, corrupted, denoised" : "samples, denoised")
  }

  /// Samples that are no images.
  private func denoiseRows(
    _ inputs: ImageInputs, _ model: Autoencoder, _ config: RunConfig, _ corruption: Corruption, _ output: ImageOutput?
  ) throws {
    if let option = pictureOptions.picture {
      throw CinchError.usage("There is no picture '\(option)' of rows: leave it out.")
    }
    guard addNoise || output != nil else {
      throw CinchError.usage("Rows that are denoised go into a file: name it by --output, .npy or .csv.")
    }
    let clean = try config.prepare(try inputs.load(0))
    let noisy = addNoise ? try model.corrupt(clean, seed: seed ?? 0) : clean
    let denoised = try model.reconstruct(noisy)
    if addNoise {
      var (before, after) = (ImageError(), ImageError())
      let truth = try config.restored(clean)
      let known = clean.observedValues
      before.add(try config.restored(noisy), truth, known: known)
      after.add(try config.restored(denoised), truth, known: known)
      try report(corruption, before, after)
    }
    guard case .array(let path)? = output?.place else {
      guard output == nil else {
        throw CinchError.usage("Samples of \(config.shape) are no images: name a file that ends with .npy or .csv.")
      }
      return
    }
    try OutputOptions.write(denoised, names: clean.sampleNames, of: config, to: path)
  }

  private func report(_ corruption: Corruption, _ before: ImageError, _ after: ImageError) throws {
    guard addNoise else { return }
    var facts = Facts()
    facts.add("noise", "\(corruption.kind.rawValue) \(NumberText.plain(corruption.level)), seed \(seed ?? 0)")
    facts.add("before", before.text)
    facts.add("denoised", after.text)
    try Output.result(facts.text)
  }
}
