import Cinch
import FoundationEssentials

/// A new folder that samples are written into, each as a PNG file. Where they do not all come there, none stays.
struct ImageFolderOutput {
  let path: String
  private let written = WrittenFiles()

  /// Whether `output` names a folder: one that is there already, ends with a slash, or has no ending.
  static func isNamed(_ output: String) -> Bool {
    var isFolder = false
    let exists = FileManager.default.fileExists(atPath: output, isDirectory: &isFolder)
    let name = URL(fileURLWithPath: output).lastPathComponent
    return output.hasSuffix("/") || exists && isFolder || !exists && !output.isEmpty && !name.contains(".")
  }

  /// Nil where `output` names a file.
  ///
  /// - Throws: `CinchError.usage` where the folder holds anything, `.inputOutput` where it cannot be listed.
  init?(_ output: String) throws {
    guard Self.isNamed(output) else { return nil }
    var isFolder = false
    let exists = FileManager.default.fileExists(atPath: output, isDirectory: &isFolder)
    path = output
    guard exists else { return }
    guard isFolder else {
      throw CinchError.inputOutput("Cannot write into '\(output)': it is a file; name another folder.")
    }
    guard let contents = try? FileManager.default.contentsOfDirectory(atPath: output) else {
      throw CinchError.inputOutput("Cannot list the folder '\(output)': change its permissions or name another.")
    }
    guard contents.isEmpty else {
      throw CinchError.usage(
        "The folder '\(output)' is not empty, and nothing is written over: name a new folder, or empty it.")
    }
  }

  /// Writes a model's output for samples of a run.
  ///
  /// - Parameters:
  ///   - samples: the output, in the units of the model.
  ///   - data: the samples that it was made of.
  /// - Throws: `CinchError.usage` where samples are no images of [0, 1], or not grey or RGB; `.inputOutput`.
  func write(_ samples: Dataset, of data: Dataset, _ config: RunConfig) throws {
    let shape = samples.sampleShape.count == config.shape.count ? config.shape : samples.sampleShape
    guard let image = ImageShape(shape), image.channels == 1 || image.channels == 3 else {
      throw CinchError.usage(
        "Samples of \(shape) are no grey or RGB images, which PNG files hold: name a file that ends with .npy or .csv.")
    }
    let areRawBytes = data.rows.divisor == 255 && config.scaling?.kind.isFitted ?? false
    if data.rows.divisor != 255 {
      let range = try config.restored(data).range
      guard range.lowerBound >= -0.001, range.upperBound <= 1.001 else {
        throw CinchError.usage(
          "Values of '\(data.name)' lie between \(range.lowerBound) and \(range.upperBound), but images have 0 to 1: name a file "
            + "that ends with .npy or .csv.")
      }
    }
    let names = Self.names(data.sampleNames.flatMap { $0.column == nil ? Array($0) : nil }, count: samples.count)
    try makeFolders(names)
    for (index, name) in names.enumerated() {
      let values = try config.restore(Array(samples.sample(index)))
      try write(values, image, contrast: areRawBytes ? 0...255 : 0...1, name)
    }
    finish()
    try Output.result("saved     \(path)   (\(NumberText.counted(names.count, "image")), \(image))")
  }

  /// All files are there.
  func finish() { written.stay() }

  /// Makes the folders that files of these names lie in.
  func makeFolders(_ names: [String]) throws {
    for folder in Set(names.map { URL(fileURLWithPath: "\(path)/\($0)").deletingLastPathComponent().path }) {
      written.noteFolders(of: folder)
      do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      } catch {
        throw CinchError.inputOutput("Cannot make the folder '\(folder)': check its place and permissions.")
      }
    }
  }

  /// One image, channels first.
  func write(_ values: [Float], _ image: ImageShape, contrast: ClosedRange<Float> = 0...1, _ name: String) throws {
    let file = "\(path)/\(name)"
    written.noteFile(file)
    try PNG.write(try ImageGrid.tiles(values, tileShape: image.shape, contrast: .fixed(contrast)), to: file)
  }

  /// Files' own names with the ending .png, or numbers. Where two would be the same, every name keeps its ending.
  static func names(_ own: [String]?, count: Int) -> [String] {
    guard let own, own.count == count else {
      let digits = String(max(count - 1, 0)).count
      return (0..<count).map { index in
        let number = String(index)
        return String(repeating: "0", count: digits - number.count) + number + ".png"
      }
    }
    let stems = own.map { name in name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name }
    return (Set(stems).count == count ? stems : own).map { $0 + ".png" }
  }
}
