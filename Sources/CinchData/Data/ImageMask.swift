import CSamples
import CinchBackend

/// Which pixels of images are missing: of all images the same, or of each its own.
public struct ImageMask: Sendable, Hashable {
  public let height: Int
  public let width: Int
  /// Masks: 1, or as many as images.
  public var count: Int { missing.count / (height * width) }
  /// `count × height × width`, row by row.
  public let missing: [Bool]

  /// One mask for all images, or one for each.
  ///
  /// - Parameters:
  ///   - missing: whether a pixel is missing, `count × height × width`, row by row.
  ///   - height: rows of an image.
  ///   - width: pixels in a row.
  /// - Throws: `CinchError.badData` where the values do not fill masks of that size.
  public init(_ missing: [Bool], height: Int, width: Int) throws {
    guard height >= 1, width >= 1, let size = checkedProduct([height, width]), !missing.isEmpty,
      missing.count % size == 0
    else {
      throw CinchError.badData(
        "\(missing.count) values do not fill masks of \(height)x\(width): pass one for each pixel.")
    }
    self.height = height
    self.width = width
    self.missing = missing
  }

  /// Reads a mask: a PNG or JPEG file, in which white is missing (levels of 128 and more), or an array (IDX or .npy, one mask
  /// `[height, width]`, or one for each image, `[images, height, width]`), in which everything but 0 is.
  ///
  /// - Throws: `CinchError.badData` where the file is damaged or of another shape, `.inputOutput` where it cannot be read.
  public init(contentsOf path: String) throws {
    let file = try FileContents(contentsOf: path)
    if ImageFile.format(start: file.prefix(8)) != nil {
      let image = try ImageFile.decode(file, path: path)
      let pixels = image.height * image.width
      var luma = image.pixels
      if image.channels == 3 {
        luma = [UInt8](repeating: 0, count: pixels)
        cinch_grey(image.pixels, Int64(pixels), &luma)
      }
      try self.init(luma.map { $0 >= 128 }, height: image.height, width: image.width)
      return
    }
    let contents = Gzip.isGzip(file) ? FileContents(try Gzip.inflate(file, limit: .max, path: path)) : file
    let start = contents.prefix(16)
    guard NPY.isNPY(start) || IDX.isIDX(start) else {
      throw CinchError.badData("'\(path)' is no mask: name a PNG or JPEG file, or an array (IDX or .npy).")
    }
    let array =
      NPY.isNPY(start)
      ? try NPY.read(contents, scalesBytes: false, path: path) : try IDX.read(contents, path: path)
    var extents = array.shape.dimensions
    if extents.count == 4, extents[1] == 1 { extents.remove(at: 1) }
    guard extents.count == 2 || extents.count == 3 else {
      throw CinchError.badData(
        "'\(path)' is \(array.shape), but masks are [height, width] or [images, height, width]: name another file.")
    }
    try self.init(array.values.map { $0 != 0 }, height: extents[extents.count - 2], width: extents[extents.count - 1])
  }

  /// A rectangle of each image, at a place that is drawn: uniformly among all where it fits. Image i's is a pure function of
  /// the seed and i, drawn as `Corruption.block` draws.
  ///
  /// - Parameters:
  ///   - size: of the rectangle.
  ///   - image: of an image.
  ///   - count: images.
  ///   - first: the number of the first, where the images are some of more.
  ///   - seed: where the rectangles lie.
  /// - Throws: `CinchError.usage` where the rectangle is empty or larger than the image.
  public static func blocks(
    _ size: ImageSize, of image: ImageSize, count: Int, first: Int = 0, seed: UInt64 = 0
  ) throws -> ImageMask {
    guard size.height >= 1, size.width >= 1, size.height <= image.height, size.width <= image.width, count >= 1 else {
      throw CinchError.usage(
        "A block of \(size) does not fit into images of \(image): choose one of 1x1 to \(image).")
    }
    try HostMemory.require(
      checkedProduct([count, image.height, image.width]) ?? .max, for: "the masks of \(count) images")
    let block = CorruptionBlock(rows: size.height, columns: size.width, height: image.height, width: image.width)
    let philox = Philox(seed: seed, stream: .corruption)
    var missing = [Bool](repeating: false, count: count * image.height * image.width)
    for sample in 0..<count {
      let origin = block.origin(first &+ sample, philox, step: 0)
      for row in origin.row..<origin.row + size.height {
        let start = (sample * image.height + row) * image.width + origin.column
        for pixel in start..<start + size.width { missing[pixel] = true }
      }
    }
    return try ImageMask(missing, height: image.height, width: image.width)
  }

  /// The masks of some images.
  package func subset(_ images: Range<Int>) throws -> ImageMask {
    let size = height * width
    return try ImageMask(
      Array(missing[images.lowerBound * size..<images.upperBound * size]), height: height, width: width)
  }

  /// Whether a pixel of an image is missing.
  package func isMissing(_ pixel: Int, of image: Int) -> Bool {
    missing[(count == 1 ? 0 : image) * height * width + pixel]
  }

  /// - Throws: `CinchError.badData` where the masks are of another size than images, or neither one nor as many.
  package func requireFit(_ image: ImageShape, count images: Int, name: String) throws {
    guard height == image.height, width == image.width else {
      throw CinchError.badData(
        "The mask is \(height)x\(width), but images of '\(name)' are \(image.height)x\(image.width): use one of that size."
      )
    }
    guard count == 1 || count == images else {
      throw CinchError.badData(
        "There are \(count) masks for the \(images) images of '\(name)': use one mask, or one for each image.")
    }
  }
}
