import CinchBackend
import CinchData

extension LayerSpec {
  /// h = f(x Wᵀ + b), with W `[units, inputs]` and b `[units]`. An image is a vector to it, channels first, as it is to
  /// PyTorch's `Flatten` and `Linear`.
  public struct Dense: LayerDefinition {
    public var units: Int
    public var activation: Activation
    /// The image that its units make, for convolutions behind it; nil for a vector.
    public var image: ImageShape?

    public init(units: Int, activation: Activation, image: ImageShape? = nil) {
      self.units = units
      self.activation = activation
      self.image = image
    }
  }

  /// h = f(x Wᵀ + b), with W `[units, inputs]` and b `[units]`.
  public static func dense(units: Int, activation: Activation, image: ImageShape? = nil) -> LayerSpec {
    .dense(Dense(units: units, activation: activation, image: image))
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

/// `{"type": "dense", "units": 128, "activation": "relu"}`, with `"image": [32, 7, 7]` where the units make one; on the
/// command line `dense UNITS [ACTIVATION]`.
extension LayerSpec.Dense {
  private enum CodingKeys: String, CodingKey, CaseIterable { case units, activation, image }

  static let typeName = "dense"
  static var settings: [any CodingKey] { CodingKeys.allCases }
  static let words = ["dense"]

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      units: try container.whole(.units), activation: try container.choice(.activation),
      image: try container.decodeIfPresent(ImageShape.self, forKey: .image))
  }

  static func parse(_ words: ArraySlice<String>, name: String, activation: Activation) throws -> LayerSpec {
    let text = try LayerText.first(words, of: name)
    guard let units = Int(text), units > 0 else { throw LayerText.Refusal("'\(text)' is no number of units") }
    guard let word = words.dropFirst().first else { return .dense(units: units, activation: activation) }
    guard words.count == 2, let activation = Activation(rawValue: word) else {
      throw LayerText.Refusal("'\(words.dropFirst().joined(separator: " "))' is no activation")
    }
    return .dense(units: units, activation: activation)
  }
}

extension LayerSpec.Dense {
  static let hasParameters = true
  var spec: LayerSpec { .dense(self) }

  func ending(with activation: Activation) -> LayerSpec { .dense(units: units, activation: activation, image: image) }
  func giving(units: Int) -> LayerSpec {
    .dense(units: units, activation: activation, image: image?.count == units ? image : nil)
  }

  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind) {
    guard units > 0 else { throw CinchError.usage("Layer \(name) has \(units) units: give it 1 or more.") }
    if let image, !image.isPossible {
      throw CinchError.usage("Layer \(name) makes an image of \(image): give it extents of 1 to 65536 each.")
    }
    if let image, image.count != units {
      throw CinchError.usage(
        "Layer \(name) has \(units) units, but its image of \(image) has \(image.count) values: give it as many.")
    }
    let inputs = input.count
    guard Double(units) * Double(inputs) <= Double(ParameterList.mostElements) else {
      throw CinchError.usage(
        "Layer \(name) has \(units) × \(inputs) weights, more than any device holds: give it fewer units.")
    }
    return (image.map(FeatureShape.image) ?? .flat(units), DenseKind(isFlat: input.image == nil && image == nil))
  }

  func mirror(of layer: ResolvedLayer, activation: Activation, pools: PoolInverse) throws -> [LayerSpec] {
    [.dense(units: layer.input.count, activation: activation, image: layer.input.image)]
  }
}

struct DenseKind: ResolvedKind {
  /// Whether neither side is an image, whose axes in files would not be those of the mirror.
  let isFlat: Bool

  var takesRowPull: Bool { true }

  func parameters(of layer: ResolvedLayer, isOutput: Bool) -> [ParameterSpec] {
    let (units, inputs) = (layer.output.count, layer.input.count)
    let limit = Initialization.limit(
      inputs: inputs, outputs: units, activation: layer.spec.activation, isOutput: isOutput)
    // An image is channels last on a device, and a vector with channels first in files.
    let (above, below) = (Self.axes(layer.output), Self.axes(layer.input))
    let rank = above.extents.count
    return [
      ParameterSpec(
        "weight", .weight, shape: Shape(above.extents + below.extents),
        fileAxes: above.fileAxes + below.fileAxes.map { $0 + rank }, fileShape: [units, inputs],
        initial: .uniform(limit: limit)),
      ParameterSpec("bias", .bias, shape: Shape(above.extents), fileAxes: above.fileAxes, fileShape: [units]),
    ]
  }

  private static func axes(_ shape: FeatureShape) -> (extents: [Int], fileAxes: [Int]) {
    switch shape {
    case .flat(let count): ([count], [0])
    case .image(let image): ([image.height, image.width, image.channels], [2, 0, 1])
    }
  }

  func flops(of layer: ResolvedLayer) -> Double { 2 * Double(layer.input.count) * Double(layer.output.count) }
  func tiedAxes(_ other: any ResolvedKind) -> [Int]? {
    isFlat && (other as? DenseKind)?.isFlat ?? false ? [1, 0] : nil
  }

  /// A tied weight is the mirrored layer's, `[inputs, units]`.
  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String {
    var x = x
    if layer.input.image != nil { x = graph.reshape(x, to: [layer.input.count]) }
    let (weight, bias) = (try graph.parameter(0), try graph.parameter(1))
    x = graph.add("Gemm", [x, weight.name, bias.name], ["transB": .integer(weight.isShared ? 0 : 1)])
    x = graph.activation(layer.spec.activation, of: x)
    return layer.output.image.map { graph.reshape(x, to: $0.shape.dimensions) } ?? x
  }

  func modules(of layer: ResolvedLayer) throws -> [TorchModule] {
    let linear = TorchModule("Linear(\(layer.input.count), \(layer.output.count))", of: layer)
    let image = layer.output.image.map { image in
      TorchModule("Unflatten(1, (\(image.channels), \(image.height), \(image.width)))")
    }
    return (layer.input.image == nil ? [] : [TorchModule("Flatten()")]) + [linear]
      + TorchModule.activation(layer.spec.activation) + [image].compactMap(\.self)
  }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    let (weight, bias) = (site.parameters[0], site.parameters[1])
    let shape: Shape =
      weight.isShared ? [layer.input.count, layer.output.count] : [layer.output.count, layer.input.count]
    return DenseLayer(
      resolved: layer, activation: layer.spec.activation, weight: weight.reshaped(shape),
      bias: bias.reshaped([layer.output.count]), backend: site.backend)
  }
}

/// A tied decoder layer uses the weight of the encoder layer it mirrors the other way round, h = f(x W + b) with that
/// layer's W. It comes first in the backward pass, so the encoder layer adds to its gradient.
struct DenseLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  let activation: Activation
  /// `[units, inputs]`; a tied decoder layer sees the mirrored layer's, which is `[inputs, units]`.
  let weight: LayerParameter<B.Buffer>
  let bias: LayerParameter<B.Buffer>
  let backend: B

  /// A sample a row, whatever it is.
  private func flat(_ x: Tensor<B.Buffer>) -> Tensor<B.Buffer> {
    x.shape.dimensions.count == 2 ? x : x.reshaped([x.rows, x.count / x.rows])
  }

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try product(x, into: h, .forward(bias: bias.value, activation: activation))
  }

  func forward(_ x: Tensor<B.Buffer>, loss: FusedLoss<B.Buffer>, delta: Tensor<B.Buffer>) throws {
    var loss = loss
    loss.terms.bias = bias.value
    loss.terms.target = flat(loss.terms.target)
    loss.terms.weight = loss.terms.weight.map(flat)
    try product(x, into: delta, .loss(loss))
  }

  var takesRowPull: Bool { !weight.isShared }

  func lossPartialCount(samples: Int) -> Int {
    backend.lossPartialCount(rows: samples, columns: resolved.output.count)
  }

  private func product(_ x: Tensor<B.Buffer>, into c: Tensor<B.Buffer>, _ epilogue: Epilogue<B.Buffer>) throws {
    try backend.matmul(
      flat(x), transposeA: false, weight.value, transposeB: !weight.isShared, into: flat(c), epilogue: epilogue)
  }

  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws {
    let (delta, input) = (flat(delta), flat(input))
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
    if resolved.input.image != nil, below.column != nil || below.curvature != nil {
      // What is added to each channel is no column of a sample's values.
      try backend.matmul(
        flat(delta), transposeA: false, weight.value, transposeB: weight.isShared, into: flat(result), epilogue: .none)
      var below = below
      below.output = below.output.unitRows(resolved.input)
      let rows = result.unitRows(resolved.input)
      return try backend.activationGradient(rows, below, into: rows)
    }
    var below = below
    below.output = flat(below.output)
    try backend.matmul(
      flat(delta), transposeA: false, weight.value, transposeB: weight.isShared, into: flat(result),
      epilogue: .backward(below))
  }
}
