import CinchData
import FoundationEssentials

/// Small pictures of many samples, as one picture of which each is a part.
struct PictureSheet {
  /// Tells it from others of the page.
  let name: String
  private let data: String
  private let size: (width: Int, height: Int)
  private let tile: (width: Int, height: Int)
  private let columns: Int

  /// - Parameters:
  ///   - tiles: pictures of one size.
  ///   - most: bytes of all of them before they are compressed; they are made smaller until that suffices.
  /// - Throws: as `PNG.encode`.
  init?(_ tiles: [RasterImage], name: String, most: Int) throws {
    guard let first = tiles.first, tiles.allSatisfy({ ($0.width, $0.height) == (first.width, first.height) }) else {
      return nil
    }
    var factor = max(1, (max(first.width, first.height) + 63) / 64)
    func bytes(_ factor: Int) -> Int {
      tiles.count * first.channels * ((first.width + factor - 1) / factor) * ((first.height + factor - 1) / factor)
    }
    while bytes(factor) > most, factor < max(first.width, first.height) { factor += 1 }
    let small = try tiles.map { try $0.reduced(by: factor) }
    tile = (small[0].width, small[0].height)
    columns = max(1, Int(Double(small.count).squareRoot().rounded(.up)))
    var sheet = try RasterImage(
      width: columns * tile.width, height: (small.count + columns - 1) / columns * tile.height,
      channels: first.channels, filledWith: ImageGrid.background)
    for (index, picture) in small.enumerated() {
      sheet.draw(picture, x: index % columns * tile.width, y: index / columns * tile.height)
    }
    size = (sheet.width, sheet.height)
    data = try sheet.dataURI()
    self.name = name
  }

  /// The sheet itself, which parts refer to.
  var definition: Markup {
    "<svg class=hidden width=0 height=0 aria-hidden=true><defs><image id=\(name) width=\(size.width) height=\(size.height) href=\"\(data)\"/></defs></svg>\n"
  }

  /// One of them, which is shown while its point is pointed at.
  func picture(_ index: Int, x: Double, y: Double, side: Double, of label: String) -> Markup {
    let (left, top) = (index % columns * tile.width, index / columns * tile.height)
    return
      "<g class=v><svg x=\(x) y=\(y) width=\(side) height=\(side) viewBox=\"\(left) \(top) \(tile.width) \(tile.height)\"><use href=\"#\(name)\"></use></svg><text class=e x=\(x - 8) y=40>\(label)</text></g>"
  }
}

extension RasterImage {
  /// Each pixel the mean of `factor` × `factor`, or of those that there are at the edges.
  func reduced(by factor: Int) throws -> RasterImage {
    guard factor > 1 else { return self }
    var small = try RasterImage(
      width: (width + factor - 1) / factor, height: (height + factor - 1) / factor, channels: channels)
    for y in 0..<small.height {
      for x in 0..<small.width {
        for channel in 0..<channels {
          var (sum, count) = (0, 0)
          for row in y * factor..<min((y + 1) * factor, height) {
            for column in x * factor..<min((x + 1) * factor, width) {
              sum += Int(pixels[(row * width + column) * channels + channel])
              count += 1
            }
          }
          small.pixels[(y * small.width + x) * channels + channel] = UInt8(sum / max(count, 1))
        }
      }
    }
    return small
  }

  /// Puts a picture of as many channels, which must fit, at a place.
  mutating func draw(_ picture: RasterImage, x: Int, y: Int) {
    let length = picture.width * channels
    for row in 0..<picture.height {
      let (from, to) = (row * length, ((y + row) * width + x) * channels)
      pixels.replaceSubrange(to..<to + length, with: picture.pixels[from..<from + length])
    }
  }

  /// The picture itself as an address.
  func dataURI() throws -> String { "data:image/png;base64," + Data(try PNG.encode(self)).base64EncodedString() }
}
