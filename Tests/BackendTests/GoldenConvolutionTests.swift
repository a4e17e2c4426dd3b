import CinchBackend
import Foundation
import Testing

/// Convolution and pooling as PyTorch computes them in float64, with automatic differentiation;
/// `Benchmarks/golden_convolution.py` made the file.
@Suite("Golden convolution") struct GoldenConvolutionTests {
  struct Values: Decodable {
    var shape: [Int]
    var values: [Double]
  }

  struct Options: Decodable {
    var stride, padding, dilation, kernelSize, outputPadding, scale: [Int]?
  }

  struct Case: Decodable {
    var name: String
    var op: String
    var options: Options
    var inputs: [String: Values]
    var output: Values
    var gradients: [String: Values]
  }

  struct Padding: Decodable { var size, kernel, stride, dilation, output, before, after: Int }

  struct Same: Decodable {
    var name: String
    var stride, dilation, before: [Int]
    var x, weight, output: Values
  }

  struct Golden: Decodable {
    var cases: [Case]
    var padding: [Padding]
    var same: [Same]
  }

  static let golden: Golden? = {
    guard let url = Bundle.module.resourceURL?.appending(path: "Golden/convolution.json") else { return nil }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return (try? Data(contentsOf: url)).flatMap { try? decoder.decode(Golden.self, from: $0) }
  }()

  let backend = ReferenceBackend()

  @Test func everyOpIsThere() throws {
    let golden = try #require(Self.golden)
    #expect(
      Set(golden.cases.map(\.op)) == [
        "conv2d", "conv_transpose2d", "max_pool2d", "max_unpool2d", "avg_pool2d", "interpolate",
      ])
    #expect(golden.cases.count >= 20 && golden.same.count >= 3 && golden.padding.count >= 10)
  }

  @Test(arguments: golden?.cases.map(\.name) ?? [])
  func agrees(_ name: String) throws {
    let row = try #require(Self.golden?.cases.first { $0.name == name })
    switch row.op {
    case "conv2d": try convolution(row)
    case "conv_transpose2d": try transposed(row)
    case "interpolate": try upsampling(row)
    default: try pooling(row)
    }
  }

  private func convolution(_ row: Case) throws {
    let x = try image(row, "x"), w = try weight(row.inputs["weight"]), b = try vector(row, "bias")
    let g = try geometry(row, large: x.shape, small: nhwc(row.output).shape, w.shape)
    let y = try tensor(nhwc(row.output).shape), dx = try tensor(x.shape), dW = try tensor(w.shape)
    let db = try tensor(b.shape), delta = try image(row, "cotangent")
    try backend.convolve(x, w, g, into: y, epilogue: .forward(bias: b, activation: .linear))
    try check(image: y, row.output, row.name)
    try backend.convolveTransposed(delta, w, g, into: dx, epilogue: .none)
    try check(image: dx, row.gradients["x"], "\(row.name), x")
    try backend.convolutionGradient(
      x: x, y: delta, g, weightGradient: dW, biasGradient: db, delta: .small, accumulate: false)
    try check(weight: dW, bias: db, row)
  }

  private func transposed(_ row: Case) throws {
    let y = try image(row, "x"), w = try weight(row.inputs["weight"]), b = try vector(row, "bias")
    let large = try nhwc(row.output).shape
    let g = try geometry(row, large: large, small: y.shape, w.shape)
    let x = try tensor(large), dy = try tensor(y.shape), dW = try tensor(w.shape)
    let db = try tensor(b.shape), delta = try image(row, "cotangent")
    try backend.convolveTransposed(y, w, g, into: x, epilogue: .forward(bias: b, activation: .linear))
    try check(image: x, row.output, row.name)
    try backend.convolve(delta, w, g, into: dy, epilogue: .none)
    try check(image: dy, row.gradients["x"], "\(row.name), x")
    try backend.convolutionGradient(
      x: delta, y: y, g, weightGradient: dW, biasGradient: db, delta: .large, accumulate: false)
    try check(weight: dW, bias: db, row)
  }

  private func pooling(_ row: Case) throws {
    let from = try image(row, "x"), delta = try image(row, "cotangent"), to = try nhwc(row.output).shape
    let isUnpooling = row.op == "max_unpool2d"
    let (large, small) = isUnpooling ? (to, from.shape) : (from.shape, to)
    let kernel = try #require(row.options.kernelSize), stride = try #require(row.options.stride)
    let padding = try #require(row.options.padding)
    let g = PoolingGeometry(
      height: large.dimensions[1], width: large.dimensions[2], channels: large.dimensions[3],
      outputHeight: small.dimensions[1], outputWidth: small.dimensions[2], kernel: (kernel[0], kernel[1]),
      stride: (stride[0], stride[1]), top: padding[0], left: padding[1])
    let result = try tensor(to), gradient = try tensor(from.shape)
    switch row.op {
    case "max_pool2d":
      let switches = try tensor(small), wanted = try self.switches(row, g)
      try backend.maxPool(from, g, into: result, switches: switches)
      #expect(try backend.read(switches) == backend.read(wanted))
      try backend.unpool(delta, switches: switches, g, into: gradient, below: nil)
    case "max_unpool2d":
      let switches = try switches(row, g)
      try backend.unpool(from, switches: switches, g, into: result, below: nil)
      try backend.pickSwitches(delta, switches: switches, g, into: gradient, below: nil)
    default:
      try backend.poolSum(from, g, mean: true, into: result, below: nil)
      try backend.poolSpread(delta, g, mean: true, into: gradient, below: nil)
    }
    try check(image: result, row.output, row.name)
    try check(image: gradient, row.gradients["x"], "\(row.name), x")
  }

  /// Nearest-neighbour upsampling spreads each pixel over a window of its own.
  private func upsampling(_ row: Case) throws {
    let small = try image(row, "x"), delta = try image(row, "cotangent"), to = try nhwc(row.output).shape
    let scale = try #require(row.options.scale)
    let g = PoolingGeometry(
      height: to.dimensions[1], width: to.dimensions[2], channels: to.dimensions[3],
      outputHeight: small.shape.dimensions[1], outputWidth: small.shape.dimensions[2], kernel: (scale[0], scale[1]),
      stride: (scale[0], scale[1]))
    let result = try tensor(to), gradient = try tensor(small.shape)
    try backend.poolSpread(small, g, mean: false, into: result, below: nil)
    try check(image: result, row.output, row.name)
    try backend.poolSum(delta, g, mean: false, into: gradient, below: nil)
    try check(image: gradient, row.gradients["x"], "\(row.name), x")
  }

  @Test("TensorFlow's `same`, by hand", arguments: golden?.padding.indices ?? 0..<0)
  func padding(_ index: Int) throws {
    let p = try #require(Self.golden?.padding[index])
    let total = max((p.output - 1) * p.stride + p.dilation * (p.kernel - 1) + 1 - p.size, 0)
    #expect(p.output == (p.size + p.stride - 1) / p.stride)
    #expect(p.before == total / 2 && p.after == total - p.before)
  }

  @Test("TensorFlow's `same`, by NumPy", arguments: golden?.same.map(\.name) ?? [])
  func same(_ name: String) throws {
    let row = try #require(Self.golden?.same.first { $0.name == name })
    let pixels = try nhwc(row.x), x = try backend.tensor(pixels.shape, pixels.values), w = try weight(row.weight)
    let y = try tensor(nhwc(row.output).shape)
    let g = geometry(
      large: x.shape, small: y.shape, w.shape, stride: row.stride, dilation: row.dilation, before: row.before)
    try backend.convolve(x, w, g, into: y, epilogue: .none)
    try check(image: y, row.output, row.name)
  }

  // Between PyTorch's layouts and Cinch's.

  private func nhwc(_ array: Values?) throws -> (shape: Shape, values: [Double]) {
    let array = try #require(array)
    try #require(array.shape.count == 4)
    return permuted(array, [0, 2, 3, 1])
  }

  /// Both PyTorch's convolution and its transposed one lay weights out as [small, large, height, width].
  private func taps(_ array: Values) -> Values {
    let (shape, values) = permuted(array, [2, 3, 1, 0])
    return Values(shape: shape.dimensions, values: values)
  }

  private func permuted(_ array: Values, _ order: [Int]) -> (shape: Shape, values: [Double]) {
    let shape = array.shape, strides = [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1]
    var values: [Double] = []
    for a in 0..<shape[order[0]] {
      for b in 0..<shape[order[1]] {
        for c in 0..<shape[order[2]] {
          for d in 0..<shape[order[3]] {
            values.append(
              array.values[
                a * strides[order[0]] + b * strides[order[1]] + c * strides[order[2]] + d * strides[order[3]]])
          }
        }
      }
    }
    return (Shape(order.map { shape[$0] }), values)
  }

  private func image(_ row: Case, _ name: String) throws -> Tensor<ReferenceBuffer> {
    let (shape, values) = try nhwc(row.inputs[name])
    return try backend.tensor(shape, values)
  }

  private func weight(_ array: Values?) throws -> Tensor<ReferenceBuffer> {
    let array = taps(try #require(array))
    return try backend.tensor(Shape(array.shape), array.values)
  }

  private func vector(_ row: Case, _ name: String) throws -> Tensor<ReferenceBuffer> {
    let array = try #require(row.inputs[name])
    return try backend.tensor(Shape(array.shape), array.values)
  }

  private func tensor(_ shape: Shape) throws -> Tensor<ReferenceBuffer> { try backend.tensor(shape) }

  /// PyTorch counts the pixel in the image, Cinch the place in the window.
  private func switches(_ row: Case, _ g: PoolingGeometry) throws -> Tensor<ReferenceBuffer> {
    let (shape, indices) = try nhwc(row.inputs["indices"])
    let places = indices.enumerated().map { element, index in
      let window = element / g.channels % (g.outputHeight * g.outputWidth)
      let top = window / g.outputWidth * g.strideHeight - g.top, left = window % g.outputWidth * g.strideWidth - g.left
      return Double((Int(index) / g.width - top) * g.kernelWidth + Int(index) % g.width - left)
    }
    return try backend.tensor(shape, places)
  }

  private func geometry(_ row: Case, large: Shape, small: Shape, _ weight: Shape) throws -> ConvolutionGeometry {
    // A transposed convolution's output padding shows in the size of its output alone.
    geometry(
      large: large, small: small, weight, stride: try #require(row.options.stride),
      dilation: try #require(row.options.dilation), before: try #require(row.options.padding))
  }

  private func geometry(
    large: Shape, small: Shape, _ weight: Shape, stride: [Int], dilation: [Int], before: [Int]
  ) -> ConvolutionGeometry {
    ConvolutionGeometry(
      height: large.dimensions[1], width: large.dimensions[2], channels: large.dimensions[3],
      outputHeight: small.dimensions[1], outputWidth: small.dimensions[2], outputChannels: small.dimensions[3],
      kernel: (weight.dimensions[0], weight.dimensions[1]), stride: (stride[0], stride[1]),
      dilation: (dilation[0], dilation[1]), top: before[0], left: before[1])
  }

  /// Of multiples of 1/16 every sum is exact in Double; only a mean rounds.
  private func check(_ got: Tensor<ReferenceBuffer>, _ want: [Double], _ what: String) throws {
    let found = try backend.read(got)
    let worst = zip(found, want).map { abs($0 - $1) }.max() ?? .infinity
    #expect(found.count == want.count && worst <= 1e-14, "\(what)")
  }

  private func check(image got: Tensor<ReferenceBuffer>, _ want: Values?, _ what: String) throws {
    let (shape, values) = try nhwc(want)
    #expect(got.shape == shape)
    try check(got, values, what)
  }

  /// What PyTorch finds for a layer's parameters.
  private func check(weight: Tensor<ReferenceBuffer>, bias: Tensor<ReferenceBuffer>, _ row: Case) throws {
    try check(weight, taps(try #require(row.gradients["weight"])).values, "\(row.name), weight")
    try check(bias, try #require(row.gradients["bias"]).values, "\(row.name), bias")
  }
}
