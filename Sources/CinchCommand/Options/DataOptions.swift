import ArgumentParser
import Cinch

/// Which samples, and how to read their file.
struct DataOptions: ParsableArguments {
  @OptionGroup var sourceOptions: SourceOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How many --patches. (default: \(Dataset.Patches.usualCount), or as many as the run's)", valueName: "n"))
  var count: Int?

  private var reading: [Override<Dataset.LoadOptions>] {
    [
      Override("--count", count) { options, count in
        guard options.patches != nil else {
          throw CinchError.usage("--count says how many patches there are: add their size, --patches 8x8.")
        }
        options.patches?.count = count
      }
    ]
  }

  var data: String? { sourceOptions.data }
  var labels: String? { sourceOptions.labels }
  var layout: ImageLayout? { sourceOptions.layout }
  var given: [String] { sourceOptions.given + reading.given() }
  func source() throws -> DataSource? { try sourceOptions.source(reading) }
  func source(default standard: String) throws -> DataSource { try sourceOptions.source(default: standard, reading) }
  var loadOptions: Dataset.LoadOptions { get throws { try sourceOptions.loadOptions(reading) } }

  /// For samples beside those of `--data`: read alike, but with labels of their own.
  var otherOptions: Dataset.LoadOptions {
    get throws {
      var options = try loadOptions
      options.labels = nil
      return options
    }
  }
}

/// The same without `--count`, for commands to which that says something else.
struct SourceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The samples: fashion-mnist, fashion-mnist-test, a file (IDX, .npy, .npz, .csv, .tsv, gzipped or not; PNG, JPEG), or a folder of "
        + "MNIST-like files, of PNG and JPEG files, or of folders of these, whose names are labels.",
      valueName: "source"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "The array of a .npz file that holds the samples. (default: its only one, or x, X, data or images; the array y or "
        + "labels beside it has their labels)", valueName: "name"))
  var array: String?

  @Option(
    help: ArgumentHelp(
      "A column of a CSV file, by name or number from 1, that holds labels and is no feature.", valueName: "column"))
  var labelColumn: String?

  @Option(help: ArgumentHelp("The columns of a CSV file that are features. (default: all others)", valueName: "a,b,…"))
  var columns: String?

  @Option(help: ArgumentHelp("Columns of a CSV file that are left out. (default: none)", valueName: "a,b,…"))
  var drop: String?

  @Option(help: ArgumentHelp("A column of a CSV file that names its rows, and is no feature.", valueName: "column"))
  var idColumn: String?

  @Option(
    help: ArgumentHelp(
      "Columns of a CSV file whose cells are categories even where they are numbers. (default: none)",
      valueName: "a,b,…"))
  var categories: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "What a cell of a CSV file is that has no value, beside nothing, NA, N/A, NaN, null and ?, such as -999. (default: no "
        + "other)", valueName: "a,b,…"))
  var missing: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Makes one category, 'other', of the texts of a column that occur fewer times than this, and of those that later "
        + "files bring. (default: unseen texts are refused)", valueName: "n"))
  var rare: Int?

  @Option(
    help: ArgumentHelp(
      "A file of labels: IDX, .npy, .npz, or text with one on each line, numbers or names. (default: the file beside MNIST-like "
        + "images)", valueName: "file"))
  var labels: String?

  @Option(help: "Whether a CSV file begins with a row of names. (default: auto)")
  var header: HeaderChoice?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Sees samples as images: CHANNELS,HEIGHT,WIDTH or HEIGHT,WIDTH. (default: the file's own shape)",
      valueName: "extents"))
  var imageShape: String?

  @Option(
    help:
      "How the file orders an image: channels first or last. (default: nchw, unless that looks wrong, or the run's own)"
  )
  var layout: ImageLayout?

  @Option(
    help: ArgumentHelp(
      "Cuts patches out of images at random places, and takes these for samples. An array of two axes is one image, unless "
        + "--image-shape says otherwise. (default: none)", valueName: "HEIGHTxWIDTH"))
  var patches: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Where --patches lie; --seed does not count. (default: 0)", valueName: "n"))
  var patchSeed: UInt64?

  @Option(
    help: ArgumentHelp(
      "Brings PNG and JPEG files to one size, whatever their proportions. (default: none, or the run's own)",
      valueName: "HEIGHTxWIDTH"))
  var resize: String?

  @Option(
    help: ArgumentHelp(
      "Takes the centre of PNG and JPEG files, once they have their size. (default: none, or the run's own)",
      valueName: "HEIGHTxWIDTH"))
  var crop: String?

  @Flag(help: "PNG and JPEG files as grey images, or all in colour. (default: in colour if any is, or as the run's)")
  var colour: ImageColour?

  /// How to read the file, in the order in which it applies.
  private var reading: [Override<Dataset.LoadOptions>] {
    [
      Override("--array", array, \.array),
      Override("--columns", columns) { $0.columns = try parseNames($1, option: "--columns") },
      Override("--drop", drop) { $0.drop = try parseNames($1, option: "--drop") },
      Override("--id-column", idColumn, \.idColumn),
      Override("--categories", categories) { $0.categories = try parseNames($1, option: "--categories") },
      Override("--missing", missing) { $0.missing = try parseNames($1, option: "--missing") },
      Override("--rare", rare, \.rare),
      Override("--label-column", labelColumn, \.labelColumn), Override("--labels", labels, \.labels),
      Override("--header", header) { $0.header = $1.header },
      Override("--image-shape", imageShape) { options, text in
        let extents = try parseExtents(text, option: "--image-shape", example: "--image-shape 3,32,32")
        guard extents.count == 2 || extents.count == 3, extents.allSatisfy({ $0 <= 65_536 }) else {
          throw CinchError.usage(
            "No image is '\(text)': give channels, height and width, each up to 65536 (--image-shape 3,32,32).")
        }
        options.sampleShape = Shape(extents)
      },
      Override("--layout", layout, \.layout),
      Override("--patches", patches) { options, text in
        let size = try parseSize(text, option: "--patches", example: "8x8")
        options.patches = Dataset.Patches(height: size.height, width: size.width)
      },
      Override("--patch-seed", patchSeed) { options, seed in
        guard options.patches != nil else {
          throw CinchError.usage("--patch-seed says where patches lie: add their size, --patches 8x8.")
        }
        options.patches?.seed = seed
      },
      Override("--resize", resize) { $0.resize = try parseSize($1, option: "--resize", example: "32x32") },
      Override("--crop", crop) { $0.crop = try parseSize($1, option: "--crop", example: "32x32") },
      Override(colour == .grey ? "--grey" : "--colour", colour, \.colour),
    ]
  }

  /// The options that were given and that only a CSV file can follow.
  private var tableOptions: [String] {
    let options: [(String, Bool)] = [
      ("--columns", columns != nil), ("--drop", drop != nil), ("--id-column", idColumn != nil),
      ("--categories", categories != nil), ("--missing", missing != nil), ("--rare", rare != nil),
      ("--label-column", labelColumn != nil), ("--header", header != nil),
    ]
    return options.filter(\.1).map(\.0)
  }

  /// The names of the options that were given.
  var given: [String] { (data == nil ? [] : ["--data"]) + reading.given() }

  /// The data set that these options name; nil where they name none.
  ///
  /// - Parameter more: what else was given.
  func source(_ more: [Override<Dataset.LoadOptions>] = []) throws -> DataSource? {
    if let data { return try source(default: data, more) }
    if let option = (given + more.given()).first {
      throw CinchError.usage("\(option) says how to read a file: name it with --data.")
    }
    return nil
  }

  /// The data set that these options name, or else the standard one.
  func source(default standard: String, _ more: [Override<Dataset.LoadOptions>] = []) throws -> DataSource {
    let name = data ?? standard
    guard !name.isEmpty else { throw CinchError.usage("--data is empty: name a file, a folder or fashion-mnist.") }
    if let option = tableOptions.first, name.hasPrefix("fashion-mnist") {
      throw CinchError.usage("'\(name)' is no CSV file: leave \(option) out.")
    }
    return DataSource(name, options: try loadOptions(more))
  }

  func loadOptions(_ more: [Override<Dataset.LoadOptions>] = []) throws -> Dataset.LoadOptions {
    var options = Dataset.LoadOptions()
    try (reading + more).apply(to: &options)
    return options
  }
}
