// The checks of ops on images. Extents are compared one by one: a shape made for the comparison would allocate in every
// step.

/// An image may also come flat, one row per sample, as data sets and dense layers leave it.
@inlinable func checkImage<Buffer>(
  _ tensor: Tensor<Buffer>, _ samples: Int, _ height: Int, _ width: Int, _ channels: Int, _ op: String, _ name: String
) throws {
  let extents = tensor.shape.dimensions
  // Ops count pixels through the samples.
  guard tensor.count < .max else {
    throw fail("'\(op)': \(name) of \(tensor.shape) has more elements than can be counted: use fewer samples.")
  }
  let fits =
    switch extents.count {
    case 2: extents[0] == samples && extents[1] == height * width * channels
    case 4: extents[0] == samples && extents[1] == height && extents[2] == width && extents[3] == channels
    default: false
    }
  guard fits else {
    throw fail(
      "'\(op)': \(name) is \(tensor.shape), but \(Shape([samples, height, width, channels])) is needed, channels last.")
  }
}

@inlinable func checkImageGradient<Buffer>(
  _ terms: ActivationGradient<Buffer>, _ samples: Int, _ height: Int, _ width: Int, _ channels: Int, _ op: String
) throws {
  try checkImage(terms.output, samples, height, width, channels, op, "the layer's output")
  if let column = terms.column { try checkCount(column, channels, op, "the column term") }
  if let curvature = terms.curvature { try checkCount(curvature.norms, channels, op, "the row norms") }
}

/// What an extent, a stride or a dilation may be, and a padding: distances between pixels fit an Int, whatever they are.
@usableFromInline let mostPixels = 1 << 31
@usableFromInline let mostPadding = 1 << 40

/// Whether so many elements can be counted, and their bytes in the work areas of many threads.
@inlinable func isCountable(_ a: Int, _ b: Int, _ c: Int, _ d: Int = 1) -> Bool {
  let (two, first) = a.multipliedReportingOverflow(by: b)
  let (three, second) = two.multipliedReportingOverflow(by: c)
  let (four, third) = three.multipliedReportingOverflow(by: d)
  return !first && !second && !third && four <= 1 << 50
}

@inlinable func checkGeometry(_ g: ConvolutionGeometry, _ op: String) throws {
  guard min(g.height, g.width, g.channels) > 0, min(g.outputHeight, g.outputWidth, g.outputChannels) > 0,
    min(g.kernelHeight, g.kernelWidth) > 0
  else {
    throw fail(
      "'\(op)': an image of \(g.height) × \(g.width) × \(g.channels), a kernel of \(g.kernelHeight) × \(g.kernelWidth) "
        + "and an image of \(g.outputHeight) × \(g.outputWidth) × \(g.outputChannels) need an extent of 1 at least.")
  }
  guard min(g.strideHeight, g.strideWidth) > 0, min(g.dilationHeight, g.dilationWidth) > 0 else {
    throw fail(
      "'\(op)': strides of \(g.strideHeight) and \(g.strideWidth) and dilations of \(g.dilationHeight) and "
        + "\(g.dilationWidth) are not all positive.")
  }
  guard min(g.top, g.left) >= 0 else {
    throw fail("'\(op)': a padding of \(g.top) rows and \(g.left) columns is negative.")
  }
  let images = max(max(g.height, g.width, g.channels), max(g.outputHeight, g.outputWidth, g.outputChannels))
  let steps = max(max(g.strideHeight, g.strideWidth), max(g.dilationHeight, g.dilationWidth))
  guard max(images, steps, max(g.kernelHeight, g.kernelWidth)) <= mostPixels, max(g.top, g.left) <= mostPadding,
    isCountable(g.kernelHeight, g.kernelWidth, g.channels, g.outputChannels),
    isCountable(
      g.height + (g.outputHeight - 1) * g.strideHeight, g.width + (g.outputWidth - 1) * g.strideWidth,
      max(g.channels, g.outputChannels))
  else {
    throw fail(
      "'\(op)': an image, a kernel, a stride or a dilation beyond 2³¹, a padding beyond 2⁴⁰, or more than 2⁵⁰ elements "
        + "cannot be counted: use smaller ones.")
  }
}

@inlinable func checkConvolutionWeight<Buffer>(
  _ weight: Tensor<Buffer>, _ g: ConvolutionGeometry, _ op: String, _ name: String
) throws {
  let extents = weight.shape.dimensions
  // Not by count: PyTorch's layout has the same.
  guard extents.count == 4, extents[0] == g.kernelHeight, extents[1] == g.kernelWidth, extents[2] == g.channels,
    extents[3] == g.outputChannels
  else { throw fail("'\(op)': \(name) is \(weight.shape), but \(g.weightShape) is needed, taps first.") }
}

/// For `convolve` (`side` is `.small`) and `convolveTransposed`. Returns the number of samples.
@discardableResult
@inlinable package func checkConvolution<Buffer>(
  large: Tensor<Buffer>, small: Tensor<Buffer>, weight: Tensor<Buffer>, _ g: ConvolutionGeometry,
  epilogue: Epilogue<Buffer>, result side: ConvolutionSide,
  partialCount: (ConvolutionGeometry, Int, ConvolutionSide) -> Int
) throws -> Int {
  let op = side == .small ? "convolve" : "convolveTransposed"
  try checkGeometry(g, op)
  let samples = side == .small ? large.rows : small.rows
  try checkImage(large, samples, g.height, g.width, g.channels, op, "the large image")
  try checkImage(small, samples, g.outputHeight, g.outputWidth, g.outputChannels, op, "the small image")
  try checkConvolutionWeight(weight, g, op, "the weight")
  let (result, source) = side == .small ? (small, large) : (large, small)
  try checkApart(op, result, from: source, weight)
  let (height, width, channels) =
    side == .small ? (g.outputHeight, g.outputWidth, g.outputChannels) : (g.height, g.width, g.channels)
  switch epilogue {
  case .none, .accumulate: break
  case .forward(let bias, _):
    if let bias { try checkCount(bias, channels, op, "the bias") }
  case .backward(let terms):
    try checkImageGradient(terms, samples, height, width, channels, op)
  case .loss(let loss):
    try checkFusedLoss(loss, op: op, biases: channels, partialCount: partialCount(g, samples, side))
    try checkImage(loss.terms.target, samples, height, width, channels, op, "the target")
    if let weight = loss.terms.weight { try checkImage(weight, samples, height, width, channels, op, "the weight") }
  }
  return samples
}

/// Returns the number of samples.
@discardableResult
@inlinable package func checkConvolutionGradient<Buffer>(
  x: Tensor<Buffer>, y: Tensor<Buffer>, _ g: ConvolutionGeometry, weightGradient: Tensor<Buffer>,
  biasGradient: Tensor<Buffer>, delta: ConvolutionSide
) throws -> Int {
  let op = "convolutionGradient"
  try checkGeometry(g, op)
  let samples = x.rows
  try checkImage(x, samples, g.height, g.width, g.channels, op, "the large image")
  try checkImage(y, samples, g.outputHeight, g.outputWidth, g.outputChannels, op, "the small image")
  try checkConvolutionWeight(weightGradient, g, op, "the weight gradient")
  try checkCount(biasGradient, delta == .large ? g.channels : g.outputChannels, op, "the bias gradient")
  try checkApart(op, weightGradient, from: x, y)
  return samples
}

/// For `convolvePooled`. Returns the number of samples.
@inlinable package func checkPooledConvolution<Buffer>(
  _ x: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ g: ConvolutionGeometry, bias: Tensor<Buffer>?,
  _ pooling: PoolingGeometry, into y: Tensor<Buffer>, switches: Tensor<Buffer>
) throws -> Int {
  let op = "convolvePooled"
  try checkPooled(x, g, (y, "the pooled image"), switches, pooling, op)
  try checkConvolutionWeight(weight, g, op, "the weight")
  if let bias { try checkCount(bias, g.outputChannels, op, "the bias") }
  try checkApart(op, y, from: x, weight)
  try checkApart(op, switches, from: x, weight)
  try checkApart(op, switches, from: y)
  return x.rows
}

/// For `pooledConvolutionGradient`. Returns the number of samples.
@inlinable package func checkPooledGradient<Buffer>(
  x: Tensor<Buffer>, delta: Tensor<Buffer>, switches: Tensor<Buffer>, _ g: ConvolutionGeometry,
  _ pooling: PoolingGeometry, weightGradient: Tensor<Buffer>, biasGradient: Tensor<Buffer>
) throws -> Int {
  let op = "pooledConvolutionGradient"
  try checkPooled(x, g, (delta, "δ"), switches, pooling, op)
  try checkConvolutionWeight(weightGradient, g, op, "the weight gradient")
  try checkCount(biasGradient, g.outputChannels, op, "the bias gradient")
  try checkApart(op, weightGradient, from: x, delta)
  try checkApart(op, weightGradient, from: switches)
  return x.rows
}

/// The images on both sides of a convolution and its pooling, and what relates them.
@inlinable func checkPooled<Buffer>(
  _ x: Tensor<Buffer>, _ g: ConvolutionGeometry, _ small: (image: Tensor<Buffer>, what: String),
  _ switches: Tensor<Buffer>, _ pooling: PoolingGeometry, _ op: String
) throws {
  try checkGeometry(g, op)
  try checkGeometry(pooling, op)
  try checkPlaces(pooling, op)
  guard pooling.tiles else {
    throw fail("'\(op)': windows must lie side by side, from the first pixel on: pool by an op of its own.")
  }
  guard (pooling.height, pooling.width, pooling.channels) == (g.outputHeight, g.outputWidth, g.outputChannels) else {
    throw fail(
      "'\(op)': the convolution gives images of \(g.small(1)), but \(pooling.large(1)) are pooled: one must be the other."
    )
  }
  try checkImage(x, x.rows, g.height, g.width, g.channels, op, "the large image")
  for (image, what) in [small, (switches, "the tensor of switches")] {
    try checkImage(image, x.rows, pooling.outputHeight, pooling.outputWidth, pooling.channels, op, what)
  }
}

/// For `tapSums`. Returns how many taps of zeros lie before the weight's.
@inlinable package func checkTapSums<Buffer>(
  _ weight: Tensor<Buffer>, box: (height: Int, width: Int), turned: Bool, into result: Tensor<Buffer>
) throws -> (top: Int, left: Int) {
  let (from, to) = (weight.shape.dimensions, result.shape.dimensions)
  try checkApart("tapSums", result, from: weight)
  guard from.count == 4, to.count == 4, weight.count > 0, min(box.height, box.width) > 0, min(to[0], to[1]) >= 0,
    to[2] == from[turned ? 3 : 2], to[3] == from[turned ? 2 : 3]
  else {
    throw fail(
      "'tapSums': sums over boxes of \(box.height) × \(box.width) taps of \(weight.shape) do not give "
        + "\(result.shape): both are [rows, columns, channels, channels]\(turned ? ", the channels in turn" : "").")
  }
  if to[0] - from[0] == box.height - 1, to[1] - from[1] == box.width - 1 { return (box.height - 1, box.width - 1) }
  guard from[0] - to[0] == box.height - 1, from[1] - to[1] == box.width - 1 else {
    throw fail(
      "'tapSums': sums over boxes of \(box.height) × \(box.width) have \(box.height - 1) rows and \(box.width - 1) columns "
        + "of taps more than \(weight.shape), or as many fewer, but the result is \(result.shape).")
  }
  return (0, 0)
}

/// Every window must hold a pixel: what is the largest value, or the mean, of none?
@inlinable func checkGeometry(_ g: PoolingGeometry, _ op: String) throws {
  guard min(g.height, g.width, g.channels) > 0, min(g.outputHeight, g.outputWidth) > 0,
    min(g.kernelHeight, g.kernelWidth) > 0, min(g.strideHeight, g.strideWidth) > 0
  else {
    throw fail(
      "'\(op)': an image of \(g.height) × \(g.width) × \(g.channels), windows of \(g.kernelHeight) × \(g.kernelWidth), "
        + "\(g.outputHeight) × \(g.outputWidth) of them, \(g.strideHeight) × \(g.strideWidth) apart, "
        + "need an extent of 1 at least.")
  }
  let images = max(max(g.height, g.width, g.channels), max(g.outputHeight, g.outputWidth))
  let (tall, wide) = (max(g.kernelHeight, g.strideHeight), max(g.kernelWidth, g.strideWidth))
  guard max(images, tall, wide) <= mostPixels, isCountable(g.height + tall, g.width + wide, g.channels) else {
    throw fail(
      "'\(op)': an image, windows or a stride beyond 2³¹, or more than 2⁵⁰ elements, cannot be counted: use smaller "
        + "ones.")
  }
  guard g.top >= 0, g.top < g.kernelHeight, g.left >= 0, g.left < g.kernelWidth,
    (g.outputHeight - 1) * g.strideHeight - g.top < g.height, (g.outputWidth - 1) * g.strideWidth - g.left < g.width
  else {
    throw fail(
      "'\(op)': of \(g.outputHeight) × \(g.outputWidth) windows of \(g.kernelHeight) × \(g.kernelWidth), "
        + "\(g.strideHeight) × \(g.strideWidth) apart, from row \(0 &- g.top) and column \(0 &- g.left), one lies outside the "
        + "image of \(g.height) × \(g.width).")
  }
}

/// A switch is a place in its window, as a scalar: floats tell 2²⁴ of them apart.
@inlinable func checkPlaces(_ g: PoolingGeometry, _ op: String) throws {
  guard g.kernelHeight <= PoolingGeometry.mostPlaces / g.kernelWidth else {
    throw fail(
      "'\(op)': windows of \(g.kernelHeight) × \(g.kernelWidth) have more than 2²⁴ places, which floats do not tell apart: "
        + "pool in two layers.")
  }
}

/// For every op of `PoolingOps`. `result` is the side of the image that `below` belongs to. Returns the number of
/// samples.
@discardableResult
@inlinable package func checkPooling<Buffer>(
  _ op: String, large: Tensor<Buffer>, small: Tensor<Buffer>, switches: Tensor<Buffer>? = nil, _ g: PoolingGeometry,
  below: ActivationGradient<Buffer>? = nil, result side: ConvolutionSide
) throws -> Int {
  try checkGeometry(g, op)
  let samples = side == .small ? large.rows : small.rows
  try checkImage(large, samples, g.height, g.width, g.channels, op, "the large image")
  try checkImage(small, samples, g.outputHeight, g.outputWidth, g.channels, op, "the small image")
  if let switches {
    try checkPlaces(g, op)
    try checkImage(switches, samples, g.outputHeight, g.outputWidth, g.channels, op, "the tensor of switches")
    try checkApart(op, switches, from: large, small)
  }
  try checkApart(op, side == .small ? small : large, from: side == .small ? large : small)
  guard let below else { return samples }
  switch side {
  case .large: try checkImageGradient(below, samples, g.height, g.width, g.channels, op)
  case .small: try checkImageGradient(below, samples, g.outputHeight, g.outputWidth, g.channels, op)
  }
  return samples
}
