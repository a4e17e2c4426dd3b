import CinchBackend
import Testing

@testable import CinchData

/// The same images with channels first and last are the same data set.
@Suite struct ChannelOrderTests {
  let image = ImageShape(channels: 3, height: 2, width: 2)
  let first: Dataset
  let last: Dataset

  init() throws {
    let values = (0..<60).map { Float(($0 * 37) % 61) }
    first = try Dataset(values: values, count: 5, sampleShape: image.shape)
    last = try Dataset(values: image.channelsLast(values), count: 5, sampleShape: [2, 2, 3]).seen(
      as: nil, layout: .nhwc)
  }

  private func expectSame(_ a: Dataset, _ b: Dataset, _ what: Comment) throws {
    #expect(a.layout == .nchw && b.layout == .nhwc, what)
    #expect(a.values == b.values && a.sampleShape == b.sampleShape, what)
    #expect(a.values(in: .nhwc) == b.stored && b.values(in: .nhwc) == b.stored, what)
    #expect(try (0..<a.count).allSatisfy { try a.sample($0) == b.sample($0) }, what)
  }

  @Test func whateverIsDoneToThem() throws {
    try expectSame(first, last, "as loaded")
    try expectSame(first.subset(1..<4), last.subset(1..<4), "subset")
    let (parts, others) = (try first.split(validation: 0.4, seed: 7), try last.split(validation: 0.4, seed: 7))
    try expectSame(parts.training, others.training, "training")
    try expectSame(parts.validation, others.validation, "validation")
    for kind in [Scaling.Kind.minmax, .standard, .bytes] {
      let scaling = try Scaling.fit(kind, to: last)
      #expect(try scaling == Scaling.fit(kind, to: first))
      try expectSame(scaling.apply(to: first), scaling.apply(to: last), "\(kind)")
    }
    #expect(try last.reshaped([12]).values == first.values)
    #expect(first.ordered(.nhwc).stored == last.stored && last.ordered(.nchw).stored == first.stored)
    let flat = try Dataset(values: first.values, count: 5, features: 12)
    #expect(flat.ordered(.nhwc, as: image).stored == last.stored && flat.ordered(.nhwc).stored == first.stored)
  }

  @Test func whateverIsMissing() throws {
    var values = first.values
    for place in [0, 7, 25, 59] { values[place] = .nan }
    let first = try Dataset(missing: values, count: 5, features: 12).seen(as: image.shape, layout: nil)
    let last = try Dataset(missing: image.channelsLast(values), count: 5, features: 12).seen(
      as: image.shape, layout: .nhwc)
    let known = values.map { $0.isNaN ? Float(0) : 1 }
    #expect(first.observedValues == known && last.observedValues == known)
    let others = (0..<60).map(Float.init)
    try expectSame(first.completed(with: others), last.completed(with: others), "completed")
    #expect(
      try last.completed(with: others).values == zip(values, others).map { $0.isNaN ? $1 : $0 })
    let columns = [OutputColumn](repeating: .number, count: 12)
    let (a, b) = (try first.hiding(columns) { $0 == $1 }, try last.hiding(columns) { $0 == $1 })
    try expectSame(a, b, "hidden")
    #expect(a.observedValues == b.observedValues && a.missingCount == b.missingCount && a.missingCount > 4)
  }

  @Test func noCopyWhereTheOrderIsRight() {
    let base = last.stored.withUnsafeBufferPointer(\.baseAddress)
    #expect(last.ordered(.nhwc, as: image).stored.withUnsafeBufferPointer(\.baseAddress) == base)
    #expect(last.values(in: .nhwc).withUnsafeBufferPointer(\.baseAddress) == base)
  }

  @Test func whatFillsNoImagesStaysAsItIs() {
    let values = first.values
    for (height, width) in [(Int.max, 2), (-2, -2), (0, 4), (4, 4), (2, 8)] {
      #expect(ImageShape(channels: 3, height: height, width: width).ordered(values, as: .nhwc) == values)
    }
  }

  @Test func aValueOutsideIsFoundByItsFeature() throws {
    #expect(first.range == last.range && first.range == 0...60)
    for limit in [Float(59), 30] {
      let (a, b) = (try #require(first.first(outside: 0...limit)), try #require(last.first(outside: 0...limit)))
      for found in [a, b] {
        #expect(first.values[found.row * 12 + found.feature] == found.value && found.value > limit)
      }
      #expect(a.row == b.row)
    }
    #expect(last.first(outside: 0...60) == nil)
    var values = last.stored
    values[12 + 5] = .nan  // Pixel 1 in channel 2 of the second sample.
    expectError("in row 2, column 10 (") {
      _ = try Dataset(stored: values, count: 5, sampleShape: image.shape, layout: .nhwc)
    }
  }

  /// An array whose last axis looks like channels is asked about; any other has channels first.
  @Test func channelsThatMayComeLastAreAskedAbout() throws {
    let folder = try TemporaryFolder()
    func path(_ extents: [Int], _ name: String) throws -> String {
      try folder.file(name, idx(type: 8, extents: extents, data: [UInt8](repeating: 1, count: extents.reduce(1, *))))
    }
    for channels in [1, 3, 4] {
      let last = try path([2, 6, 5, channels], "last\(channels)")
      expectError("whose last axis looks like channels", "layout nhwc", "layout nchw", exitCode: 64) {
        _ = try Dataset.load(last)
      }
      var options = Dataset.LoadOptions()
      options.layout = .nhwc
      #expect(try Dataset.load(last, options: options).sampleShape == [channels, 6, 5])
      options.layout = .nchw
      #expect(try Dataset.load(last, options: options).sampleShape == [6, 5, channels])
      // Who says the shape has said which axis is which.
      options.layout = nil
      options.sampleShape = [6, 5, channels]
      #expect(try Dataset.load(last, options: options).sampleShape == [6, 5, channels])
      #expect(try Dataset.load(try path([2, channels, 6, 5], "first\(channels)")).sampleShape == [channels, 6, 5])
    }
    for other in [[2, 3, 3, 3], [2, 6, 5, 2], [2, 6, 5], [2, 4, 2, 3], [2, 32, 2, 2]] {
      #expect(try Dataset.load(try path(other, "other")).sampleShape == Shape(Array(other.dropFirst())))
    }
  }
}
