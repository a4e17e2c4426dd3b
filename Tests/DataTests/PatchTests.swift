import CinchBackend
import Foundation
import TestSupport
import Testing

@testable import CinchData

/// Patches are cut out of images where these lie.
@Suite struct PatchTests {
  /// Every value tells where it lies: image, channel, row, column.
  private static func value(_ image: Int, _ channel: Int, _ row: Int, _ column: Int) -> Int {
    ((image * 3 + channel) * 9 + row) * 7 + column
  }

  private static let (images, height, width) = (3, 9, 7)

  /// As bytes below 256 · 3, folded; as floats they are whole.
  private static func values(channels: Int, last: Bool) -> [Float] {
    (0..<images).flatMap { n in
      last
        ? (0..<height).flatMap { y in
          (0..<width).flatMap { x in (0..<channels).map { Float(value(n, $0, y, x)) } }
        }
        : (0..<channels).flatMap { c in
          (0..<height).flatMap { y in (0..<width).map { Float(value(n, c, y, $0)) } }
        }
    }
  }

  private func file(_ folder: TemporaryFolder, channels: Int, last: Bool, type: String) throws -> String {
    let shape =
      channels == 1
      ? "(3, 9, 7)" : last ? "(3, 9, 7, \(channels))" : "(3, \(channels), 9, 7)"
    let values = Self.values(channels: channels, last: last)
    let data =
      switch type {
      case "|u1": values.map { UInt8(truncatingIfNeeded: Int($0)) }
      case "<f8": littleEndian(values.map(Double.init))
      default: littleEndian(values)
      }
    return try folder.file(
      "a.npy", npy("{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }", data: data))
  }

  private func options(_ patches: Dataset.Patches, last: Bool = false) -> Dataset.LoadOptions {
    var options = Dataset.LoadOptions()
    options.patches = patches
    options.layout = last ? .nhwc : .nchw
    return options
  }

  /// Where a patch lies follows from its first value; the others must be those beside it.
  @Test(arguments: [(1, false), (3, false), (3, true)], ["|u1", "<f4", "<f8"])
  func patchesArePartsOfImages(images: (channels: Int, last: Bool), type: String) throws {
    let folder = try TemporaryFolder()
    let (channels, last) = images
    let path = try file(folder, channels: channels, last: last, type: type)
    let patches = Dataset.Patches(height: 4, width: 3, count: 400, seed: 5)
    let data = try Dataset.load(path, options: options(patches, last: last))
    #expect(data.count == 400 && data.features == 12 * channels)
    #expect(data.sampleShape == (channels == 1 ? [4, 3] : [3, 4, 3]))
    #expect(data.rows.areBytes == (type == "|u1") && data.scaling == (type == "|u1" ? .bytes : nil))
    let values = data.values
    let bytes = type == "|u1"
    func read(_ value: Int) -> Float { bytes ? Float(UInt8(truncatingIfNeeded: value)) / 255 : Float(value) }
    var places: Set<Int> = []
    // As the definition says: patch i takes the high word of 64 bits times the number of places.
    let philox = Philox(seed: 5, stream: .patches)
    for patch in 0..<400 {
      let words = philox.block(index: patch, step: 0)
      let all = UInt64(3 * 6 * 5)
      let place = Int((UInt64(words.y) << 32 | UInt64(words.x)).multipliedFullWidth(by: all).high)
      places.insert(place)
      let (image, row, column) = (place / 30, place % 30 / 5, place % 5)
      for c in 0..<channels {
        for y in 0..<4 {
          for x in 0..<3 {
            let found = values[patch * data.features + (c * 4 + y) * 3 + x]
            #expect(found == read(Self.value(image, c, row + y, column + x)), "patch \(patch)")
          }
        }
      }
    }
    // 400 draws of 90 places leave one out in about 1 of 100 cases; the seed is fixed.
    #expect(places.count >= 88)
    // Row by row, in parts and in either order they are the same.
    let features = data.features
    let sample = Array(try data.sample(7))
    #expect(sample == Array(values[7 * features..<8 * features]))
    let (training, held) = try data.split(validation: 0.25, seed: 3)
    #expect(training.count == 300 && held.count == 100 && training.rows.areBytes == bytes)
    let part = try held.subset(10..<20)
    #expect(part.values == Array(held.values[10 * features..<20 * features]))
    for order in ImageLayout.allCases {
      let ordered = data.ordered(order)
      #expect(ordered.values == values)
      guard bytes else { continue }
      var read = [UInt8](repeating: 0, count: 3 * features)
      ordered.rows.readBytes(5..<8, into: &read)
      #expect(read.map { Float($0) / 255 } == Array(ordered.stored[5 * features..<8 * features]))
    }
    var sum = Checksum()
    data.add(to: &sum)
    var again = Checksum()
    try Dataset.load(path, options: options(patches, last: last)).add(to: &again)
    #expect(sum.text == again.text)
  }

  /// Uniform over images and places: χ² of 90 places at 90,000 draws has mean 89 and standard deviation √178; 89 + 5 · 13.3.
  @Test func placesAreUniform() throws {
    let images = try Dataset(
      values: Self.values(channels: 1, last: false), count: 3, sampleShape: [9, 7])
    let data = try images.patches(Dataset.Patches(height: 4, width: 3, count: 90_000))
    var counts: [Float: Int] = [:]
    data.forEachRow { counts[$0[0], default: 0] += 1 }
    #expect(counts.count == 90)
    let square = counts.values.reduce(0.0) { $0 + Double(($1 - 1000) * ($1 - 1000)) / 1000 }
    #expect(square < 156, "\(square)")
  }

  /// The same on every machine: pinned.
  @Test func aSeedGivesTheSamePatches() throws {
    let images = try Dataset(values: Self.values(channels: 1, last: false), count: 3, sampleShape: [9, 7])
    let first = try images.patches(Dataset.Patches(height: 1, width: 1, count: 6)).values
    #expect(try first == images.patches(Dataset.Patches(height: 1, width: 1, count: 9)).prefix(6).values)
    #expect(try first != images.patches(Dataset.Patches(height: 1, width: 1, count: 6, seed: 1)).values)
    #expect(first == Self.pinned, "\(first)")
  }

  private static let pinned: [Float] = [196, 397, 55, 9, 195, 192]

  @Test func anArrayOfTwoAxesIsOneImage() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file(
      "a.npy",
      npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4, 6), }", data: Array(0..<24)))
    let data = try Dataset.load(path, options: options(Dataset.Patches(height: 4, width: 6, count: 2)))
    #expect(data.values == [Float](repeating: 0, count: 2).flatMap { _ in (0..<24).map { Float($0) / 255 } })
    // Flat images where their shape is said.
    var flat = options(Dataset.Patches(height: 2, width: 3, count: 50))
    flat.sampleShape = [2, 3]
    let images = try Dataset.load(path, options: flat)
    var seen: Set<Float> = []
    images.forEachRow { seen.insert($0[0] * 255) }
    #expect(seen == [0, 6, 12, 18])
    let whole = try folder.file("b.idx", idx(type: 8, extents: [4, 6], data: Array(0..<24)))
    #expect(try Dataset.load(whole, options: options(Dataset.Patches(height: 4, width: 6, count: 1))).count == 1)
  }

  /// A patch has its image's label, and of a part of a data set only its images are taken.
  @Test func labelsAndPartsGoAlong() throws {
    let images = try Dataset(
      values: (0..<5).flatMap { [Float](repeating: Float($0), count: 12) }, count: 5, sampleShape: [3, 4],
      labels: [9, 8, 7, 6, 5])
    let patches = Dataset.Patches(height: 2, width: 2, count: 100)
    let all = try images.patches(patches)
    #expect(try all.labels == (0..<100).map { try 9 - Int(all.sample($0).first ?? -1) })
    let some = try images.subset(2..<4).patches(patches)
    #expect(Set(some.values) == [2, 3])
    #expect(Set(some.labels ?? []) == [7, 6])
    let (training, _) = try images.split(validation: 0.4, seed: 1)
    #expect(Set(try training.patches(patches).values) == Set(training.values))
    // Of patches, and of images whose channels are read in another order, too.
    #expect(Set(try some.patches(Dataset.Patches(height: 1, width: 1, count: 50)).values) == [2, 3])
    let scaled = try Scaling.bytes.apply(to: Dataset(values: [0, 51, 102, 255], count: 1, sampleShape: [2, 2]))
    let corner = try scaled.patches(Dataset.Patches(height: 2, width: 2, count: 1))
    #expect(corner.values == [0, 0.2, 0.4, 1] && corner.scaling == .bytes)
    let colour = try Dataset(
      stored: Self.values(channels: 3, last: true), count: 3, sampleShape: [3, 9, 7], layout: .nhwc)
    let turned = colour.ordered(.nchw)
    #expect(try colour.patches(patches).values == turned.patches(patches).values)
  }

  /// Of a mapped file nothing is read but the patches.
  @Test func largeFilesStayWhereTheyAre() throws {
    let folder = try TemporaryFolder()
    let side = 4200
    var bytes = [UInt8](repeating: 0, count: side * side)
    for index in stride(from: 0, to: bytes.count, by: 997) { bytes[index] = UInt8(truncatingIfNeeded: index) }
    let path = try folder.file(
      "large.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4200, 4200), }", data: bytes))
    #expect(try FileContents(contentsOf: path).isMapped)
    let data = try Dataset.load(path, options: options(Dataset.Patches(height: 8, width: 8, count: 10_000_000)))
    #expect(data.count == 10_000_000 && data.rows.areBytes && data.labels == nil)
    let (row, column) = (data.rows.windows?.part(9_999_999).start ?? 0).quotientAndRemainder(dividingBy: side)
    let expected = (0..<8).flatMap { y in (0..<8).map { Float(bytes[(row + y) * side + column + $0]) / 255 } }
    #expect(try Array(data.sample(9_999_999)) == expected)
  }

  @Test func whatIsNotPossibleIsRefused() throws {
    let images = try Dataset(values: [Float](repeating: 1, count: 24), count: 2, sampleShape: [3, 4])
    for (patches, part) in [
      (Dataset.Patches(height: 0, width: 3), "hold nothing"), (Dataset.Patches(height: 3, width: -1), "hold nothing"),
      (Dataset.Patches(height: 2, width: 2, count: 0), "0 patches"),
      (Dataset.Patches(height: 2, width: 2, count: .max), "patches are not possible"),
      (Dataset.Patches(height: 4, width: 3), "4x3 do not fit into images of 3x4"),
      (Dataset.Patches(height: 3, width: .max), "do not fit"),
    ] {
      expectError(part, exitCode: 64) { _ = try images.patches(patches) }
    }
    expectError("are no images", exitCode: 64) {
      _ = try Dataset(values: [1, 2], count: 1, features: 2).patches(Dataset.Patches(height: 1, width: 1))
    }
    expectError("has been scaled already", exitCode: 64) {
      let scaled = try Scaling.fit(.minmax, to: images).apply(to: images)
      _ = try scaled.patches(Dataset.Patches(height: 1, width: 1))
    }
    let folder = try TemporaryFolder()
    let table = try folder.file("a.csv", text: "1,2\n3,4\n")
    expectError("is a table, which has no patches", exitCode: 64) {
      _ = try Dataset.load(table, options: options(Dataset.Patches(height: 1, width: 1)))
    }
    let photo = try folder.file(
      "a.npy",
      npy(
        "{'descr': '|u1', 'fortran_order': False, 'shape': (20, 30, 3), }", data: [UInt8](repeating: 9, count: 1800)))
    expectError("do not fit into images of 30x3", "array[None]", exitCode: 64) {
      _ = try Dataset.load(photo, options: options(Dataset.Patches(height: 8, width: 8), last: true))
    }
  }

  /// However shapes, sizes and types come together: patches, or a sentence.
  @Test func anySizesEndInPatchesOrASentence() throws {
    let folder = try TemporaryFolder()
    var generator = FixedGenerator(state: 11)
    var (read, refused) = (0, 0)
    for round in 0..<600 {
      let extents = (0..<Int.random(in: 1...4, using: &generator)).map { _ in Int.random(in: 1...7, using: &generator) }
      let count = extents.reduce(1, *)
      let (type, size) = [("|u1", 1), ("<f4", 4), (">f8", 8)][round % 3]
      var data = (0..<count * size).map { _ in UInt8.random(in: 0...255, using: &generator) }
      // Exponents that are finite.
      if size > 1 { for place in stride(from: size == 4 ? 3 : 0, to: data.count, by: size) { data[place] = 0x3F } }
      let text = extents.map { "\($0)," }.joined()
      let path = try folder.file(
        "a.npy", npy("{'descr': '\(type)', 'fortran_order': False, 'shape': (\(text)), }", data: data))
      var options = options(
        Dataset.Patches(
          height: Int.random(in: 0...8, using: &generator), width: Int.random(in: 0...8, using: &generator),
          count: Int.random(in: 0...40, using: &generator), seed: generator.next()), last: round % 2 == 0)
      if round % 5 == 0 { options.sampleShape = [Int.random(in: 1...3, using: &generator), 2, 2] }
      let failed = throwsCinchError("\(extents) \(options)") {
        let patches = try Dataset.load(path, options: options)
        #expect(patches.values.count == patches.count * patches.features)
        var sum = Checksum()
        patches.add(to: &sum)
      }
      if failed { refused += 1 } else { read += 1 }
    }
    #expect(read > 50 && refused > 50, "\(read) \(refused)")
  }

  /// Of images of their own sizes: every place of every image is as likely as any other, so larger ones give more.
  @Test func imagesOfDifferentSizesGivePatches() throws {
    let folder = try TemporaryFolder()
    let sizes = [("a/1.png", 4, 9), ("a/2.png", 12, 5), ("b/3.png", 30, 20)]
    for name in ["a", "b"] {
      try FileManager.default.createDirectory(atPath: "\(folder.path)/\(name)", withIntermediateDirectories: true)
    }
    // Image, row and column in the three channels.
    for (number, (name, height, width)) in sizes.enumerated() {
      var image = try RasterImage(width: width, height: height, channels: 3)
      for pixel in 0..<height * width {
        image.pixels.replaceSubrange(
          3 * pixel..<3 * pixel + 3, with: [UInt8(number), UInt8(pixel / width), UInt8(pixel % width)])
      }
      _ = try folder.file(name, try PNG.encode(image))
    }
    let patches = Dataset.Patches(height: 3, width: 4, count: 2000, seed: 3)
    let first = try Dataset.load(folder.path, options: options(patches))
    #expect(first.count == 2000 && first.sampleShape == [3, 3, 4] && first.rows.areBytes && first.scaling == .bytes)
    let labels = try #require(first.labels)
    #expect(first.classNames == ["a", "b"])
    let places = sizes.map { ($0.1 - 2) * ($0.2 - 3) }
    let philox = Philox(seed: 3, stream: .patches)
    var counts = [0, 0, 0]
    let values = first.values.map { Int(($0 * 255).rounded()) }
    for patch in 0..<2000 {
      let words = philox.block(index: patch, step: 0)
      var place = Int(
        (UInt64(words.y) << 32 | UInt64(words.x)).multipliedFullWidth(by: UInt64(places.reduce(0, +))).high)
      var image = 0
      while place >= places[image] {
        place -= places[image]
        image += 1
      }
      counts[image] += 1
      let (row, column) = place.quotientAndRemainder(dividingBy: sizes[image].2 - 3)
      #expect(labels[patch] == (image < 2 ? 0 : 1))
      for y in 0..<3 {
        for x in 0..<4 {
          let at = patch * 36 + y * 4 + x
          let found: [Int] = [values[at], values[at + 12], values[at + 24]]
          let wanted: [Int] = [image, row + y, column + x]
          #expect(found == wanted, "patch \(patch)")
        }
      }
    }
    // 12, 20 and 476 places: five standard deviations of a binomial count.
    for (count, share) in zip(counts, places.map { Double($0) / 508 }) {
      #expect(abs(Double(count) - 2000 * share) < 5 * (2000 * share * (1 - share)).squareRoot())
    }
    // Channels last, in part, and grey.
    let last = try Dataset.load(folder.path, options: options(patches, last: true))
    #expect(last.layout == .nhwc && last.values == first.values)
    #expect(try last.subset(7..<9).values == Array(first.values[7 * 36..<9 * 36]))
    var grey = options(patches)
    grey.colour = .grey
    #expect(try Dataset.load(folder.path, options: grey).sampleShape == [1, 3, 4])
    // Labels of a file, one for each image.
    var named = options(patches)
    named.labels = try folder.file("labels.txt", text: "5\n6\n7\n")
    let numbers = try #require(try Dataset.load(folder.path, options: named).labels)
    #expect(Set(numbers) == Set([5, 6, 7]))
    named.labels = try folder.file("labels.txt", text: "5\n6\n")
    expectError("holds 2 labels", "has 3 images") { _ = try Dataset.load(folder.path, options: named) }
    named = options(Dataset.Patches(height: 5, width: 4))
    expectError("Patches of 5x4 do not fit into", "a/1.png', which is 4x9", exitCode: 64) {
      _ = try Dataset.load(folder.path, options: named)
    }
    named = options(patches)
    named.sampleShape = [3, 3, 4]
    expectError("of their own sizes", exitCode: 64) { _ = try Dataset.load(folder.path, options: named) }
    for bad in [Dataset.Patches(height: 0, width: 4), Dataset.Patches(height: 2, width: 2, count: 0)] {
      expectError("choose a", exitCode: 64) { _ = try Dataset.load(folder.path, options: options(bad)) }
    }
  }
}
