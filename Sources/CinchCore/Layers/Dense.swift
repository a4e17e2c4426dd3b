import CinchBackend
import CinchData

extension LayerSpec {
  /// h = f(x Wᵀ + b), with W `[units, inputs]` and b `[units]`.
  public struct Dense: LayerDefinition {
    public var units: Int
    public var activation: Activation

    public init(units: Int, activation: Activation) {
      self.units = units
      self.activation = activation
    }
  }

  /// h = f(x Wᵀ + b), with W `[units, inputs]` and b `[units]`.
  public static func dense(units: Int, activation: Activation) -> LayerSpec {
    .dense(Dense(units: units, activation: activation))
  }

  /// A stack of dense layers.
  ///
  /// - Parameters:
  ///   - layers: units from the input, which is no layer, to the last one.
  ///   - codeActivation: of the last layer; nil is that of the others.
  static func dense(_ layers: [Int], activation: Activation, codeActivation: Activation?) -> [LayerSpec] {
    layers.dropFirst().enumerated().map { index, units in
      .dense(units: units, activation: index == layers.count - 2 ? codeActivation ?? activation : activation)
    }
  }
}

/// `{"type": "dense", "units": 128, "activation": "relu"}`.
extension LayerSpec.Dense {
  private enum CodingKeys: String, CodingKey, CaseIterable { case units, activation }

  static let typeName = "dense"
  static var settings: [any CodingKey] { CodingKeys.allCases }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(units: try container.whole(.units), activation: try container.choice(.activation))
  }
}

extension LayerSpec.Dense {
  static let hasParameters = true
  var spec: LayerSpec { .dense(self) }

  func ending(with activation: Activation) -> LayerSpec { .dense(units: units, activation: activation) }
  func giving(units: Int) -> LayerSpec { .dense(units: units, activation: activation) }

  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind) {
    guard units > 0 else { throw CinchError.usage("Layer \(name) has \(units) units: give it 1 or more.") }
    guard case .flat(let inputs) = input else {
      throw CinchError.usage(
        "Layer \(name) is dense, but its input is an image of \(input): a network of images is made of convolutions "
          + "and pooling; leave the image shape out for dense layers.")
    }
    guard Double(units) * Double(inputs) <= Double(ParameterList.mostElements) else {
      throw CinchError.usage(
        "Layer \(name) has \(units) × \(inputs) weights, more than any device holds: give it fewer units.")
    }
    return (.flat(units), DenseKind())
  }

  func mirror(of layer: ResolvedLayer, activation: Activation, pools: PoolInverse) throws -> [LayerSpec] {
    [.dense(units: layer.input.count, activation: activation)]
  }
}

struct DenseKind: ResolvedKind {
  var takesRowPull: Bool { true }

  func parameters(of layer: ResolvedLayer, isOutput: Bool) -> [ParameterSpec] {
    let (units, inputs) = (layer.output.count, layer.input.count)
    let limit = Initialization.limit(
      inputs: inputs, outputs: units, activation: layer.spec.activation, isOutput: isOutput)
    return [
      ParameterSpec("weight", .weight, shape: [units, inputs], initial: .uniform(limit: limit)),
      ParameterSpec("bias", .bias, shape: [units]),
    ]
  }

  func flops(of layer: ResolvedLayer) -> Double { 2 * Double(layer.input.count) * Double(layer.output.count) }
  func tiedAxes(_ other: any ResolvedKind) -> [Int]? { other is DenseKind ? [1, 0] : nil }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    DenseLayer(resolved: layer, weight: site.parameters[0], bias: site.parameters[1], backend: site.backend)
  }
}

/// A tied decoder layer uses the weight of the encoder layer it mirrors the other way round, h = f(x W + b) with that
/// layer's W. It comes first in the backward pass, so the encoder layer adds to its gradient.
struct DenseLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  /// `[units, inputs]`; a tied decoder layer sees the mirrored layer's, which is `[inputs, units]`.
  let weight: LayerParameter<B.Buffer>
  let bias: LayerParameter<B.Buffer>
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try product(x, into: h, .forward(bias: bias.value, activation: resolved.spec.activation))
  }

  func forward(_ x: Tensor<B.Buffer>, loss: FusedLoss<B.Buffer>, delta: Tensor<B.Buffer>) throws {
    var loss = loss
    loss.terms.bias = bias.value
    try product(x, into: delta, .loss(loss))
  }

  var takesRowPull: Bool { !weight.isShared }

  func lossPartialCount(samples: Int) -> Int {
    backend.lossPartialCount(rows: samples, columns: resolved.output.count)
  }

  private func product(_ x: Tensor<B.Buffer>, into c: Tensor<B.Buffer>, _ epilogue: Epilogue<B.Buffer>) throws {
    try backend.matmul(x, transposeA: false, weight.value, transposeB: !weight.isShared, into: c, epilogue: epilogue)
  }

  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws {
    if weight.isShared {
      try backend.matmul(input, transposeA: true, delta, transposeB: false, into: weight.gradient, epilogue: .none)
      try backend.columnSums(delta, scale: 1, into: bias.gradient)
    } else {
      try backend.denseGradient(
        delta: delta, input: input, weightGradient: weight.gradient, biasGradient: bias.gradient,
        accumulate: weight.accumulates, rowPull: rowPull)
    }
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>,
    _ pass: Pass
  ) throws {
    try backend.matmul(
      delta, transposeA: false, weight.value, transposeB: weight.isShared, into: result, epilogue: .backward(below))
  }
}
