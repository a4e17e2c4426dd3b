import CinchBackend
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import CinchData

@Suite struct ImageFolderTests {
  private func decode(_ bytes: [UInt8]) throws -> RasterImage {
    try ImageFile.decode(FileContents(bytes), path: "a")
  }

  /// An image whose pixels are what `level` says of row, column and channel.
  private func png(
    _ height: Int, _ width: Int, channels: Int = 1, _ level: (Int, Int, Int) -> UInt8
  ) throws -> [UInt8] {
    var image = try RasterImage(width: width, height: height, channels: channels)
    for index in image.pixels.indices {
      let (pixel, channel) = index.quotientAndRemainder(dividingBy: channels)
      image.pixels[index] = level(pixel / width, pixel % width, channel)
    }
    return try PNG.encode(image)
  }

  private func options(_ change: (inout Dataset.LoadOptions) -> Void) -> Dataset.LoadOptions {
    var options = Dataset.LoadOptions()
    change(&options)
    return options
  }

  private func bytes(_ data: Dataset) -> [Int] { data.values.map { Int(($0 * 255).rounded()) } }

  // Decoding.

  /// Quality 95 without subsampling: the quantiser's steps of up to 5 leave errors of at most 4 here.
  @Test func jpegFiles() throws {
    let colour = try decode(ImageFixtures.colourJPEG)
    #expect(colour.width == 9 && colour.height == 7 && colour.channels == 3)
    let grey = try decode(ImageFixtures.greyJPEG)
    #expect(grey.width == 9 && grey.height == 7 && grey.channels == 1)
    for y in 0..<7 {
      for x in 0..<9 {
        let wanted = ImageFixtures.gradient(x, y)
        for c in 0..<3 { #expect(abs(Int(colour.pixels[3 * (9 * y + x) + c]) - wanted[c]) <= 5, "\(x), \(y), \(c)") }
        #expect(abs(Int(grey.pixels[9 * y + x]) - wanted[0]) <= 1)
      }
    }
    // As libjpeg-turbo 3 decodes it; other versions differ in how they round colours between samples.
    let progressive = try decode(ImageFixtures.progressiveJPEG)
    let start = 3 * (9 * 3 + 4)
    for (channel, wanted) in [110, 121, 107].enumerated() {
      let level = Int(progressive.pixels[start + channel])
      #expect(abs(level - wanted) <= 2)
    }
  }

  @Test func pngFilesOfEveryKind() throws {
    func sums(_ image: RasterImage) -> [Int] {
      (0..<image.channels).map { c in
        stride(from: c, to: image.pixels.count, by: image.channels).reduce(0) { $0 + Int(image.pixels[$1]) }
      }
    }
    // Sums as Pillow has them.
    #expect(try sums(decode(ImageFixtures.palettePNG)) == [6986, 7540, 6584])
    #expect(try sums(decode(ImageFixtures.transparentPalettePNG)) == [7163, 7585, 6764])
    let columns = (0..<63).map { UInt8($0 % 9 % 2 == 1 ? 255 : 0) }
    #expect(try decode(ImageFixtures.bitPNG).pixels == columns)
    let deep = try decode(ImageFixtures.deepPNG)
    for (index, level) in deep.pixels.enumerated() {
      let value = 9000 * (index / 9) + 100 * (index % 9)
      #expect(abs(Double(level) - Double(value) / 257) <= 0.51, "\(index)")
    }
    let alpha = try decode(ImageFixtures.alphaPNG)
    let greyAlpha = try decode(ImageFixtures.greyAlphaPNG)
    #expect(alpha.channels == 3 && greyAlpha.channels == 1)
    func overWhite(_ level: Int, _ alpha: Int) -> Int { (level * alpha + 255 * (255 - alpha) + 127) / 255 }
    for y in 0..<7 {
      for x in 0..<9 {
        let wanted = ImageFixtures.gradient(x, y)
        for c in 0..<3 { #expect(Int(alpha.pixels[3 * (9 * y + x) + c]) == overWhite(wanted[c], 28 * x)) }
        #expect(Int(greyAlpha.pixels[9 * y + x]) == overWhite(wanted[0], 40 * y))
      }
    }
  }

  @Test(arguments: [1, 3])
  func whatIsWrittenIsRead(channels: Int) throws {
    var image = try RasterImage(width: 31, height: 17, channels: channels)
    var generator = FixedGenerator(state: 3)
    for index in image.pixels.indices { image.pixels[index] = UInt8.random(in: 0...255, using: &generator) }
    #expect(try decode(PNG.encode(image, texts: ["Title": "a"])) == image)
    for (keyword, text) in [
      ("", "a"), (" a", "a"), ("a  b", "a"), (String(repeating: "a", count: 80), "a"), ("ä", "a"), ("a\n", "a"),
      ("a", "ä"), ("a", "b\0"),
    ] {
      expectError("cannot keep the text", exitCode: 64) { _ = try PNG.encode(image, texts: [keyword: text]) }
    }
    let longest = String(repeating: "a", count: 79)
    #expect(try decode(PNG.encode(image, texts: [longest: "a b\nc"])) == image)
  }

  @Test func damagedFilesAreSentences() throws {
    for file in [ImageFixtures.colourJPEG, ImageFixtures.greyJPEG, ImageFixtures.progressiveJPEG] {
      for count in [4, 100, file.count / 2, file.count - 30] {
        expectError("'a' is damaged (") { _ = try decode(Array(file.prefix(count))) }
      }
    }
    expectError("'a' is in four inks (CMYK): convert it") { _ = try decode(ImageFixtures.inkJPEG) }
    let whole = try png(40, 40) { y, x, _ in UInt8(truncatingIfNeeded: x * y) }
    for count in [10, 40, whole.count / 2] {
      expectError("'a' is damaged (") { _ = try decode(Array(whole.prefix(count))) }
    }
    expectError("neither PNG nor JPEG") { _ = try decode(Array("GIF89a".utf8)) }
  }

  /// Headers that claim much are refused before there is room for it.
  @Test func bombsAreRefused() throws {
    var small = try png(8, 8) { _, _, _ in 0 }
    small.replaceSubrange(16..<24, with: bigEndian(20_000) + bigEndian(20_000))
    expectError("too short for 20000 x 20000 pixels") { _ = try decode(small) }
    small.replaceSubrange(16..<24, with: bigEndian(Int(Int32.max)) + bigEndian(Int(Int32.max)))
    expectError("too short") { _ = try decode(small) }
    // A file that could hold them.
    expectError("more than an image may have") {
      _ = try decode(
        small.prefix(16) + bigEndian(30_000) + bigEndian(30_000) + small[24...] + [UInt8](repeating: 0, count: 1 << 20))
    }
    expectError("more than an image may have") {
      _ = try decode(
        small.prefix(16) + bigEndian(2_000_000) + bigEndian(1) + small[24...] + [UInt8](repeating: 0, count: 1 << 14))
    }
    var jpeg = ImageFixtures.colourJPEG
    let frame = try #require((0..<jpeg.count - 1).first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
    jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0xDC, 0xFF, 0xDC])
    expectError("65500 × 65500 pixels, more than an image may have") { _ = try decode(jpeg) }
  }

  // Folders.

  @Test func filesComeByNameAndStayBytes() throws {
    let folder = try TemporaryFolder()
    for (name, level) in [("b.png", 2), ("B.PNG", 1), ("a10.png", 3), ("a9.png", 4)] {
      _ = try folder.file(name, try png(2, 3) { y, x, _ in UInt8(10 * level + 3 * y + x) })
    }
    _ = try folder.file("notes.txt", text: "no image")
    _ = try folder.file(".hidden.png", text: "no image")
    let notes = Mutex<[String]>([])
    let data = try LoadProgress.observed({ _ in }, noting: { note in notes.withLock { $0.append(note) } }) {
      try Dataset.load(folder.path)
    }
    #expect(data.sampleNames == ["B.PNG", "a10.png", "a9.png", "b.png"])
    #expect(data.sampleShape == [1, 2, 3] && data.count == 4 && data.labels == nil && data.layout == .nchw)
    #expect(data.rows.areBytes && data.rows.divisor == 255 && data.scaling == .bytes)
    #expect(bytes(data) == [1, 3, 4, 2].flatMap { level in (0..<6).map { 10 * level + $0 } })
    let note = notes.withLock { $0 }
    #expect(note.count == 1 && note[0].contains("2 entries of"), "\(note)")
  }

  @Test func foldersAreLabels() throws {
    let folder = try TemporaryFolder()
    for (label, level) in [("dog", 1), ("cat", 2)] {
      let path = "\(folder.path)/\(label)"
      try FileManager.default.createDirectory(atPath: "\(path)/deeper", withIntermediateDirectories: true)
      for index in 0..<3 {
        _ = try folder.file("\(label)/\(index).png", try png(1, 1) { _, _, _ in UInt8(10 * level + index) })
      }
    }
    let data = try Dataset.load(folder.path)
    #expect(data.classNames == ["cat", "dog"] && data.labels == [0, 0, 0, 1, 1, 1])
    #expect(data.sampleNames == ["cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png"])
    #expect(bytes(data) == [20, 21, 22, 10, 11, 12])
    let other = options { $0.labels = "\(folder.path)/labels.txt" }
    _ = try folder.file("labels.txt", text: "5\n6\n7\n5\n6\n7\n")
    #expect(try Dataset.load(folder.path, options: other).labels == [5, 6, 7, 5, 6, 7])
    _ = try folder.file("own.png", try png(1, 1) { _, _, _ in 0 })
    expectError("holds images itself ('own.png') and in folders ('cat/0.png')", exitCode: 64) {
      _ = try Dataset.load(folder.path)
    }
  }

  @Test func oneFileIsOneSample() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("photo", ImageFixtures.colourJPEG)
    let data = try Dataset.load(path)
    #expect(data.count == 1 && data.sampleShape == [3, 7, 9] && data.sampleNames == ["photo"])
    // Channels first, and last where that is asked for.
    let image = try decode(ImageFixtures.colourJPEG)
    #expect(bytes(data) == (0..<189).map { Int(image.pixels[3 * ($0 % 63) + $0 / 63]) })
    let last = try Dataset.load(path, options: options { $0.layout = .nhwc })
    #expect(last.layout == .nhwc && last.stored.map { Int(($0 * 255).rounded()) } == image.pixels.map(Int.init))
    #expect(last.values == data.values && last.sampleNames == ["photo"])
  }

  @Test func greyAndColourMix() throws {
    let folder = try TemporaryFolder()
    _ = try folder.file("a.png", try png(1, 2) { _, x, _ in UInt8(100 + x) })
    _ = try folder.file("b.png", try png(1, 2, channels: 3) { _, x, c in UInt8(50 * c + x) })
    let colour = try Dataset.load(folder.path)
    #expect(colour.sampleShape == [3, 1, 2])
    #expect(bytes(colour) == [100, 101, 100, 101, 100, 101, 0, 1, 50, 51, 100, 101])
    let grey = try Dataset.load(folder.path, options: options { $0.colour = .grey })
    // 0.299 R + 0.587 G + 0.114 B of (0, 50, 100) is 40.75.
    #expect(grey.sampleShape == [1, 1, 2] && bytes(grey) == [100, 101, 41, 42])
    let only = try Dataset.load("\(folder.path)/a.png", options: options { $0.colour = .colour })
    #expect(only.sampleShape == [3, 1, 2] && bytes(only) == [100, 101, 100, 101, 100, 101])
  }

  // Sizes.

  private func resized(_ file: [UInt8], _ size: ImageSize) throws -> [Int] {
    let folder = try TemporaryFolder()
    return bytes(try Dataset.load(try folder.file("a.png", file), options: options { $0.resize = size }))
  }

  @Test func shrinkingTakesMeans() throws {
    let file = try png(4, 6) { y, x, _ in UInt8(10 * y + x * x) }
    // Means of 2 × 3 pixels: of x² over 0…2 5/3, over 3…5 50/3.
    #expect(try resized(file, ImageSize(height: 2, width: 2)) == [7, 22, 27, 42])
    // Three pixels to two: a pixel and a half each.
    let row = try png(1, 3) { _, x, _ in [0, 90, 240][x] }
    #expect(try resized(row, ImageSize(height: 1, width: 2)) == [30, 190])
    #expect(try resized(row, ImageSize(height: 1, width: 3)) == [0, 90, 240])
    let white = try png(37, 53) { _, _, _ in 255 }
    #expect(try resized(white, ImageSize(height: 10, width: 7)).allSatisfy { $0 == 255 })
  }

  @Test func growingIsBilinear() throws {
    let row = try png(1, 2) { _, x, _ in [0, 100][x] }
    // Centres of pixels at −¼, ¼, ¾, 1¼ of the old ones' places 0 and 1.
    #expect(try resized(row, ImageSize(height: 1, width: 4)) == [0, 25, 75, 100])
    let column = try png(2, 1) { y, _, _ in [0, 100][y] }
    #expect(try resized(column, ImageSize(height: 4, width: 2)) == [0, 0, 25, 25, 75, 75, 100, 100])
    // Rows grow while columns shrink.
    let mixed = try png(1, 4) { _, x, _ in UInt8(20 * x) }
    #expect(try resized(mixed, ImageSize(height: 3, width: 2)) == [10, 50, 10, 50, 10, 50])
  }

  @Test func centresAreCut() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("a.png", try png(5, 4, channels: 3) { y, x, c in UInt8(100 * c / 2 + 10 * y + x) })
    let data = try Dataset.load(path, options: options { $0.crop = ImageSize(height: 2, width: 2) })
    #expect(data.sampleShape == [3, 2, 2] && bytes(data).prefix(4) == [11, 12, 21, 22])
    #expect(bytes(data).suffix(4) == [111, 112, 121, 122])
    let both = options {
      $0.resize = ImageSize(height: 5, width: 2)
      $0.crop = ImageSize(height: 1, width: 2)
    }
    #expect(try bytes(Dataset.load(path, options: both)).prefix(2) == [21, 23])
  }

  @Test func sizesMustBeOne() throws {
    let folder = try TemporaryFolder()
    _ = try folder.file("a.png", try png(5, 4) { y, x, _ in UInt8(y + x) })
    _ = try folder.file("b.png", try png(3, 7) { y, x, _ in UInt8(y + x) })
    expectError("'a.png' is 5x4", "'b.png' is 3x7", "resize 3x4", "crop 3x4", exitCode: 64) {
      _ = try Dataset.load(folder.path)
    }
    #expect(
      try Dataset.load(folder.path, options: options { $0.crop = ImageSize(height: 3, width: 4) }).sampleShape == [
        1, 3, 4,
      ])
    expectError("b.png' is 3x7, too small to cut 4x4") {
      _ = try Dataset.load(folder.path, options: options { $0.crop = ImageSize(height: 4, width: 4) })
    }
    let patches = options {
      $0.resize = ImageSize(height: 6, width: 6)
      $0.patches = Dataset.Patches(height: 2, width: 2, count: 50)
    }
    let data = try Dataset.load(folder.path, options: patches)
    #expect(data.count == 50 && data.sampleShape == [1, 2, 2] && data.sampleNames == nil && data.rows.areBytes)
    for size in [
      ImageSize(height: 0, width: 3), ImageSize(height: 60_000, width: 60_000), ImageSize(height: .max, width: 2),
    ] {
      expectError("choose a resize of", exitCode: 64) {
        _ = try Dataset.load(folder.path, options: options { $0.resize = size })
      }
    }
  }

  @Test func otherSourcesRefuseTheOptions() throws {
    let folder = try TemporaryFolder()
    let table = try folder.file("a.csv", text: "1,2\n3,4\n")
    for (word, options) in [
      ("leave resize out", options { $0.resize = ImageSize(height: 2, width: 2) }),
      ("leave crop out", options { $0.crop = ImageSize(height: 2, width: 2) }),
      ("leave colour grey out", options { $0.colour = .grey }),
    ] {
      expectError(word, exitCode: 64) { _ = try Dataset.load(table, options: options) }
    }
    expectError("holds neither PNG or JPEG files nor train-images") { _ = try Dataset.load(folder.path) }
    let image = try folder.file("a.png", try png(1, 1) { _, _, _ in 0 })
    expectError("no columns of labels", exitCode: 64) {
      _ = try Dataset.load(image, options: options { $0.labelColumn = "1" })
    }
    _ = try folder.file("b.jpg", text: "no JPEG")
    expectError("b.jpg' is neither PNG nor JPEG") { _ = try Dataset.load(folder.path) }
    _ = try folder.file("b.jpg")
    expectError("b.jpg' is empty") { _ = try Dataset.load(folder.path) }
  }

  @Test func namesFollowTheirSamples() throws {
    let folder = try TemporaryFolder()
    for index in 0..<8 { _ = try folder.file("\(index).png", try png(1, 2) { _, x, _ in UInt8(10 * index + x) }) }
    let data = try Dataset.load(folder.path)
    func check(_ data: Dataset) throws {
      for (index, name) in (data.sampleNames ?? []).enumerated() {
        #expect(try Int((data.sample(index)[0] * 255).rounded()) == 10 * (Int(name.prefix(1)) ?? -1), "\(name)")
      }
      #expect(data.sampleNames?.count == data.count)
    }
    try check(data)
    try check(data.subset(3..<6))
    try check(data.prefix(2))
    let (training, validation) = try data.split(validation: 0.4, seed: 3)
    try check(training)
    try check(validation.subset(1..<3))
    try check(data.reshaped([2]))
    #expect(try Scaling.fit(.standard, to: data).apply(to: training).sampleNames == training.sampleNames)
    #expect(data.ordered(.nhwc).sampleNames == data.sampleNames)
  }
}
