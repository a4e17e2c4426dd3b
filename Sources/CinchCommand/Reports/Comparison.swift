import ArgumentParser
import Cinch
import Glibc

/// Where a command's images and the picture of some before and after go.
struct PictureOptions: ParsableArguments {
  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp(
      "Where the result goes: a file that ends with .npy or .csv, or of one image .png, or a new or empty folder of PNG files. "
        + "(default: nowhere)", valueName: "path"))
  var output: String?

  @Option(
    help: ArgumentHelp(
      "A picture of some samples before and after. (default: in the run's folder, where it is replaced)",
      valueName: "file"))
  var picture: String?

  @OptionGroup var overwriting: OverwriteOptions

  /// - Parameter name: of the picture in the run's folder.
  /// - Throws: `CinchError.usage` where the result or the picture cannot go there.
  func open(_ name: String, _ run: String) throws -> ImageOutput? {
    if let picture, !picture.isNamed(".png") {
      throw CinchError.usage("The picture '\(picture)' is a PNG file: name one that ends with .png.")
    }
    try overwriting.requireFree(picture)
    return try output.map { try ImageOutput($0, overwriting, beside: path(name, run)) }
  }

  private func path(_ name: String, _ run: String) -> String { picture ?? RunFolder(run).path + "/" + name }

  /// Where nobody asked for the picture, one that cannot be written is no reason to fail beside a result that is there.
  ///
  /// - Parameter name: of the picture in the run's folder.
  func write(
    _ comparison: Comparison, _ name: String, _ run: String, _ config: RunConfig, _ versions: String
  ) throws {
    guard let image = try comparison.picture(config.recipe.name, versions) else { return }
    let path = path(name, run)
    do { try PNG.write(image, texts: config.identity?.metadata ?? [:], to: path) } catch CinchError.inputOutput(let why)
      where picture == nil && output != nil
    {
      Diagnostics.logger().notice("no picture: \(CinchError.inputOutput(why).typed)")
      return
    }
    try Output.result("picture   \(path)")
  }
}

/// The first images of a command, each in several versions.
struct Comparison {
  private let versions: Int
  private var images: [(shape: ImageShape, versions: [[Float]])] = []
  private var isFull = false

  init(versions: Int) { self.versions = versions }

  /// Versions of the same images. What is no image is left out.
  mutating func add(_ versions: [Dataset]) throws {
    guard !isFull, let shape = versions.first.flatMap({ ImageShape($0.sampleShape) }) else { return }
    let most = RunFolder.comparable(shape, versions: self.versions)
    for index in 0..<(versions.first?.count ?? 0) {
      guard images.count < most else {
        isFull = true
        return
      }
      images.append((shape, try versions.map { Array(try $0.sample(index)) }))
    }
  }

  func picture(_ name: String, _ versions: String) throws -> RasterImage? {
    guard !images.isEmpty else { return nil }
    return try RunFolder.comparison(images) { isBelow in
      "\(name), from the \(isBelow ? "top" : "left"): \(versions)"
    }
  }
}

/// The mean of squared errors over many images, and what it is beside the largest value.
struct ImageError {
  private var sum = 0.0
  private var count = 0
  private var peak = 1.0

  /// - Parameter known: 0 for each value that is missing; nil where none is.
  mutating func add(_ images: Dataset, _ truth: Dataset, known: [Float]? = nil) {
    let (a, b) = (images.values, truth.values)
    var (total, count) = (0.0, 0)
    for place in a.indices where known?[place] != 0 {
      total += (Double(a[place]) - Double(b[place])) * (Double(a[place]) - Double(b[place]))
      count += 1
    }
    add((total, count), truth)
  }

  mutating func add(_ squares: (sum: Double, count: Int), _ truth: Dataset) {
    sum += squares.sum
    count += squares.count
    let range = truth.range
    if range.lowerBound < 0 || range.upperBound > 1 {
      peak = max(peak, Double(range.upperBound) - Double(range.lowerBound))
    }
  }

  var text: String {
    guard count > 0 else { return "nothing" }
    let mse = sum / Double(count)
    return "mse \(NumberText.short(mse)), psnr "
      + (mse > 0 ? NumberText.decibels(10 * log10(peak * peak / mse)) : "∞ dB")
  }
}
