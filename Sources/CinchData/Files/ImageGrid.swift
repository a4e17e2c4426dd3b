import CinchBackend

/// Pictures of many arrays, such as samples or weights: tiles in a grid, one pixel apart unless said.
///
/// A tile shows one row of values. A shape of `[height, width]` or `[1, height, width]` is grey, `[3, height, width]`
/// is RGB. Any other is laid out row by row on the smallest near-square that holds it (784 values as 28 × 28, 10 as
/// 4 × 3), what is left over showing the background.
public enum ImageGrid {
  /// Which values become black and white.
  public enum Contrast: Sendable, Hashable {
    /// Each tile's smallest and largest value; a constant tile is mid-grey. For weights.
    case perTile
    /// The same range for all; values outside are clamped, and mid-grey where an infinite bound tells none apart. For
    /// samples, `0...1`.
    case fixed(ClosedRange<Float>)
  }

  /// The level of gaps and of what no value covers: told apart from both black and white.
  public static let background: UInt8 = 96

  /// Tiles in reading order on a near-square grid.
  ///
  /// - Parameters:
  ///   - values: tiles × `tileShape.count` values, row-major.
  ///   - columns: tiles in a row of the grid; near the square root of their number if nil.
  ///   - magnification: pixels per value, either way.
  ///   - gap: pixels between tiles.
  /// - Throws: `CinchError.usage` if values do not fill tiles, there are none, or the picture would be too large.
  public static func tiles(
    _ values: [Float], tileShape: Shape, columns: Int? = nil, contrast: Contrast = .perTile, magnification: Int = 1,
    gap: Int = 1
  ) throws -> RasterImage {
    let count = try tileCount(values, tileShape)
    let columns = min(columns ?? nearSquareWidth(count), count)
    guard columns >= 1 else { throw CinchError.usage("A grid of \(columns) columns is empty: ask for at least 1.") }
    var canvas = try Canvas(
      tile: Tile(tileShape), columns: columns, rows: (count + columns - 1) / columns, magnification: magnification,
      gap: gap)
    for index in 0..<count {
      canvas.draw(values, index, column: index % columns, row: index / columns, contrast: contrast)
    }
    return canvas.image
  }

  /// Versions of the same samples below each other: one column per sample, one row per version.
  ///
  /// - Parameters:
  ///   - versions: each samples × `tileShape.count` values, row-major; all of one size.
  ///   - contrast: the range that all tiles share, `0...1` for values scaled so.
  ///   - magnification: pixels per value either way.
  /// - Throws: `CinchError.usage` as `tiles`, or if the sizes differ.
  public static func compared(
    _ versions: [[Float]], tileShape: Shape, contrast: Contrast = .fixed(0...1), magnification: Int = 1
  ) throws -> RasterImage {
    let first = versions.first ?? []
    let count = try tileCount(first, tileShape)
    guard versions.allSatisfy({ $0.count == first.count }) else {
      throw CinchError.usage("The versions of samples differ in size: pass the same samples for all.")
    }
    var canvas = try Canvas(
      tile: Tile(tileShape), columns: count, rows: versions.count, magnification: magnification)
    for (row, values) in versions.enumerated() {
      for index in 0..<count { canvas.draw(values, index, column: index, row: row, contrast: contrast) }
    }
    return canvas.image
  }

  /// Pictures below each other, at the left; in colour where any of them is.
  ///
  /// - Parameter gap: pixels between them.
  /// - Throws: `CinchError.usage` if there are none, one has more or fewer bytes than pixels, or the picture would be too
  ///   large.
  public static func stacked(_ pictures: [RasterImage], gap: Int = 8) throws -> RasterImage {
    guard !pictures.isEmpty else { throw CinchError.usage("There are no pictures to stack: pass one or more.") }
    guard gap >= 0 else { throw CinchError.usage("Pictures cannot be \(gap) pixels apart: give 0 or more.") }
    for picture in pictures { try picture.requirePixels() }
    // Two pictures so far apart are refused, and sums of it fit.
    let gap = min(gap, RasterImage.longestSide)
    let height = pictures.reduce(-gap) { $0 + gap + $1.height }
    let channels = pictures.map(\.channels).max() ?? 0
    var image = try RasterImage(
      width: pictures.map(\.width).max() ?? 0, height: height, channels: channels, filledWith: background)
    var top = 0
    for picture in pictures {
      for y in 0..<picture.height {
        for x in 0..<picture.width {
          for channel in 0..<channels {
            let source = (y * picture.width + x) * picture.channels + min(channel, picture.channels - 1)
            image.pixels[((top + y) * image.width + x) * channels + channel] = picture.pixels[source]
          }
        }
      }
      top += picture.height + gap
    }
    return image
  }

  private static func tileCount(_ values: [Float], _ shape: Shape) throws -> Int {
    guard shape.count >= 1, !values.isEmpty, values.count % shape.count == 0 else {
      throw CinchError.usage(
        "\(values.count) values do not fill tiles of shape \(shape): pass one or more whole tiles.")
    }
    return values.count / shape.count
  }

  fileprivate static func nearSquareWidth(_ count: Int) -> Int {
    var width = Int(Double(count).squareRoot())
    while width * width < count { width += 1 }
    return max(width, 1)
  }
}

/// How one row of values becomes pixels.
private struct Tile {
  let width: Int
  let height: Int
  let channels: Int
  let count: Int

  init(_ shape: Shape) {
    let extents = shape.dimensions
    count = shape.count
    switch extents.count {
    case 2: (channels, height, width) = (1, extents[0], extents[1])
    case 3 where extents[0] == 1 || extents[0] == 3: (channels, height, width) = (extents[0], extents[1], extents[2])
    default:
      channels = 1
      width = ImageGrid.nearSquareWidth(count)
      height = (count + width - 1) / width
    }
  }
}

private struct Canvas {
  let tile: Tile
  let magnification: Int
  let gap: Int
  var image: RasterImage

  init(tile: Tile, columns: Int, rows: Int, magnification: Int, gap: Int = 1) throws {
    guard (1...64).contains(magnification) else {
      throw CinchError.usage("A magnification of \(magnification) is not between 1 and 64: choose one that is.")
    }
    guard (0...64).contains(gap), let width = checkedProduct([columns, (tile.width * magnification) + gap]),
      let height = checkedProduct([rows, (tile.height * magnification) + gap])
    else { throw CinchError.usage("The picture would be too large: show fewer tiles.") }
    self.tile = tile
    self.magnification = magnification
    self.gap = gap
    image = try RasterImage(
      width: width - gap, height: height - gap, channels: tile.channels, filledWith: ImageGrid.background)
  }

  mutating func draw(_ values: [Float], _ index: Int, column: Int, row: Int, contrast: ImageGrid.Contrast) {
    let levels = Self.levels(values[(index * tile.count)..<((index + 1) * tile.count)], contrast)
    let left = column * (tile.width * magnification + gap)
    let top = row * (tile.height * magnification + gap)
    let plane = tile.width * tile.height
    for (position, level) in levels.enumerated() {
      let (channel, pixel) = position.quotientAndRemainder(dividingBy: plane)
      let x = left + pixel % tile.width * magnification
      let y = top + pixel / tile.width * magnification
      for row in y..<(y + magnification) {
        for column in x..<(x + magnification) {
          image.pixels[(row * image.width + column) * tile.channels + channel] = level
        }
      }
    }
  }

  /// Values as levels 0…255; what is not finite shows as background.
  private static func levels(_ values: ArraySlice<Float>, _ contrast: ImageGrid.Contrast) -> [UInt8] {
    let low: Double
    let high: Double
    switch contrast {
    case .fixed(let range): (low, high) = (Double(range.lowerBound), Double(range.upperBound))
    case .perTile:
      let finite = values.lazy.filter(\.isFinite)
      (low, high) = (Double(finite.min() ?? 0), Double(finite.max() ?? 0))
    }
    return values.map { value in
      guard value.isFinite else { return ImageGrid.background }
      let share = (Double(value) - low) / (high - low)
      guard high > low, !share.isNaN else { return 128 }
      return UInt8((min(max(share, 0), 1) * 255).rounded())
    }
  }
}
