import CinchBackend
import Foundation
import TestSupport
import Testing

@testable import CinchData

@Suite struct WhiteningTests {
  /// Correlated features, one of them constant.
  private func samples(count: Int = 200, features: Int = 12, seed: UInt64 = 1) -> [Float] {
    var generator = FixedGenerator(state: seed)
    return (0..<count).flatMap { _ -> [Float] in
      var row = (0..<features).map { _ in Float.random(in: 0...1, using: &generator) }
      for feature in 1..<features { row[feature] = 0.7 * row[feature - 1] + 0.3 * row[feature] }
      return row.map { (($0 * 200) + 20).rounded() }
    }
  }

  private func covariance(_ values: [Float], _ d: Int) -> [Double] {
    let n = values.count / d
    let mean = (0..<d).map { f in (0..<n).reduce(0.0) { $0 + Double(values[$1 * d + f]) } / Double(n) }
    return (0..<d * d).map { place in
      let (i, j) = (place / d, place % d)
      return (0..<n).reduce(0.0) {
        $0 + (Double(values[$1 * d + i]) - mean[i]) * (Double(values[$1 * d + j]) - mean[j])
      } / Double(n)
    }
  }

  /// W C W is U Λ/(Λ + ε) Uᵀ: the identity where ε is 0.
  @Test func takesCorrelationsAway() throws {
    let d = 12
    let data = try Dataset(values: samples(), count: 200, features: d)
    let scaling = try Scaling.fit(.zca, to: data, epsilon: 0)
    let white = try scaling.apply(to: data)
    let identity = covariance(white.values, d)
    // Results are floats of some units: their rounding enters the mean of squares.
    for place in identity.indices { #expect(abs(identity[place] - (place / d == place % d ? 1 : 0)) < 1e-5) }
    #expect(white.scaling == scaling && white.scaling?.kind.isFitted == true)
    // Of all that decorrelate the one that changes samples least: W is symmetric, and positive.
    let matrix = try #require(scaling.whitening?.matrix)
    #expect((0..<d * d).allSatisfy { matrix[$0] == matrix[$0 % d * d + $0 / d] })
    #expect(try SymmetricEigen(matrix, order: d).values.allSatisfy { $0 > 0 })
  }

  /// Against the definition, by plain loops.
  @Test func followsItsFormula() throws {
    let d = 12
    let values = samples()
    let data = try Dataset(values: values, count: 200, features: d)
    let scaling = try Scaling.fit(.zca, to: data)
    let c = covariance(values, d)
    let eigen = try SymmetricEigen(c, order: d)
    let epsilon = 0.1 * (0..<d).reduce(0) { $0 + c[$1 * d + $1] } / Double(d)
    let whitening = try #require(scaling.whitening)
    for i in 0..<d {
      for j in 0..<d {
        var (w, back) = (0.0, 0.0)
        for k in 0..<d {
          let product = eigen.vectors[k * d + i] * eigen.vectors[k * d + j]
          w += product / (eigen.values[k] + epsilon).squareRoot()
          back += product * (eigen.values[k] + epsilon).squareRoot()
        }
        #expect(abs(whitening.matrix[i * d + j] - w) < 1e-12)
        #expect(abs(whitening.inverse[i * d + j] - back) < 1e-10)
      }
    }
    let white = try scaling.apply(to: values)
    for row in [0, 63, 64, 199] {
      for j in 0..<d {
        let expected = (0..<d).reduce(0.0) {
          $0 + (Double(values[row * d + $1]) - scaling.offset[$1]) * whitening.matrix[$1 * d + j]
        }
        #expect(white[row * d + j] == Float(expected) || abs(Double(white[row * d + j]) - expected) < 1e-6)
      }
    }
    // Back to raw values: the floats between are off by half a unit in the last place each.
    for (a, b) in zip(try scaling.invert(white), values) { #expect(abs(a - b) < 1e-3) }
    #expect(whitening.epsilon == 0.1)
  }

  /// Bytes, floats of them, channels first or last, read whole, in parts or one by one: the same.
  @Test func isTheSameOfAnyFormat() throws {
    let image = ImageShape(channels: 3, height: 2, width: 2)
    let first = samples()
    let last = image.channelsLast(first)
    func bytes(_ values: [Float], _ layout: ImageLayout) throws -> Dataset {
      let array = try IDX.read(idx(type: 8, extents: [200, 12], data: values.map { UInt8($0) }), path: "a")
      return Dataset(
        unchecked: SampleRows(array.storage, features: 12), sampleShape: image.shape, layout: layout, labels: nil,
        name: "a", scaling: .bytes, columnNames: nil)
    }
    let all = [
      try Dataset(values: first, count: 200, sampleShape: image.shape),
      try Dataset(stored: last, count: 200, sampleShape: image.shape, layout: .nhwc),
      try bytes(first, .nchw), try bytes(last, .nhwc),
    ]
    let scaling = try Scaling.fit(.zca, to: all[0])
    #expect(try scaling == Scaling.fit(.zca, to: all[1]))
    let expected = try scaling.apply(to: all[0]).values
    for data in all {
      let own = try Scaling.fit(.zca, to: data)
      for (a, b) in zip(own.whitening?.matrix ?? [], scaling.whitening?.matrix ?? []) { #expect(abs(a - b) < 1e-8) }
      for order in ImageLayout.allCases {
        let white = try scaling.apply(to: data.ordered(order))
        #expect(!white.rows.areBytes && zip(white.values, expected).allSatisfy { abs($0 - $1) < 1e-5 })
        let again = white.ordered(order == .nchw ? .nhwc : .nchw)
        #expect(again.values == white.values && again.stored == white.values(in: again.layout))
      }
      let white = try scaling.apply(to: data)
      let values = white.values
      for row in [0, 1, 150] { #expect(try Array(white.sample(row)) == Array(values[row * 12..<row * 12 + 12])) }
      let (training, _) = try white.split(validation: 0.5, seed: 2)
      #expect(try training.values == scaling.apply(to: data.split(validation: 0.5, seed: 2).training).values)
    }
    // What is written with channels last is inverted so.
    let turned = scaling.ordered(.nhwc, as: image)
    let white = image.channelsLast(expected)
    #expect(zip(try turned.invert(white), last).allSatisfy { abs($0 - $1) < 1e-3 })
  }

  @Test func ofPatches() throws {
    let images = try Dataset(
      values: samples(count: 40, features: 100, seed: 3), count: 40, sampleShape: [10, 10])
    let data = try images.patches(Dataset.Patches(height: 4, width: 4, count: 900))
    let plain = try Dataset(values: data.values, count: 900, sampleShape: [4, 4])
    let scaling = try Scaling.fit(.zca, to: data)
    #expect(try scaling == Scaling.fit(.zca, to: plain))
    #expect(try scaling.apply(to: data).values == scaling.apply(to: plain).values)
  }

  @Test func survivesJSONExactly() throws {
    let scaling = try Scaling.fit(.zca, to: Dataset(values: samples(), count: 200, features: 12))
    let whole = try JSONEncoder().encode(scaling)
    #expect(try JSONDecoder().decode(Scaling.self, from: whole) == scaling)
    // Run folders keep the matrices elsewhere.
    let line = try JSONCoding.line(scaling)
    #expect(!line.contains("inverse") && line.contains(#""whitening":{"epsilon":0.1}"#))
    let decoder = JSONDecoder()
    let key = try #require(Whitening.Elsewhere.key)
    decoder.userInfo[key] = Whitening.Elsewhere(scaling.whitening?.matrices, path: "a")
    #expect(try decoder.decode(Scaling.self, from: Data(line.utf8)) == scaling)
    decoder.userInfo[key] = Whitening.Elsewhere(nil, path: "a")
    expectError("There is no 'a'", exitCode: 74) { _ = try decoder.decode(Scaling.self, from: Data(line.utf8)) }
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Scaling.self, from: Data(line.utf8)) }
    let other = try Scaling.fit(.zca, to: Dataset(values: samples(features: 3), count: 200, features: 3))
    decoder.userInfo[key] = Whitening.Elsewhere(other.whitening?.matrices, path: "a")
    #expect(throws: DecodingError.self) { try decoder.decode(Scaling.self, from: Data(line.utf8)) }
    for bad in [
      #"{"kind":"zca","offset":[0],"scale":[1],"whitening":{"epsilon":0.1,"matrix":[1],"inverse":[1]}}"#,
      #"{"kind":"zca","offset":[0,1],"scale":[],"whitening":{"epsilon":0.1,"matrix":[1],"inverse":[1]}}"#,
      #"{"kind":"zca","offset":[0],"scale":[],"whitening":{"epsilon":-1,"matrix":[1],"inverse":[1]}}"#,
      #"{"kind":"zca","offset":[0],"scale":[],"whitening":{"epsilon":0.1,"matrix":[1],"inverse":[]}}"#,
      #"{"kind":"standard","offset":[0],"scale":[1],"whitening":{"epsilon":0.1,"matrix":[1],"inverse":[1]}}"#,
      #"{"kind":"zca","offset":[0],"scale":[]}"#,
      #"{"kind":"zca","offset":[0],"scale":[],"whitening":{"epsilon":0.1,"matrix":[1],"inverse":[1],"x":1}}"#,
    ] {
      #expect(throws: DecodingError.self, "\(bad)") { try JSONDecoder().decode(Scaling.self, from: Data(bad.utf8)) }
    }
  }

  @Test func whatCannotBeWhitenedIsRefused() throws {
    let alike = try Dataset(values: [Float](repeating: 3, count: 20), count: 5, features: 4)
    expectError("all alike") { _ = try Scaling.fit(.zca, to: alike) }
    // Two samples of four features have one direction.
    let few = try Dataset(values: [1, 2, 3, 4, 2, 1, 4, 3], count: 2, features: 4)
    expectError("follow from others", "zcaEpsilon") { _ = try Scaling.fit(.zca, to: few, epsilon: 0) }
    _ = try Scaling.fit(.zca, to: few)
    for epsilon in [-0.1, .nan, .infinity] {
      expectError("zcaEpsilon must be", exitCode: 64) { _ = try Scaling.fit(.zca, to: few, epsilon: epsilon) }
    }
    let wide = try Dataset(values: [Float](repeating: 1, count: 2 * 4097), count: 2, features: 4097)
    expectError("4097 features", "up to 4096") { _ = try Scaling.fit(.zca, to: wide) }
    let white = try Scaling.fit(.zca, to: few).apply(to: few)
    expectError("scaled already (zca)", exitCode: 64) { _ = try Scaling.fit(.standard, to: white) }
    expectError("not rows of the 4 features") { _ = try Scaling.fit(.zca, to: few).apply(to: [1, 2]) }
    expectError("not rows of the 4 features") { _ = try Scaling.fit(.zca, to: few).invert([1, 2]) }
    // Tiny variances make large factors.
    let tiny = try Dataset(values: [0, 1e-30, 0, 1e-30, 0, 0, 1e-30, 1e-30], count: 4, features: 2)
    expectError("infinite value in row 1") { _ = try Scaling.fit(.zca, to: tiny).apply(to: [3e38, -3e38]) }
    let extreme = try Dataset(values: [-3e38, 3e38, 3e38, -3e38, 1e38, 2e38], count: 3, features: 2)
    #expect(try Scaling.fit(.zca, to: extreme).apply(to: extreme).values.allSatisfy(\.isFinite))
  }
}
