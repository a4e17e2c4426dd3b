import ArgumentParser
import Cinch

/// Which samples, and how to read their file.
struct DataOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The samples: fashion-mnist, fashion-mnist-test, a file (IDX, .npy, .csv, .tsv; gzipped or not), or a folder of "
        + "MNIST-like files.", valueName: "source"))
  var data: String?

  @Option(
    help: ArgumentHelp("A column of a CSV file, by name or number from 1, that is no feature.", valueName: "column"))
  var labelColumn: String?

  @Option(help: "Whether a CSV file begins with a row of names. (default: auto)")
  var header: HeaderChoice?

  @Option(help: ArgumentHelp("Sees samples as this shape, for pictures: 28,28 or 3,32,32.", valueName: "extents"))
  var shape: String?

  /// The names of the options that were given.
  var given: [String] {
    [
      data == nil ? nil : "--data", labelColumn == nil ? nil : "--label-column", header == nil ? nil : "--header",
      shape == nil ? nil : "--shape",
    ].compactMap { $0 }
  }

  /// The data set that these options name; nil where they name none.
  func source(default standard: String? = nil) throws -> DataSource? {
    guard let name = data ?? standard else {
      if let option = given.first { throw CinchError.usage("\(option) says how to read a file: name it with --data.") }
      return nil
    }
    if labelColumn != nil || header != nil, name.hasPrefix("fashion-mnist") {
      throw CinchError.usage("'\(name)' is no CSV file: leave --label-column and --header out.")
    }
    return DataSource(name, options: try loadOptions)
  }

  var loadOptions: Dataset.LoadOptions {
    get throws {
      var options = Dataset.LoadOptions()
      options.labelColumn = labelColumn
      if let header { options.header = header.header }
      if let shape {
        let extents = try parseExtents(shape, option: "--shape", example: "--shape 28,28")
        guard let checked = Shape(checking: extents) else {
          throw CinchError.usage("No sample has the shape '\(shape)': give its height and width (--shape 28,28).")
        }
        options.sampleShape = checked
      }
      return options
    }
  }
}
