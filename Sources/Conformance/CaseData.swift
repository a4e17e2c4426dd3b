import CinchBackend

/// Data for the cases: the same on every run, and different in every case and tensor.
enum CaseData {
  /// Sizes around every tile and block of the kernels, with the odd ones that none divides.
  static let sizes = [1, 2, 3, 5, 11, 12, 13, 16, 17, 31, 32, 33, 48, 63, 65, 127, 129, 255, 257, 300, 784]

  /// A few rows of each width up to two of the longest vectors and one: what is left of a row behind its whole vectors is
  /// code of its own, and differs by how much is left.
  static let ragged: [Shape] = widths.map { [1 + $0 % 5, $0] }
  static let widths = Array(1...33)
  /// Counts of elements with every remainder of four of the longest vectors.
  static let counts = Array(66...129)

  static func uniform(_ shape: Shape, _ range: ClosedRange<Float> = -1...1, _ seed: String) -> [Float] {
    var state = hash(seed)
    let low = range.lowerBound, width = range.upperBound - range.lowerBound
    var values = [Float](repeating: 0, count: shape.count)
    // Plain loops: these are half of the table's time where the compiler does not optimise.
    for i in 0..<shape.count { values[i] = low + width * Float(next(&state) >> 40) * 0x1p-24 }
    return values
  }

  /// Numbers that are nearly alike: a plain sum of very many rounds each of them the same way, and loses digits fast.
  static func alike(_ shape: Shape, _ seed: String) -> [Float] { uniform(shape, 0.7...0.7001, seed) }

  /// SplitMix64.
  static func next(_ state: inout UInt64) -> UInt64 {
    state = state &+ 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Values that the activation can put out, with its edges: exact zeros among them where it has a kink.
  static func outputs(_ activation: Activation, _ shape: Shape, _ seed: String) -> [Float] {
    switch activation {
    case .sigmoid: uniform(shape, 0.001...0.999, seed)
    case .tanh: uniform(shape, -0.999...0.999, seed).enumerated().map { $0.offset % 7 == 3 ? 0 : $0.element }
    case .relu: uniform(shape, -2...2, seed).map { max($0, 0) }
    case .softplus: uniform(shape, 0.001...4, seed)
    case .leakyReLU: uniform(shape, -2...2, seed).map { $0 > 0 ? $0 : 0.01 * $0 }
    case .linear: uniform(shape, -2...2, seed).enumerated().map { $0.offset % 7 == 3 ? 0 : $0.element }
    }
  }

  static func withNaN(_ values: [Float], at index: Int) -> [Float] {
    var values = values
    values[index] = .nan
    return values
  }

  /// What surrounds a tensor: NaN and numbers in turn. A write changes a number, and a read brings a NaN.
  static func sentinel(_ index: Int) -> Double { index % 2 == 0 ? .nan : -Double(4096 + index % 64) }

  /// FNV-1a.
  static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// Unspecialised generic code is slow where the compiler does not optimise, so the common types go first.
  static func widen<S: BinaryFloatingPoint>(_ values: [S]) -> [Double] {
    if let values = values as? [Double] { return values }
    if let values = values as? [Float] { return values.map(Double.init) }
    var result: [Double] = []
    for value in values { result.append(Double(value)) }
    return result
  }

  static func narrow<S: BinaryFloatingPoint>(_ values: [Double], to scalar: S.Type) -> [S] {
    if let values = values as? [S] { return values }
    if let values = values.map(Float.init) as? [S] { return values }
    var result: [S] = []
    for value in values { result.append(S(value)) }
    return result
  }
}
