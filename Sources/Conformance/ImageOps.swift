import CinchBackend

// The ops of images on a backend that may lack them. This file goes when `Backend` includes `ConvolutionOps` and
// `PoolingOps`: the cases call the same methods under the same names.

extension Backend {
  private var convolution: any ConvolutionOps {
    get throws {
      guard let ops = self as? any ConvolutionOps else {
        throw BackendError.unavailable("\(info.name) has no convolution.")
      }
      return ops
    }
  }
  private var pooling: any PoolingOps {
    get throws {
      guard let ops = self as? any PoolingOps else { throw BackendError.unavailable("\(info.name) has no pooling.") }
      return ops
    }
  }

  func convolve(
    _ x: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, into y: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>
  ) throws {
    func call<O: ConvolutionOps>(_ ops: O) throws {
      try ops.convolve(same(x), same(weight), geometry, into: same(y), epilogue: same(epilogue))
    }
    try call(convolution)
  }

  func convolveTransposed(
    _ y: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, into x: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>
  ) throws {
    func call<O: ConvolutionOps>(_ ops: O) throws {
      try ops.convolveTransposed(same(y), same(weight), geometry, into: same(x), epilogue: same(epilogue))
    }
    try call(convolution)
  }

  func convolutionGradient(
    x: Tensor<Buffer>, y: Tensor<Buffer>, _ geometry: ConvolutionGeometry, weightGradient: Tensor<Buffer>,
    biasGradient: Tensor<Buffer>, delta: ConvolutionSide, accumulate: Bool
  ) throws {
    func call<O: ConvolutionOps>(_ ops: O) throws {
      try ops.convolutionGradient(
        x: same(x), y: same(y), geometry, weightGradient: same(weightGradient), biasGradient: same(biasGradient),
        delta: delta, accumulate: accumulate)
    }
    try call(convolution)
  }

  func lossPartialCount(_ geometry: ConvolutionGeometry, samples: Int, result side: ConvolutionSide) -> Int {
    (self as? any ConvolutionOps)?.lossPartialCount(geometry, samples: samples, result: side) ?? 1
  }

  func maxPool(
    _ x: Tensor<Buffer>, _ geometry: PoolingGeometry, into y: Tensor<Buffer>, switches: Tensor<Buffer>
  ) throws {
    func call<O: PoolingOps>(_ ops: O) throws {
      try ops.maxPool(same(x), geometry, into: same(y), switches: same(switches))
    }
    try call(pooling)
  }

  func unpool(
    _ y: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: PoolingGeometry, into x: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    func call<O: PoolingOps>(_ ops: O) throws {
      try ops.unpool(same(y), switches: same(switches), geometry, into: same(x), below: same(below))
    }
    try call(pooling)
  }

  func pickSwitches(
    _ x: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: PoolingGeometry, into y: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    func call<O: PoolingOps>(_ ops: O) throws {
      try ops.pickSwitches(same(x), switches: same(switches), geometry, into: same(y), below: same(below))
    }
    try call(pooling)
  }

  func poolSum(
    _ x: Tensor<Buffer>, _ geometry: PoolingGeometry, mean: Bool, into y: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    func call<O: PoolingOps>(_ ops: O) throws {
      try ops.poolSum(same(x), geometry, mean: mean, into: same(y), below: same(below))
    }
    try call(pooling)
  }

  func poolSpread(
    _ y: Tensor<Buffer>, _ geometry: PoolingGeometry, mean: Bool, into x: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?
  ) throws {
    func call<O: PoolingOps>(_ ops: O) throws {
      try ops.poolSpread(same(y), geometry, mean: mean, into: same(x), below: same(below))
    }
    try call(pooling)
  }
}

/// A value under another name of its type: the two buffers are those of one backend.
private func same<Old, New>(_ value: Old) -> New {
  guard let value = value as? New else { preconditionFailure("\(Old.self) is not \(New.self)") }
  return value
}
