import CinchBackend
import FoundationEssentials
import Glibc

extension Dataset {
  public enum Split: String, Sendable, Codable, CaseIterable {
    case train, test

    fileprivate var prefix: String { self == .train ? "train" : "t10k" }
  }

  /// How to read a file, where it does not say so itself.
  public struct LoadOptions: Sendable, Hashable {
    /// Which part of a folder of MNIST-like files.
    public var split: Split = .train
    /// The array of a .npz file that is taken; nil for its only one, or the one named as samples usually are.
    public var array: String?
    /// Whether the first row of a CSV file names the columns.
    public var header: CSVHeader = .automatic
    /// A column of a CSV file, by name or number from 1, that holds labels, numbers or names, and no feature.
    public var labelColumn: String?
    /// Columns of a table, by name or number from 1, that are features; nil for all.
    public var columns: [String]?
    /// Columns of a table that are left out.
    public var drop: [String]?
    /// A column of a table that names its rows, and is no feature.
    public var idColumn: String?
    /// Columns of a table whose cells are categories even where they are numbers.
    public var categories: [String]?
    /// What a cell of a table is that has no value, beside nothing, `NA`, `N/A`, `NaN`, `nan`, `null`, `NULL` and `?`.
    public var missing: [String]?
    /// Makes one category, `other`, of the texts of a table's column that occur fewer times than this, and, in later tables,
    /// of those that were not there.
    public var rare: Int?
    /// What the columns of a table mean, where an earlier table of the same kind has said it: they are found by name.
    public var schema: TableSchema?
    /// A file of labels: IDX, .npy, or text with one on each line. By default the IDX file beside `…images-idx3…`, named `…labels-idx1…`, if it is there.
    public var labels: String?
    /// Sees samples as this shape, of as many values: `[channels, height, width]` for images.
    public var sampleShape: Shape?
    /// How the file orders an image's values; nil where nobody has said it. Then channels come first, and an array whose
    /// last axis looks like channels is refused.
    public var layout: ImageLayout?
    /// Cuts patches out of images, and takes these for samples. An array of two axes is then one image, unless
    /// `sampleShape` says otherwise.
    public var patches: Patches?
    /// Brings images of a folder to this size: means where they shrink, bilinear where they grow, whatever the proportions.
    public var resize: ImageSize?
    /// Takes the centre of images of a folder, once they have been resized.
    public var crop: ImageSize?
    /// Makes images of a folder grey, or grey ones three equal channels. By default they are in colour where any is.
    public var colour: ImageColour?

    public init() {}

    /// What says how a table's cells are read.
    var selection: [(setting: CinchError.Setting, given: Bool)] {
      [
        (.columns, columns != nil), (.drop, drop != nil), (.idColumn, idColumn != nil),
        (.categories, categories != nil), (.missing, missing != nil), (.rare, rare != nil),
      ]
    }
  }

  /// Zalando's Fashion-MNIST: 60,000 (train) or 10,000 (test) images of 28 × 28 in [0, 1], labels 0…9.
  ///
  /// Read from the folder that the environment variable CINCH_DATA names; else from `share/fashion-mnist` beside the
  /// folder of the running program; else from Debian's package dataset-fashion-mnist.
  ///
  /// - Throws: `CinchError.unavailable` if it is nowhere, `.badData` and `.inputOutput` if it cannot be read.
  public static func fashionMNIST(split: Split = .train) throws -> Dataset {
    try fashionMNIST(split: split, named: getenv("CINCH_DATA").map { String(cString: $0) })
  }

  /// `named` is the folder in CINCH_DATA, if it is set.
  static func fashionMNIST(split: Split, named: String?) throws -> Dataset {
    let folder: String
    if let named, !named.isEmpty {
      guard mnistImages(in: named, split: split) != nil else {
        throw CinchError.unavailable(
          "CINCH_DATA names '\(named)', which does not hold \(split.prefix)-images-idx3-ubyte.gz: "
            + "correct it, or unset it and apt-get install dataset-fashion-mnist.")
      }
      folder = named
    } else {
      let candidates = [bundledFolder, "/usr/share/datasets/fashion-mnist"].compactMap { $0 }
      guard let found = candidates.first(where: { mnistImages(in: $0, split: split) != nil }) else {
        throw CinchError.unavailable(
          "Fashion-MNIST is not on this machine: apt-get install dataset-fashion-mnist, "
            + "or set CINCH_DATA to a folder that holds its .gz files.")
      }
      folder = found
    }
    return try mnistLike(folder: folder, split: split, name: split == .train ? "fashion-mnist" : "fashion-mnist-test")
  }

  /// Loads a data set by name or path.
  ///
  /// The names are `fashion-mnist` and `fashion-mnist-test`. A file's format is told by its first bytes, else by its
  /// extension: IDX, .npy and .npz (samples along the first dimension), CSV and TSV; each also gzipped. A folder is
  /// taken as MNIST-like, `train-images-idx3-ubyte` and so on, where it holds these files, and else as one of PNG and JPEG
  /// files, in the order of their names, or of folders of them, whose names are labels; one such file is one sample. Unsigned bytes become [0, 1] by division by 255;
  /// other values stay. Images come with channels first, whatever the file's layout.
  ///
  /// - Throws: `CinchError.badData`, `.inputOutput`, `.unavailable`; `.usage` for options that do not fit the file.
  public static func load(_ source: String, options: LoadOptions = LoadOptions()) throws -> Dataset {
    let data = try loadUnshaped(source, options: options)
    // Of images of different sizes, which make no data set, the patches themselves.
    if data.rows.windows != nil { return data.ordered(options.layout ?? .nchw) }
    let isOneImage = options.patches != nil && options.sampleShape == nil && data.sampleShape.dimensions.count == 1
    let whole = isOneImage ? data.asOneImage : data
    let labelled = try options.labels.map { try whole.labelled(try Labels.read($0), from: $0) } ?? whole
    // Image files know their order: another is only what others are to see.
    var seen =
      isImageFiles(source)
      ? try labelled.seen(as: options.sampleShape, layout: .nchw).ordered(options.layout ?? .nchw)
      : try labelled.seen(as: options.sampleShape, layout: options.layout)
    seen.schema = data.schema
    return try options.patches.map(seen.patches) ?? seen
  }

  /// Flat samples as the rows of one grey image.
  private var asOneImage: Dataset {
    Dataset(
      unchecked: SampleRows(rows.storage, features: count * features), sampleShape: [count, features], labels: nil,
      name: name, scaling: scaling, columnNames: nil)
  }

  private static func loadUnshaped(_ source: String, options: LoadOptions) throws -> Dataset {
    if let labels = options.labels, !FileBytes.exists(labels) {
      throw CinchError.inputOutput("There is no file of labels '\(labels)': check the path.")
    }
    switch source {
    case "fashion-mnist", "fashion-mnist-test":
      try requireNoImageOptions(options, source)
      try requireNoArray(options, source)
      return try fashionMNIST(split: source == "fashion-mnist" ? options.split : .test)
    default: break
    }
    guard FileBytes.exists(source) else {
      throw CinchError.inputOutput(
        "There is no file or data set named '\(source)'\(nearest(to: source)): give a path, fashion-mnist or "
          + "fashion-mnist-test.")
    }
    if FileBytes.isFolder(source) { try requireNoArray(options, source) }
    if FileBytes.isFolder(source), mnistImages(in: source, split: options.split) != nil {
      try requireNoTableOptions(options, source)
      try requireNoImageOptions(options, source)
      return try mnistLike(folder: source, split: options.split, name: FileBytes.name(source))
    }
    if FileBytes.isFolder(source) {
      try requireNoTableOptions(options, source)
      guard let images = try ImageFolder(folder: source) else {
        throw CinchError.badData(
          "The folder '\(source)' holds neither PNG or JPEG files nor \(options.split.prefix)-images-idx3-ubyte: name another, "
            + "or a file.")
      }
      return try images.load(options)
    }

    let file = try FileContents(contentsOf: source)
    if ImageFile.format(start: file.prefix(8)) != nil {
      try requireNoTableOptions(options, source)
      try requireNoArray(options, source)
      return try ImageFolder(file: source).load(options)
    }
    try requireNoImageOptions(options, source)
    let isGzip = Gzip.isGzip(file)
    let start = isGzip ? try Gzip.prefix(of: file, count: 16, path: source) : file.prefix(16)
    let format = try format(
      start: start, path: isGzip && source.lowercased().hasSuffix(".gz") ? String(source.dropLast(3)) : source)
    if format != .csv { try requireNoTableOptions(options, source) }
    if format != .npz { try requireNoArray(options, source) }
    switch format {
    case .idx:
      return try idx(
        file, path: source, labels: options.labels == nil ? labelsBeside(source) : nil, name: FileBytes.name(source))
    case .npy:
      let array = try NPY.read(try inflated(file, path: source), scalesBytes: true, path: source)
      return try Dataset(array, labels: nil, name: FileBytes.name(source))
    case .npz:
      let (array, labels) = try NPZ(try inflated(file, path: source), path: source).samples(
        options.array, takesLabels: options.labels == nil)
      return try Dataset(array, labels: labels, name: FileBytes.name(source))
    case .csv:
      guard options.patches == nil else {
        throw CinchError.usage(
          "'\(source)' is a table, which has no patches: leave \(.patches) out, or name images (IDX or .npy).")
      }
      guard options.labels == nil || options.labelColumn == nil else {
        throw CinchError.usage("Labels come from \(.labelColumn) or from \(.labels), not from both: leave one out.")
      }
      return try table(file, options, path: source)
    }
  }

  /// What a table's first row says, where the file is a table.
  /// - Throws: as `load`.
  package static func columnNames(of path: String) throws -> [String]? {
    guard FileBytes.exists(path), !FileBytes.isFolder(path) else { return nil }
    let file = try FileContents(contentsOf: path)
    guard try isTable(file, path: path) else { return nil }
    return try inflated(file, path: path).withUnsafeBytes { bytes in
      var reader = CSVReader(bytes: bytes.assumingMemoryBound(to: UInt8.self), path: path)
      try reader.skipByteOrderMark()
      let cells = try reader.firstRow()
      return try reader.names(cells)
    }
  }

  /// Whether a source is a table, which `header`, `labelColumn` and the like are for.
  package static func isTable(_ source: String) -> Bool {
    guard FileBytes.exists(source), !FileBytes.isFolder(source) else { return false }
    let file = try? FileContents(contentsOf: source, isGlance: true)
    return file.flatMap { try? isTable($0, path: source) } ?? false
  }

  private static func isTable(_ file: FileContents, path: String) throws -> Bool {
    guard ImageFile.format(start: file.prefix(8)) == nil else { return false }
    let isGzip = Gzip.isGzip(file)
    let start = isGzip ? try Gzip.prefix(of: file, count: 16, path: path) : file.prefix(16)
    let isPacked = isGzip && path.lowercased().hasSuffix(".gz")
    return try format(start: start, path: isPacked ? String(path.dropLast(3)) : path) == .csv
  }

  /// A table of numbers, or with text.
  private static func table(_ file: FileContents, _ options: LoadOptions, path: String) throws -> Dataset {
    let table = try TableReader(file, header: options.header, TableSelection(options), path: path)
    // What is not finite was refused where it was read.
    var data = Dataset(
      unchecked: SampleRows(SampleStorage(table.values), features: table.features), sampleShape: [table.features],
      labels: table.labels, name: FileBytes.name(path), scaling: nil, columnNames: table.columnNames,
      sampleNames: table.rowNames)
    data.schema = table.schema
    data.observed = try table.observed.map { try SampleRows(observed: $0, features: table.features) }
    return data
  }

  /// - Throws: `CinchError.usage` for options that only a CSV file can follow.
  private static func requireNoTableOptions(_ options: LoadOptions, _ source: String) throws {
    guard options.labelColumn == nil else {
      throw CinchError.usage(
        "'\(source)' has no columns of labels: only CSV files have, so leave \(.labelColumn) out.")
    }
    guard options.header == .automatic else {
      throw CinchError.usage("'\(source)' has no row of names: only CSV files have, so leave \(.header) out.")
    }
    guard let setting = options.selection.first(where: { $0.given })?.setting else { return }
    throw CinchError.usage("'\(source)' is no table: only CSV files have columns, so leave \(setting) out.")
  }

  /// A data set, or a file beside where this one was looked for, that may have been meant.
  private static func nearest(to source: String) -> String {
    let parts = source.split(separator: "/", omittingEmptySubsequences: false)
    let folder = parts.count > 1 ? parts.dropLast().joined(separator: "/") + "/" : "."
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? []
    return Suggestion.text(for: String(parts.last ?? ""), among: ["fashion-mnist", "fashion-mnist-test"] + files)
  }

  /// - Throws: `CinchError.usage` where an array of a file that holds none is named.
  private static func requireNoArray(_ options: LoadOptions, _ source: String) throws {
    guard options.array == nil else {
      throw CinchError.usage("'\(source)' has no arrays with names: only .npz files have, so leave \(.array) out.")
    }
  }

  /// Whether a source is a .npz file, which `array` is for.
  package static func isArchive(_ source: String) -> Bool {
    guard !FileBytes.isFolder(source) else { return false }
    return (try? FileContents(contentsOf: source, isGlance: true)).map { Zip.isZip($0.prefix(4)) } ?? false
  }

  /// - Throws: `CinchError.usage` for options that only image files can follow.
  private static func requireNoImageOptions(_ options: LoadOptions, _ source: String) throws {
    let given: [(Bool, CinchError.Message)] = [
      (options.resize != nil, "\(.resize)"), (options.crop != nil, "\(.crop)"),
      (options.colour != nil, "\(.colour, options.colour?.rawValue ?? "")"),
    ]
    guard let setting = given.first(where: { $0.0 })?.1 else { return }
    throw CinchError.usage("'\(source)' is no folder of PNG or JPEG files: leave \(setting) out, or name one.")
  }

  /// Whether a source is image files, which `resize`, `crop` and `colour` are for.
  package static func isImageFiles(_ source: String) -> Bool {
    guard FileBytes.isFolder(source) else {
      return (try? FileContents(contentsOf: source, isGlance: true)).map {
        ImageFile.format(start: $0.prefix(8)) != nil
      } ?? false
    }
    return Split.allCases.allSatisfy { mnistImages(in: source, split: $0) == nil }
  }

  private enum Format { case idx, npy, npz, csv }

  private static func format(start: [UInt8], path: String) throws -> Format {
    if NPY.isNPY(start) { return .npy }
    if Zip.isZip(start) { return .npz }
    if IDX.isIDX(start) { return .idx }
    let name = FileBytes.name(path).lowercased()
    if name.hasSuffix(".npy") { return .npy }
    if name.hasSuffix(".npz") { return .npz }
    if name.hasSuffix(".idx") || name.hasSuffix("-ubyte") { return .idx }
    if [".csv", ".tsv", ".txt"].contains(where: name.hasSuffix) { return .csv }
    throw CinchError.badData(
      "'\(path)' is in no known format: use IDX, .npy or .npz (float32, float64, uint8 or signed integers), .csv or .tsv, gzipped or not, PNG "
        + "or JPEG.")
  }

  static func inflated(_ file: FileContents, path: String) throws -> FileContents {
    guard Gzip.isGzip(file) else { return file }
    return FileContents(try Gzip.inflate(file, limit: .max, path: path))
  }

  private static func idx(_ file: FileContents, path: String, labels: String?, name: String) throws -> Dataset {
    try Dataset(try IDX.read(file, path: path), labels: try labels.map(IDX.readLabels), name: name)
  }

  /// Finiteness and sizes were checked when the array was read.
  private init(_ array: NumericArray, labels: [Int]?, name: String) throws {
    let count = array.shape.rows
    guard labels.map({ $0.count == count }) ?? true else {
      throw CinchError.badData(
        "The labels file of '\(name)' holds \(labels?.count ?? 0) labels for \(count) samples: name the one that fits.")
    }
    let sample = Array(array.shape.dimensions.dropFirst())
    self.init(
      unchecked: SampleRows(array.storage, features: array.shape.columns),
      sampleShape: sample.isEmpty ? [1] : Shape(sample), labels: labels.map { Labels($0) }, name: name,
      scaling: array.bytesWereScaled ? .bytes : nil, columnNames: nil)
  }

  private static func mnistLike(folder: String, split: Split, name: String) throws -> Dataset {
    guard let images = mnistImages(in: folder, split: split) else {
      throw CinchError.unavailable("'\(folder)' does not hold \(split.prefix)-images-idx3-ubyte: name another folder.")
    }
    return try idx(try FileContents(contentsOf: images), path: images, labels: labelsBeside(images), name: name)
  }

  private static func mnistImages(in folder: String, split: Split) -> String? {
    [".gz", ""].map { "\(folder)/\(split.prefix)-images-idx3-ubyte\($0)" }.first(where: FileBytes.exists)
  }

  /// The labels that go with a file of images by MNIST's naming, if they are there.
  private static func labelsBeside(_ images: String) -> String? {
    let parts = FileBytes.name(images).split(separator: "images-idx3", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    let stem = "\(FileBytes.folder(images))/\(parts[0])labels-idx1\(parts[1])"
    let other = stem.hasSuffix(".gz") ? String(stem.dropLast(3)) : stem + ".gz"
    return [stem, other].first(where: FileBytes.exists)
  }

  /// `share/fashion-mnist` in the folder above the running program's, where a self-contained bundle has it.
  private static var bundledFolder: String? {
    guard let program = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(program) }
    return FileBytes.folder(FileBytes.folder(String(cString: program))) + "/share/fashion-mnist"
  }
}
