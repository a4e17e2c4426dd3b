import CinchBackend
import TestSupport
import Testing

@testable import CinchData

@Suite struct ImageTests {
  func word(_ bytes: [UInt8], _ at: Int) -> Int { bytes[at..<(at + 4)].reduce(0) { $0 << 8 | Int($1) } }

  @Test(arguments: [1, 3])
  func pngHasSignatureAndHeader(channels: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.png"
    var image = try RasterImage(width: 300, height: 200, channels: channels)
    var generator = FixedGenerator(state: 3)
    for index in image.pixels.indices { image.pixels[index] = UInt8.random(in: 0...255, using: &generator) }
    try PNG.write(image, to: path)
    let file = try FileBytes.read(path)
    #expect(file.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]))
    #expect(Array(file[12..<16]) == Array("IHDR".utf8))
    #expect(word(file, 16) == 300)
    #expect(word(file, 20) == 200)
    #expect(file[24] == 8)
    #expect(file[25] == (channels == 3 ? 2 : 0))
    #expect(Array(file.suffix(8).prefix(4)) == Array("IEND".utf8))
    // Every chunk's length and CRC.
    var position = 8
    while position < file.count {
      let length = word(file, position)
      let body = Array(file[(position + 4)..<(position + 8 + length)])
      #expect(Int(crc32(body)) == word(file, position + 8 + length))
      position += 12 + length
    }
    #expect(position == file.count)
  }

  @Test func refusesImpossibleImages() {
    expectError("2 channels", exitCode: 64) { _ = try RasterImage(width: 1, height: 1, channels: 2) }
    expectError("0 × 1", exitCode: 64) { _ = try RasterImage(width: 0, height: 1) }
    expectError("cannot be written", exitCode: 64) { _ = try RasterImage(width: 1_000_000, height: 1_000_000) }
  }

  @Test(arguments: [0, 11, 13])
  func refusesImagesWithPixelsMissing(count: Int) throws {
    var image = try RasterImage(width: 2, height: 2, channels: 3)
    image.pixels = [UInt8](repeating: 0, count: count)
    expectError("has 12 bytes, not \(count)", exitCode: 64) { _ = try PNG.encode(image) }
  }

  @Test func tilesAreOnePixelApartAndEachToItsOwnRange() throws {
    let b = ImageGrid.background
    let image = try ImageGrid.tiles([0, 2, 4, 8, -1, 1, 5, 5], tileShape: [1, 2], columns: 3)
    #expect(image.width == 3 * 3 - 1)
    #expect(image.height == 3)
    #expect(Array(image.pixels[0..<8]) == [0, 255, b, 0, 255, b, 0, 255])
    #expect(Array(image.pixels[8..<16]) == [UInt8](repeating: b, count: 8))
    #expect(Array(image.pixels[16..<24]) == [128, 128, b, b, b, b, b, b])
  }

  @Test func fixedContrastClampsAndSurvivesNaN() throws {
    let values: [Float] = [-1, 0.5, 2, .nan, .infinity, 0.25]
    let image = try ImageGrid.tiles(values, tileShape: [1, 6], contrast: .fixed(0...1))
    #expect(image.pixels == [0, 128, 255, ImageGrid.background, ImageGrid.background, 64])
  }

  @Test func infiniteContrastTellsNothingApart() throws {
    for range in [-Float.infinity ... .infinity, -Float.infinity...0] {
      #expect(try ImageGrid.tiles([-1, 2], tileShape: [1, 2], contrast: .fixed(range)).pixels == [128, 128])
    }
    #expect(try ImageGrid.tiles([-1, 2], tileShape: [1, 2], contrast: .fixed(0 ... .infinity)).pixels == [0, 0])
  }

  @Test func magnifies() throws {
    let image = try ImageGrid.tiles([0, 1], tileShape: [1, 2], magnification: 3)
    #expect(image.width == 6)
    #expect(image.height == 3)
    #expect(Array(image.pixels[12..<18]) == [0, 0, 0, 255, 255, 255])
    expectError("magnification of 0", exitCode: 64) {
      _ = try ImageGrid.tiles([0, 1], tileShape: [1, 2], magnification: 0)
    }
  }

  @Test func colourPlanesBecomeInterleavedPixels() throws {
    let image = try ImageGrid.tiles([1, 0, 0, 1, 0, 0], tileShape: [3, 1, 2], contrast: .fixed(0...1))
    #expect(image.channels == 3)
    #expect(image.pixels == [255, 0, 0, 0, 255, 0])
  }

  @Test func otherShapesAreNearSquare() throws {
    func size(_ shape: Shape) throws -> [Int] {
      let image = try ImageGrid.tiles([Float](repeating: 0, count: shape.count), tileShape: shape)
      return [image.width, image.height]
    }
    #expect(try size([784]) == [28, 28])
    #expect(try size([10]) == [4, 3])
    #expect(try size([1]) == [1, 1])
    #expect(try size([2, 2, 2]) == [3, 3])
    let ten = try ImageGrid.tiles((0..<10).map(Float.init), tileShape: [10])
    #expect(ten.pixels.suffix(2) == [ImageGrid.background, ImageGrid.background])
  }

  @Test func versionsOfSamplesAreRows() throws {
    let two = try ImageGrid.compared([[0, 1], [1, 0]], tileShape: [1, 1])
    let b = ImageGrid.background
    #expect(two.pixels == [0, b, 255, b, b, b, 255, b, 0])
    let three = try ImageGrid.compared([[0, 1], [0, 0], [1, 0]], tileShape: [1, 1], magnification: 2)
    #expect([three.width, three.height] == [5, 8])
    expectError("differ in size", exitCode: 64) {
      _ = try ImageGrid.compared([[0, 1], [1]], tileShape: [1, 1])
    }
    expectError("do not fill tiles", exitCode: 64) { _ = try ImageGrid.tiles([1, 2, 3], tileShape: [2]) }
    expectError("do not fill tiles", exitCode: 64) { _ = try ImageGrid.tiles([], tileShape: [2]) }
    expectError("0 columns", exitCode: 64) { _ = try ImageGrid.tiles([1], tileShape: [1], columns: 0) }
  }

  @Test func extremeGridsAndGapsAreTakenOrRefused() throws {
    let row = try ImageGrid.tiles([0, 1], tileShape: [1, 1], columns: 2)
    #expect(try ImageGrid.tiles([0, 1], tileShape: [1, 1], columns: .max) == row)
    #expect(try ImageGrid.stacked([row], gap: .max) == row)
    expectError("cannot be written", exitCode: 64) { _ = try ImageGrid.stacked([row, row], gap: .max) }
    expectError("pixels apart", exitCode: 64) { _ = try ImageGrid.stacked([row], gap: .min) }
    expectError("no pictures", exitCode: 64) { _ = try ImageGrid.stacked([]) }
    var short = row
    short.pixels.removeLast()
    expectError("has 3 bytes, not 2", exitCode: 64) { _ = try ImageGrid.stacked([row, short]) }
    expectError("has 3 bytes, not 2", exitCode: 64) { _ = try ImageGrid.captioned(short, "a") }
  }

  /// Letters of 5 × 7 dots, six apart, from a margin of three.
  @Test func captionsAreReadable() throws {
    let picture = try RasterImage(width: 300, height: 4, filledWith: 7)
    let image = try ImageGrid.captioned(picture, "Hi")
    #expect(image.width == 300 && image.height == 17)
    let dots = (3..<10).map { y in
      String((3..<14).map { x in image.pixels[y * 300 + x] > 200 ? "#" : "." })
    }
    #expect(
      dots == [
        "#...#...#..", "#...#......", "#...#..##..", "#####...#..", "#...#...#..", "#...#...#..", "#...#..###.",
      ])
    #expect(image.pixels.suffix(4 * 300).allSatisfy { $0 == 7 })
  }

  @Test func captionsBreakBetweenWords() throws {
    let narrow = try RasterImage(width: 10, height: 4, channels: 3, filledWith: 7)
    func height(_ text: String) throws -> Int {
      let image = try ImageGrid.captioned(narrow, text)
      #expect(image.width == 240 && image.channels == 3)
      return (image.height - 4 - 3) / 10
    }
    #expect(try height("") == 1)
    #expect(try height(String(repeating: "a", count: 39)) == 1)
    #expect(try height(String(repeating: "a", count: 40)) == 2)
    #expect(try height("a " + String(repeating: "b", count: 39)) == 2)
    #expect(try height("weights of the first layer, each × scaled to its own range, \u{1F600}") == 2)
    let wide = try ImageGrid.captioned(try RasterImage(width: 700, height: 1), "twice as large")
    #expect(wide.height == 1 + 20 + 6)
  }

  /// In time that grows with the text, not with its square.
  @Test(.timeLimit(.minutes(1))) func longCaptionsBreakInOnePass() {
    let lines = ImageGrid.lines(String(repeating: "word ", count: 400_000), letters: 39)
    let line = String(repeating: "word ", count: 8).dropLast()
    #expect(lines.count == 50_001 && Set(lines) == [line, ""])
  }
}
