import CVector
import CinchBackend

extension CPUBackend: ConvolutionOps {
  public func convolve(
    _ x: Tensor<CPUBuffer>, _ weight: Tensor<CPUBuffer>, _ geometry: ConvolutionGeometry, into y: Tensor<CPUBuffer>,
    epilogue: Epilogue<CPUBuffer>
  ) throws {
    let samples = try checkConvolution(
      large: x, small: y, weight: weight, geometry, epilogue: epilogue, result: .small,
      partialCount: { lossPartialCount($0, samples: $1, result: $2) })
    try run(geometry, transposed: false, samples, x, weight, into: y, epilogue)
  }

  public func convolveTransposed(
    _ y: Tensor<CPUBuffer>, _ weight: Tensor<CPUBuffer>, _ geometry: ConvolutionGeometry, into x: Tensor<CPUBuffer>,
    epilogue: Epilogue<CPUBuffer>
  ) throws {
    let samples = try checkConvolution(
      large: x, small: y, weight: weight, geometry, epilogue: epilogue, result: .large,
      partialCount: { lossPartialCount($0, samples: $1, result: $2) })
    try run(geometry, transposed: true, samples, y, weight, into: x, epilogue)
  }

  public func convolutionGradient(
    x: Tensor<CPUBuffer>, y: Tensor<CPUBuffer>, _ geometry: ConvolutionGeometry, weightGradient: Tensor<CPUBuffer>,
    biasGradient: Tensor<CPUBuffer>, delta: ConvolutionSide, accumulate: Bool, accumulateBias: Bool
  ) throws {
    let samples = try checkConvolutionGradient(
      x: x, y: y, geometry, weightGradient: weightGradient, biasGradient: biasGradient, delta: delta)
    launch("convolutionGradient", (try x.input, try y.input, try weightGradient.pointer, try biasGradient.pointer)) {
      device, images in
      var (x, y, weights, biases) = images, shape = cinch_convolution(geometry)
      guard
        cinch_convolution_gradient(
          device, &shape, Int64(samples), x, y, delta == .large, accumulate, accumulateBias, weights, biases)
      else { throw noRoom }
    }
  }

  public func tapSums(
    _ weight: Tensor<CPUBuffer>, box: (height: Int, width: Int), turned: Bool, into result: Tensor<CPUBuffer>
  ) throws {
    let (top, left) = try checkTapSums(weight, box: box, turned: turned, into: result)
    let from = weight.shape.dimensions, to = result.shape.dimensions
    let job = cinch_tap_sums(
      rows: Int64(from[0]), columns: Int64(from[1]), channels: Int64(from[2]), outputs: Int64(from[3]),
      result_rows: Int64(to[0]), result_columns: Int64(to[1]), box_rows: Int64(box.height),
      box_columns: Int64(box.width), top: Int64(top), left: Int64(left), turned: turned, weight: try weight.input,
      result: try result.pointer)
    launch("tapSums", job, cinch_sum_taps)
  }

  public func lossPartialCount(_ geometry: ConvolutionGeometry, samples: Int, result side: ConvolutionSide) -> Int {
    var shape = cinch_convolution(geometry)
    return Int(cinch_convolution_partial_count(&shape, side == .large, Int64(samples)))
  }

  private func run(
    _ geometry: ConvolutionGeometry, transposed: Bool, _ samples: Int, _ source: Tensor<CPUBuffer>,
    _ weight: Tensor<CPUBuffer>, into result: Tensor<CPUBuffer>, _ epilogue: Epilogue<CPUBuffer>
  ) throws {
    launch("convolve", (try cinch_epilogue(epilogue), try source.input, try weight.input, try result.pointer)) {
      device, job in
      var (epilogue, source, weight, result) = job, shape = cinch_convolution(geometry)
      guard cinch_convolve(device, &shape, transposed, Int64(samples), source, weight, result, &epilogue) else {
        throw noRoom
      }
    }
  }
}

/// Where an image op's work areas cannot be had.
let noRoom = BackendError.outOfMemory(
  "The cpu device has no memory for an image op's work areas. Use a smaller batch or model.")

extension cinch_convolution {
  init(_ g: ConvolutionGeometry) {
    self.init(
      height: Int64(g.height), width: Int64(g.width), channels: Int64(g.channels),
      output_height: Int64(g.outputHeight), output_width: Int64(g.outputWidth),
      output_channels: Int64(g.outputChannels), kernel_height: Int64(g.kernelHeight),
      kernel_width: Int64(g.kernelWidth), stride_height: Int64(g.strideHeight), stride_width: Int64(g.strideWidth),
      dilation_height: Int64(g.dilationHeight), dilation_width: Int64(g.dilationWidth), top: Int64(g.top),
      left: Int64(g.left))
  }
}
