import CinchBackend
import Foundation
import Testing

@testable import CinchData

@Suite struct ScalingTests {
  /// Feature 0 spans −1…3, feature 1 is constant, feature 2 spans 10…30.
  let data: Dataset

  init() throws { data = try Dataset(values: [-1, 5, 10, 0, 5, 30, 3, 5, 20], count: 3, features: 3) }

  @Test func minmaxMapsEachFeatureToTheUnitRange() throws {
    let scaling = try Scaling.fit(.minmax, to: data)
    let scaled = try scaling.apply(to: data)
    #expect(scaled.values == [0, 0, 0, 0.25, 0, 1, 1, 0, 0.5])
    #expect(scaled.scaling == scaling)
    #expect(try scaling.invert(scaled.values) == data.values)
    #expect(try scaling.apply(to: [7, 9, 0]) == [2, 0, -0.5])
  }

  @Test func standardGivesZeroMeanAndUnitVariance() throws {
    let scaling = try Scaling.fit(.standard, to: data)
    let scaled = try scaling.apply(to: data.values)
    for feature in 0..<3 {
      let column = (0..<3).map { Double(scaled[$0 * 3 + feature]) }
      #expect(abs(column.reduce(0, +)) < 1e-6)
      #expect(abs(column.reduce(0) { $0 + $1 * $1 } / 3 - (feature == 1 ? 0 : 1)) < 1e-6)
    }
    for (back, value) in zip(try scaling.invert(scaled), data.values) { #expect(abs(back - value) < 1e-5) }
  }

  @Test func constantFeaturesStayZeroThoughMeansRound() throws {
    let tenths = try Dataset(values: [Float](repeating: 0.1, count: 999), count: 999, features: 1)
    #expect(try Scaling.fit(.standard, to: tenths).apply(to: tenths).values.allSatisfy { $0 == 0 })
  }

  /// Feature 1 was 5 throughout.
  @Test func whatWasConstantAndIsNotIsTold() throws {
    let other = try Dataset(values: [-1, 5, 10, 9, 6, 90, 0, 5, 1, 3, 4, 20], count: 4, features: 3)
    for kind in [Scaling.Kind.minmax, .standard] {
      let scaling = try Scaling.fit(kind, to: data)
      #expect(try scaling.apply(to: data).changedConstants()?.samples == 0)
      let changed = try #require(try scaling.apply(to: other).changedConstants())
      #expect(changed.counts == [0, 1, 0, 1] && changed.features == [1] && changed.samples == 2)
      #expect(try scaling.apply(to: other).subset(2..<4).changedConstants()?.counts == [0, 1])
    }
    #expect(other.changedConstants() == nil)
    let bytes = try Dataset(values: [0, 5, 255], count: 1, features: 3)
    #expect(try Scaling.bytes.apply(to: bytes).changedConstants() == nil)
    let tenths = try Dataset(values: [Float](repeating: 0.1, count: 999), count: 999, features: 1)
    #expect(try Scaling.fit(.standard, to: tenths).apply(to: tenths).changedConstants()?.samples == 0)
    // What is missing is no other value.
    let missing = try Dataset(missing: [0, .nan, 10, 1, 7, 20], count: 2, features: 3)
    #expect(try Scaling.fit(.standard, to: data).apply(to: missing).changedConstants()?.counts == [0, 1])
  }

  /// Channel 1 of pixel 0 is constant, whatever the order of channels.
  @Test func changedConstantsAreCountedChannelsFirst() throws {
    func images(_ values: [Float]) throws -> Dataset {
      try Dataset(stored: values, count: values.count / 4, sampleShape: [2, 1, 2], layout: .nhwc)
    }
    let scaling = try Scaling.fit(.minmax, to: images([1, 7, 2, 3, 4, 7, 5, 6]))
    let scaled = try scaling.apply(to: images([1, 7, 2, 3, 1, 8, 2, 3]))
    for order in [ImageLayout.nhwc, .nchw] {
      let changed = try #require(scaled.ordered(order).changedConstants())
      #expect(changed.counts == [0, 1] && changed.features == [2], "\(order)")
    }
  }

  @Test func extremeRangesDoNotOverflow() throws {
    let wide = try Dataset(values: [-3e38, 3e38], count: 2, features: 1)
    #expect(try Scaling.fit(.minmax, to: wide).apply(to: wide).values == [0, 1])
    #expect(try Scaling.fit(.standard, to: wide).apply(to: wide).values == [-1, 1])
    let narrow = try Dataset(values: [0, .leastNonzeroMagnitude], count: 2, features: 1)
    expectError("infinite value in row 1, column 1") {
      _ = try Scaling.fit(.minmax, to: narrow).apply(to: [3e38])
    }
  }

  @Test func refersToRawValuesWhateverTheFormat() throws {
    let bytes: [UInt8] = [0, 7, 51, 200, 255, 7]
    let images = try IDX.read(idx(type: 8, extents: [3, 2], data: bytes), path: "a")
    let fromBytes = Dataset(
      unchecked: SampleRows(images.storage, features: 2), sampleShape: [2], labels: nil, name: "a", scaling: .bytes,
      columnNames: nil)
    let fromText = try Dataset(values: bytes.map(Float.init), count: 3, features: 2)
    #expect(try Scaling.fit(.none, to: fromBytes) == .bytes)
    #expect(try Scaling.fit(.none, to: fromText) == .identity)
    #expect(try Scaling.bytes.apply(to: fromText).values == images.values)
    #expect(try Scaling.bytes.apply(to: fromBytes).values == images.values)
    for kind in [Scaling.Kind.minmax, .standard] {
      let scaling = try Scaling.fit(kind, to: fromText)
      let a = try scaling.apply(to: fromText).values
      let b = try scaling.apply(to: fromBytes).values
      let c = try Scaling.fit(kind, to: fromBytes).apply(to: fromBytes).values
      for index in a.indices {
        #expect(abs(a[index] - b[index]) < 1e-6)
        #expect(abs(a[index] - c[index]) < 1e-6)
      }
    }
    let unit = try Dataset(values: [0, 0.5, 1], count: 3, features: 1)
    #expect(try Scaling.bytes.apply(to: unit).values == unit.values)
  }

  @Test func refusesWhatDoesNotFit() throws {
    let scaling = try Scaling.fit(.minmax, to: data)
    let scaled = try scaling.apply(to: data)
    #expect(try scaling.apply(to: scaled).values == scaled.values)
    expectError("scaled already", exitCode: 64) { _ = try Scaling.fit(.standard, to: scaled) }
    expectError("has 2 features", "fitted to 3") {
      _ = try scaling.apply(to: try Dataset(values: [1, 2], count: 1, features: 2))
    }
    expectError("not rows of the 3 features") { _ = try scaling.apply(to: [1, 2]) }
    expectError("row 1, column 1, outside 0.0...255.0") { _ = try Scaling.bytes.apply(to: data) }
    expectError("outside 0.0...255.0") { _ = try Scaling.fit(.bytes, to: data) }
  }

  /// By a scale of a damaged file, or from a model whose output is far from the data.
  @Test func whatDoesNotFitIsNotInverted() throws {
    let scaling = Scaling(kind: .minmax, offset: [0, 0], scale: [1, 1e308])
    #expect(try scaling.invert([3, 0]) == [3, 0])
    expectError("Row 2, column 2", "is inf") { _ = try scaling.invert([0, 0, 0, 1]) }
    let white = Scaling(
      kind: .zca, offset: [0], scale: [],
      whitening: Whitening(epsilon: 0.1, matrices: Whitening.Matrices(matrix: [1e-308], inverse: [1e308])))
    expectError("Row 1, column 1", "is inf") { _ = try white.invert([2]) }
    // Without offsets.
    expectError("NaN in row 2, column 1") { _ = try Scaling.identity.apply(to: [1, .nan]) }
    expectError("Row 2, column 1") { _ = try Scaling.identity.invert([1, .nan]) }
  }

  @Test func survivesJSONExactly() throws {
    for kind in Scaling.Kind.allCases where kind != .bytes {
      let scaling = try Scaling.fit(kind, to: data)
      #expect(try JSONDecoder().decode(Scaling.self, from: JSONEncoder().encode(scaling)) == scaling)
    }
    for bad in [
      #"{"kind":"minmax","offset":[1],"scale":[1,2]}"#, #"{"kind":"standard","offset":[],"scale":[]}"#,
      #"{"kind":"minmax","offset":[0],"scale":[-1]}"#, #"{"kind":"bytes","offset":[0],"scale":[0]}"#,
      #"{"kind":"none","offset":[0],"scale":[1]}"#, #"{"kind":"log","offset":[],"scale":[]}"#,
      #"{"kind":"zca","offset":[],"scale":[],"whitening":{"epsilon":0.1,"matrix":[],"inverse":[]}}"#,
    ] {
      #expect(throws: DecodingError.self) { try JSONDecoder().decode(Scaling.self, from: Data(bad.utf8)) }
    }
  }
}
