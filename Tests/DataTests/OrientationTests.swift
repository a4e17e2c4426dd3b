import CinchBackend
import TestSupport
import Testing

@testable import CinchData

/// EXIF's orientation of photographs.
@Suite struct OrientationTests {
  /// A TIFF structure whose directory has other tags, and the orientation among them.
  private static func tiff(_ orientation: Int, little: Bool, type: Int = 3, count: Int = 1) -> [UInt8] {
    func number(_ value: Int, _ bytes: Int) -> [UInt8] {
      let big = (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
      return little ? big.reversed() : big
    }
    func entry(_ tag: Int, _ type: Int, _ count: Int, _ value: [UInt8]) -> [UInt8] {
      number(tag, 2) + number(type, 2) + number(count, 4) + value + [UInt8](repeating: 0, count: 4 - value.count)
    }
    return Array((little ? "II" : "MM").utf8) + number(42, 2) + number(12, 4) + [9, 9, 9, 9] + number(3, 2)
      + entry(0x010F, 2, 3, Array("ab\0".utf8)) + entry(0x0112, type, count, number(orientation, 2))
      + entry(0x011A, 4, 1, number(7, 4)) + number(0, 4)
  }

  private static func segment(_ marker: UInt8, _ content: [UInt8]) -> [UInt8] {
    let length = content.count + 2
    return [0xFF, marker, UInt8(length >> 8), UInt8(length & 0xFF)] + content
  }

  private static func jpeg(_ tiff: [UInt8], padded: Bool = false) -> [UInt8] {
    let file = ImageFixtures.colourJPEG
    return Array(file.prefix(2)) + segment(0xEE, [1, 2, 3]) + (padded ? [0xFF, 0xFF] : [])
      + segment(0xE1, Array("http://ns.adobe.com/xap/1.0/\0".utf8)) + segment(0xE1, Array("Exif\0\0".utf8) + tiff)
      + file.dropFirst(2)
  }

  private static func png(_ image: RasterImage, _ tiff: [UInt8], last: Bool = false) throws -> [UInt8] {
    let file = try PNG.encode(image)
    let body = Array("eXIf".utf8) + tiff
    let chunk = bigEndian(tiff.count) + body + bigEndian(Int(crc32(body)))
    let place = last ? file.count - 12 : 8 + 25
    return Array(file.prefix(place)) + chunk + file.dropFirst(place)
  }

  private func decode(_ bytes: [UInt8]) throws -> RasterImage {
    try ImageFile.decode(FileContents(bytes), path: "a")
  }

  /// Where the stored first row and first column are seen, by the words of EXIF 4.6.4: the first row at the top, the right
  /// …, the first column at the left, the top ….
  private static func seen(_ orientation: Int, _ row: Int, _ column: Int, height: Int, width: Int) -> (y: Int, x: Int) {
    let (bottom, right) = (height - 1 - row, width - 1 - column)
    switch orientation {
    case 1: return (row, column)
    case 2: return (row, right)
    case 3: return (bottom, right)
    case 4: return (bottom, column)
    case 5: return (column, row)
    case 6: return (column, bottom)
    case 7: return (right, bottom)
    default: return (right, row)
    }
  }

  @Test(arguments: 1...8, [false, true]) func photographsAreSeenUpright(orientation: Int, little: Bool) throws {
    let stored = try decode(ImageFixtures.colourJPEG)
    let (height, width) = (stored.height, stored.width)
    let tiff = Self.tiff(orientation, little: little)
    let files = try [
      Self.jpeg(tiff), Self.jpeg(tiff, padded: true), Self.png(stored, tiff), Self.png(stored, tiff, last: true),
    ]
    for file in files {
      let header = try ImageFile.header(FileContents(file), path: "a")
      let turned = try decode(file)
      let isTurned = orientation >= 5
      #expect(turned.height == (isTurned ? width : height) && turned.width == (isTurned ? height : width))
      #expect(header.size == ImageSize(height: turned.height, width: turned.width))
      for row in 0..<height {
        for column in 0..<width {
          let place = Self.seen(orientation, row, column, height: height, width: width)
          for channel in 0..<3 {
            let found = turned.pixels[3 * (place.y * turned.width + place.x) + channel]
            #expect(found == stored.pixels[3 * (row * width + column) + channel], "\(row), \(column)")
          }
        }
      }
    }
  }

  /// What makes no sense says nothing.
  @Test func malformedNotesAreIgnored() throws {
    let stored = try decode(ImageFixtures.colourJPEG)
    let whole = Self.tiff(6, little: false)
    let (start, end) = (Array(whole.prefix(4)), Array(whole.dropFirst(8)))
    let bad: [[UInt8]] = [
      Self.tiff(0, little: true), Self.tiff(9, little: true), Self.tiff(6, little: true, type: 4),
      Self.tiff(6, little: false, count: 2), [], [0x4D, 0x4D], [0x58, 0x58] + whole.dropFirst(2),
      // A directory that lies outside, within the header, or at the largest number.
      start + [0, 0, 0x7F, 0] + end, start + [0, 0, 0, 0], start + [0xFF, 0xFF, 0xFF, 0xFF] + end,
      // More entries than there are, none of which is the one.
      Array(whole.prefix(12)) + [0xFF, 0xFF] + whole[14..<26],
    ]
    // Cut before the tag's value ends.
    let cut = (0..<36).map { Array(whole.prefix($0)) }
    for tiff in bad + cut {
      #expect(try decode(Self.jpeg(tiff)) == stored)
      #expect(try decode(Self.png(stored, tiff)) == stored)
    }
    // A segment that claims to go on past the end is libjpeg's to refuse.
    var file = Self.jpeg(whole)
    file[4] = 0xFF
    expectError("'a' is damaged (") { _ = try decode(file) }
  }

  @Test func damagedNotesNeverTrap() throws {
    let file = Self.jpeg(Self.tiff(6, little: true))
    var generator = FixedGenerator(state: 9)
    for _ in 0..<3000 {
      var bytes = Array(file.prefix(Int.random(in: 0...file.count, using: &generator)))
      for _ in 0..<3 where !bytes.isEmpty {
        bytes[Int.random(in: 0..<min(bytes.count, 120), using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      let value = bytes.withUnsafeBytes { (ImageOrientation.ofJPEG($0).value, ImageOrientation.ofPNG($0).value) }
      #expect((1...8).contains(value.0) && (1...8).contains(value.1))
    }
  }

  @Test func foldersHaveTurnedSizes() throws {
    let folder = try TemporaryFolder()
    _ = try folder.file("a.jpg", Self.jpeg(Self.tiff(8, little: true)))
    _ = try folder.file("b.jpg", Self.jpeg(Self.tiff(6, little: false)))
    let data = try Dataset.load(folder.path)
    #expect(data.sampleShape == [3, 9, 7])
    _ = try folder.file("c.jpg", ImageFixtures.colourJPEG)
    expectError("'a.jpg' is 9x7", "'c.jpg' is 7x9", exitCode: 64) { _ = try Dataset.load(folder.path) }
  }
}
