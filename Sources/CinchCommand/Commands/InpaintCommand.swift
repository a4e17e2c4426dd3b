import ArgumentParser
import Cinch

struct InpaintCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inpaint", abstract: "Fills in what is missing of images.",
    discussion: """
      Missing pixels are named by a mask, or are a block that is drawn for each image. Other pixels come back as they were. \
      With --block the missing ones are known, and the error there is measured, beside that of the mean of an image's other \
      pixels and of diffusion from around the block. To train for it: cinch train conv-denoising --corruption block.

      Missing pixels begin at 0 in the model's units where the run was trained with masking or block corruption, else at the mean \
      of the image's others; with each of --rounds they pass through the model again.

      \(ImageInputs.help)
      """)

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @Option(
    help: ArgumentHelp(
      "What is missing: a PNG or JPEG file of the images' size, in which white is missing, or an array (IDX, .npy), one mask or one for "
        + "each image, in which everything but 0 is.", valueName: "file"))
  var mask: String?

  @Option(help: ArgumentHelp("A block of this size is missing of each image.", valueName: "HEIGHTxWIDTH"))
  var block: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Where --block lies. (default: 0)", valueName: "n"))
  var seed: UInt64?

  @Option(parsing: .unconditional, help: ArgumentHelp("How often images pass through the model.", valueName: "n"))
  var rounds = 2

  @OptionGroup var pictureOptions: PictureOptions

  func run() throws {
    guard (mask == nil) != (block == nil) else {
      throw CinchError.usage("Say what is missing by --mask FILE or by --block 8x8: give one of them.")
    }
    if seed != nil, block == nil {
      throw CinchError.usage("--seed says where --block lies: leave it out, or add --block.")
    }
    let size = try block.map { try parseSize($0, option: "--block", example: "8x8") }
    var output = try pictureOptions.open("inpainted.png", runOptions.run)
    let given = try mask.map { try ImageMask(contentsOf: $0) }
    let (model, config) = try runOptions.open()
    let inputs = try ImageInputs(dataOptions, config)
    if let given, given.count != 1, given.count != inputs.count {
      throw CinchError.badData(
        "There are \(given.count) masks for \(NumberText.counted(inputs.count, "image")): use one mask, or one for each image."
      )
    }
    try output?.begin(inputs, config)
    var picture = Comparison(versions: 3)
    var (error, means, diffused) = (ImageError(), ImageError(), ImageError())
    var first = 0
    for batch in 0..<inputs.batches {
      let images = try inputs.load(batch)
      let own = images.features == config.shape.count ? ImageShape(config.shape) : nil
      guard let shape = ImageShape(images.sampleShape) ?? own else {
        throw CinchError.badData(
          "Samples of '\(images.name)' are \(images.sampleShape), of which no part can be missing: pass images.")
      }
      let missing = try self.missing(given, size, of: shape, images, first: first)
      first += images.count
      let filled = try model.inpaint(images, missing: missing, rounds: rounds)
      let fill = Fill(missing, of: shape)
      let truth = images.values
      var holes = truth
      fill.replaceByMeans(&holes)
      if block != nil {
        means.add(fill.squaredError(holes, truth), images)
        var other = truth
        fill.diffuse(&other)
        diffused.add(fill.squaredError(other, truth), images)
        error.add(fill.squaredError(filled.values, truth), images)
      }
      try picture.add([images, images.replacing(holes, "with holes"), filled])
      try output?.write(filled, of: images)
    }
    switch config.recipe.corruption?.kind {
    case .block, .masking, .maskingExact: break
    case nil, .gaussian, .saltPepper:
      Diagnostics.logger().notice("the run was not trained to fill in what is missing: train with --corruption block")
    }
    if let size {
      var facts = Facts()
      facts.add("missing", "a block of \(size) of each image, seed \(seed ?? 0)")
      facts.add("inpainted", error.text)
      facts.add("diffusion", diffused.text)
      facts.add("mean", means.text)
      try Output.result(facts.text)
    }
    try output?.finish()
    try pictureOptions.write(
      picture, "inpainted.png", runOptions.run, config, "samples, missing parts as means, inpainted")
  }

  private func missing(
    _ mask: ImageMask?, _ block: ImageSize?, of shape: ImageShape, _ images: Dataset, first: Int
  ) throws -> ImageMask {
    if let block {
      return try ImageMask.blocks(
        block, of: ImageSize(height: shape.height, width: shape.width), count: images.count, first: first,
        seed: seed ?? 0)
    }
    guard let mask else { throw CinchError.usage("Say what is missing by --mask FILE or by --block 8x8.") }
    return try mask.count == 1 ? mask : mask.subset(first..<first + images.count)
  }
}
