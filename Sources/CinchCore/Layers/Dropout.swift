import CinchBackend
import CinchData

extension LayerSpec {
  /// In training each value is 0 with probability p, and divided by 1 − p otherwise; afterwards values pass as they are.
  ///
  /// Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014; inverted, so
  /// that nothing is to be scaled when a model is used.
  public struct Dropout: LayerDefinition {
    /// p.
    public var rate: Double

    public init(rate: Double) { self.rate = rate }
  }

  /// In training each value is 0 with probability `rate`, and divided by 1 − `rate` otherwise.
  public static func dropout(_ rate: Double) -> LayerSpec { .dropout(Dropout(rate: rate)) }
}

/// `{"type": "dropout", "rate": 0.5}`, or `dropout RATE` on the command line.
extension LayerSpec.Dropout {
  private enum CodingKeys: String, CodingKey, CaseIterable { case rate }

  static let typeName = "dropout"
  static var settings: [any CodingKey] { CodingKeys.allCases }
  static let words = ["dropout"]

  public init(from decoder: any Decoder) throws {
    self.init(rate: try decoder.container(keyedBy: CodingKeys.self).decode(Double.self, forKey: .rate))
  }

  static func parse(_ words: ArraySlice<String>, name: String, activation: Activation) throws -> LayerSpec {
    let text = try LayerText.first(words, of: name)
    guard words.count == 1, let rate = Double(text) else {
      throw LayerText.Refusal("'\(text)' is no rate, such as 0.5")
    }
    return .dropout(rate)
  }
}

extension LayerSpec.Dropout {
  var spec: LayerSpec { .dropout(self) }

  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind) {
    guard rate >= 0, rate < 1 else {
      throw CinchError.usage("Layer \(name) drops values at a rate of \(rate): give it 0 or more, and less than 1.")
    }
    return (input, DropoutKind(rate: rate))
  }

  /// Nothing is to be undone.
  func mirror(of layer: ResolvedLayer, activation: Activation, pools: PoolInverse) throws -> [LayerSpec] { [] }
}

struct DropoutKind: ResolvedKind {
  let rate: Double
  var draws: Bool { true }

  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String { x }

  func modules(of layer: ResolvedLayer) throws -> [TorchModule] { [TorchModule("Dropout(\(rate))")] }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    DropoutLayer(resolved: layer, rate: rate, index: site.index, backend: site.backend)
  }
}

struct DropoutLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  let rate: Double
  let index: Int
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    guard pass.mode == .training, rate > 0 else { return try backend.copy(x, to: h) }
    try drop(x, into: h, pass)
  }

  /// The same draws give the same mask, so the gradient makes it anew.
  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>, _ pass: Pass
  ) throws {
    if rate > 0 { try drop(delta, into: result, pass) } else { try backend.copy(delta, to: result) }
    guard !below.isPlain else { return }
    var below = below
    below.output = below.output.unitRows(resolved.input)
    let rows = result.unitRows(resolved.input)
    try backend.activationGradient(rows, below, into: rows)
  }

  private func drop(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    func flat(_ x: Tensor<B.Buffer>) -> Tensor<B.Buffer> { x.reshaped([x.rows, x.count / x.rows]) }
    try backend.corrupt(flat(x), .masking(rate), pass.draws(.bernoulli, site: index), into: flat(h))
    // A sum over one row is a product with a number.
    try backend.columnSums(h.reshaped([1, h.count]), scale: 1 / (1 - rate), into: h.reshaped([h.count]))
  }
}
