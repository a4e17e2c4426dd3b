import CinchBackend

extension SaboteurBackend: PooledConvolutionOps {
  func convolve(
    _ x: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, into y: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>
  ) throws {
    try run(y, inputs: [weight]) { try reference.convolve(x, weight, geometry, into: y, epilogue: epilogue) }
  }
  func convolveTransposed(
    _ y: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, into x: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>
  ) throws {
    try run(x, inputs: [weight]) { try reference.convolveTransposed(y, weight, geometry, into: x, epilogue: epilogue) }
  }
  func convolutionGradient(
    x: Tensor<Buffer>, y: Tensor<Buffer>, _ geometry: ConvolutionGeometry, weightGradient: Tensor<Buffer>,
    biasGradient: Tensor<Buffer>, delta: ConvolutionSide, accumulate: Bool, accumulateBias: Bool
  ) throws {
    try run(weightGradient, inputs: [x]) {
      try reference.convolutionGradient(
        x: x, y: y, geometry, weightGradient: weightGradient, biasGradient: biasGradient, delta: delta,
        accumulate: accumulate, accumulateBias: accumulateBias)
    }
  }
  func tapSums(
    _ weight: Tensor<Buffer>, box: (height: Int, width: Int), turned: Bool, into result: Tensor<Buffer>
  ) throws {
    try run(result, inputs: [weight]) { try reference.tapSums(weight, box: box, turned: turned, into: result) }
  }
  func lossPartialCount(_ geometry: ConvolutionGeometry, samples: Int, result side: ConvolutionSide) -> Int {
    reference.lossPartialCount(geometry, samples: samples, result: side)
  }

  func convolvePooled(
    _ x: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, bias: Tensor<Buffer>?,
    activation: Activation, _ pooling: PoolingGeometry, into y: Tensor<Buffer>, switches: Tensor<Buffer>
  ) throws {
    try run(y, inputs: [weight]) {
      try reference.convolvePooled(
        x, weight, geometry, bias: bias, activation: activation, pooling, into: y, switches: switches)
    }
  }
  func pooledConvolutionGradient(
    x: Tensor<Buffer>, delta: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: ConvolutionGeometry,
    _ pooling: PoolingGeometry, weightGradient: Tensor<Buffer>, biasGradient: Tensor<Buffer>, accumulate: Bool
  ) throws {
    try run(weightGradient, inputs: [x]) {
      try reference.pooledConvolutionGradient(
        x: x, delta: delta, switches: switches, geometry, pooling, weightGradient: weightGradient,
        biasGradient: biasGradient, accumulate: accumulate)
    }
  }

  func maxPool(
    _ x: Tensor<Buffer>, _ geometry: PoolingGeometry, into y: Tensor<Buffer>, switches: Tensor<Buffer>
  ) throws {
    try run(y, inputs: [x]) { try reference.maxPool(x, geometry, into: y, switches: switches) }
  }
  func unpool(
    _ y: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: PoolingGeometry, into x: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    try run(x, inputs: [switches]) { try reference.unpool(y, switches: switches, geometry, into: x, below: below) }
  }
  func pickSwitches(
    _ x: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: PoolingGeometry, into y: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    try run(y, inputs: [switches]) {
      try reference.pickSwitches(x, switches: switches, geometry, into: y, below: below)
    }
  }
  func poolSum(
    _ x: Tensor<Buffer>, _ geometry: PoolingGeometry, mean: Bool, into y: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    try run(y, inputs: [x]) { try reference.poolSum(x, geometry, mean: mean, into: y, below: below) }
  }
  func poolSpread(
    _ y: Tensor<Buffer>, _ geometry: PoolingGeometry, mean: Bool, into x: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    try run(x, inputs: [y]) { try reference.poolSpread(y, geometry, mean: mean, into: x, below: below) }
  }
}
