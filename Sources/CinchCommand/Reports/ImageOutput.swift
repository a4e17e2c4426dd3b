import ArgumentParser
import Cinch

/// Where a command's images go.
struct ImageOutputOptions: ParsableArguments {
  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp(
      "Where the result goes: a file that ends with .npy or .csv, or of one image .png, or a new or empty folder of PNG files.",
      valueName: "path"))
  var output: String

  @OptionGroup var overwriting: OverwriteOptions

  /// - Throws: `CinchError.usage` where the result cannot go there.
  func open() throws -> ImageOutput { try ImageOutput(output, overwriting) }
}

/// A place for images that come one after the other: a folder, a PNG file of one, or an array.
struct ImageOutput {
  enum Place {
    case folder(ImageFolderOutput)
    case picture(String)
    case array(String)
  }

  let place: Place
  /// What else is written, and must not be one of the images.
  private let picture: String?
  private var names: [String] = []
  private var layout = ImageLayout.nchw
  private var written = 0
  // What an array has so far.
  private var values: [Float] = []
  private var image: ImageShape?
  /// What the file says a sample is.
  private var sample: [Int] = []

  /// - Parameter picture: another file that the command writes.
  /// - Throws: `CinchError.usage` where the path says nothing that can be written, names a folder that is not empty, a
  ///   file that is there already, or that picture.
  init(_ output: String, _ overwriting: OverwriteOptions, beside picture: String? = nil) throws {
    self.picture = picture
    if let folder = try ImageFolderOutput(output) {
      place = .folder(folder)
      return
    }
    try overwriting.requireFree(output)
    try OverwriteOptions.requireApart([output] + (picture.map { [$0] } ?? []))
    if output.isNamed(".png") {
      place = .picture(output)
    } else {
      guard output.isNamed(".npy") || output.isNamed(".csv") else { throw Self.unknownEnding(output) }
      place = .array(output)
    }
  }

  static func unknownEnding(_ output: String) -> CinchError {
    .usage(
      "The output '\(output)' is neither .npy nor .csv nor .png, nor a folder: name a file that ends with one of these."
    )
  }

  /// - Throws: `CinchError.usage` where so many images do not go there.
  mutating func begin(_ inputs: ImageInputs, _ config: RunConfig) throws {
    layout = config.layout
    switch place {
    case .folder(let folder):
      names = ImageFolderOutput.names(inputs.names, count: inputs.count)
      try requireColour(config)
      try requireNoImage(in: folder)
      try folder.makeFolders(names)
    case .picture(let path):
      try requireColour(config)
      guard inputs.count == 1 else {
        throw CinchError.usage(
          "'\(path)' holds one image, and there are \(inputs.count): name a folder, or a file that ends with .npy.")
      }
    case .array: names = inputs.names ?? []
    }
  }

  var isPicture: Bool { if case .picture = place { true } else { false } }

  /// What a model makes of samples of its own size, at once.
  func write(_ samples: Dataset, of data: Dataset, _ config: RunConfig) throws {
    switch place {
    case .folder(let folder): try folder.write(samples, of: data, config)
    case .array(let path): try OutputOptions.write(samples, names: data.sampleNames, of: config, to: path)
    case .picture: break
    }
  }

  /// The picture may lie in the folder, but under a name of its own.
  private func requireNoImage(in folder: ImageFolderOutput) throws {
    guard let picture else { return }
    let (place, root) = (AtomicFile.place(of: picture), AtomicFile.place(of: folder.path) + "/")
    guard place.hasPrefix(root), names.contains(String(place.dropFirst(root.count))) else { return }
    throw CinchError.usage("The picture '\(picture)' is one of the images' files: name another.")
  }

  private func requireColour(_ config: RunConfig) throws {
    guard config.colour != nil else {
      throw CinchError.usage(
        "Samples of \(config.shape) are no grey or RGB images, which PNG files hold: name a file that ends with .npy or .csv."
      )
    }
  }

  /// Images in the units of `data`, which they were made of.
  mutating func write(_ images: Dataset, of data: Dataset) throws {
    guard let shape = ImageShape(images.sampleShape) ?? flat(images) else {
      throw CinchError.usage("Samples of \(images.sampleShape) are no images: name a file that ends with .npy or .csv.")
    }
    if case .array = place {
    } else if data.scaling?.kind != .bytes {
      let range = data.range
      guard range.lowerBound >= -0.001, range.upperBound <= 1.001 else {
        throw CinchError.usage(
          "Values of '\(data.name)' lie between \(range.lowerBound) and \(range.upperBound), but images have 0 to 1: name a "
            + "file that ends with .npy or .csv.")
      }
    }
    let all = images.values
    if case .array(let path) = place {
      guard image == nil || image == shape else {
        throw CinchError.usage(
          "Images of different sizes make no array '\(path)': name a folder, or bring them to one size with --resize.")
      }
      values += shape.ordered(all, as: layout)
      // A grey image without an axis of channels gets none.
      let own = images.sampleShape.dimensions
      sample = own.count == 3 ? shape.shape(in: layout).dimensions : own
    } else {
      for index in 0..<images.count {
        let one = Array(all[index * shape.count..<(index + 1) * shape.count])
        switch place {
        case .folder(let folder): try folder.write(one, shape, names[written + index])
        case .picture(let path):
          try PNG.write(try ImageGrid.tiles(one, tileShape: shape.shape, contrast: .fixed(0...1)), to: path)
        case .array: break
        }
      }
    }
    image = shape
    written += images.count
  }

  /// What flat samples are.
  private func flat(_ images: Dataset) -> ImageShape? {
    if case .array = place { return ImageShape(channels: 1, height: 1, width: images.features) }
    return nil
  }

  func finish() throws {
    switch place {
    case .folder(let folder):
      folder.finish()
      try Output.result("saved     \(folder.path)   (\(NumberText.counted(written, "image")))")
    case .picture(let path): try Output.result("saved     \(path)   (\(image.map { "\($0)" } ?? ""))")
    case .array(let path):
      guard written > 0 else { return }
      try OutputOptions.write(
        values, shape: Shape([written] + sample), names: names.isEmpty ? nil : SampleNames(names), to: path)
    }
  }
}
