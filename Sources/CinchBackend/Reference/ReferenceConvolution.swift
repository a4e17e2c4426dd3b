extension ReferenceBackend: ConvolutionOps {
  public func convolve(
    _ x: Tensor<ReferenceBuffer>, _ weight: Tensor<ReferenceBuffer>, _ geometry: ConvolutionGeometry,
    into y: Tensor<ReferenceBuffer>, epilogue: Epilogue<ReferenceBuffer>
  ) throws {
    let samples = try checkConvolution(
      large: x, small: y, weight: weight, geometry, epilogue: epilogue, result: .small, partialCount: lossPartialCount)
    counters.launches += 1
    let large = try view(x), w = try view(weight)
    var sums = [Double](repeating: 0, count: y.count)
    geometry.forEachMeeting(samples) { pixel, outputPixel, tap in
      for k in 0..<geometry.outputChannels {
        for c in 0..<geometry.channels {
          sums[outputPixel * geometry.outputChannels + k] +=
            large[pixel * geometry.channels + c] * w[(tap * geometry.channels + c) * geometry.outputChannels + k]
        }
      }
    }
    try finish(sums, samples: samples, channels: geometry.outputChannels, into: y, epilogue)
  }

  public func convolveTransposed(
    _ y: Tensor<ReferenceBuffer>, _ weight: Tensor<ReferenceBuffer>, _ geometry: ConvolutionGeometry,
    into x: Tensor<ReferenceBuffer>, epilogue: Epilogue<ReferenceBuffer>
  ) throws {
    let samples = try checkConvolution(
      large: x, small: y, weight: weight, geometry, epilogue: epilogue, result: .large, partialCount: lossPartialCount)
    counters.launches += 1
    let small = try view(y), w = try view(weight)
    var sums = [Double](repeating: 0, count: x.count)
    geometry.forEachMeeting(samples) { pixel, outputPixel, tap in
      for c in 0..<geometry.channels {
        for k in 0..<geometry.outputChannels {
          sums[pixel * geometry.channels + c] +=
            small[outputPixel * geometry.outputChannels + k]
            * w[(tap * geometry.channels + c) * geometry.outputChannels + k]
        }
      }
    }
    try finish(sums, samples: samples, channels: geometry.channels, into: x, epilogue)
  }

  public func convolutionGradient(
    x: Tensor<ReferenceBuffer>, y: Tensor<ReferenceBuffer>, _ geometry: ConvolutionGeometry,
    weightGradient: Tensor<ReferenceBuffer>, biasGradient: Tensor<ReferenceBuffer>, delta: ConvolutionSide,
    accumulate: Bool, accumulateBias: Bool
  ) throws {
    let samples = try checkConvolutionGradient(
      x: x, y: y, geometry, weightGradient: weightGradient, biasGradient: biasGradient, delta: delta)
    counters.launches += 1
    let large = try view(x), small = try view(y)
    let dW = try view(weightGradient), db = try view(biasGradient)
    var sums = [Double](repeating: 0, count: weightGradient.count)
    geometry.forEachMeeting(samples) { pixel, outputPixel, tap in
      for c in 0..<geometry.channels {
        for k in 0..<geometry.outputChannels {
          sums[(tap * geometry.channels + c) * geometry.outputChannels + k] +=
            large[pixel * geometry.channels + c] * small[outputPixel * geometry.outputChannels + k]
        }
      }
    }
    for i in 0..<dW.count { dW[i] = accumulate ? dW[i] + sums[i] : sums[i] }
    if !accumulateBias { db.update(repeating: 0) }
    for (i, value) in (delta == .large ? large : small).enumerated() { db[i % db.count] += value }
  }

  public func tapSums(
    _ weight: Tensor<ReferenceBuffer>, box: (height: Int, width: Int), turned: Bool,
    into result: Tensor<ReferenceBuffer>
  ) throws {
    let (top, left) = try checkTapSums(weight, box: box, turned: turned, into: result)
    counters.launches += 1
    let from = weight.shape.dimensions, to = result.shape.dimensions
    let taps = try view(weight), sums = try view(result)
    for u in 0..<to[0] {
      for v in 0..<to[1] {
        for c in 0..<from[2] {
          for k in 0..<from[3] {
            var sum = 0.0
            for row in u - top..<u - top + box.height where (0..<from[0]).contains(row) {
              for column in v - left..<v - left + box.width where (0..<from[1]).contains(column) {
                sum += taps[((row * from[1] + column) * from[2] + c) * from[3] + k]
              }
            }
            if turned {
              sums[(((to[0] - 1 - u) * to[1] + to[1] - 1 - v) * from[3] + k) * from[2] + c] = sum
            } else {
              sums[((u * to[1] + v) * from[2] + c) * from[3] + k] = sum
            }
          }
        }
      }
    }
  }

  /// One partial sum per sample.
  public func lossPartialCount(_ geometry: ConvolutionGeometry, samples: Int, result side: ConvolutionSide) -> Int {
    samples
  }

  private func finish(
    _ sums: [Double], samples: Int, channels: Int, into image: Tensor<ReferenceBuffer>,
    _ epilogue: Epilogue<ReferenceBuffer>
  ) throws {
    let result = try view(image), element = try ElementEpilogue(epilogue, on: self)
    for i in 0..<result.count {
      result[i] = element(
        sums[i], held: result[i], index: i, column: i % channels, sample: i / image.columns, features: image.columns)
    }
  }
}

extension ConvolutionGeometry {
  /// Every pixel of the large image with every pixel of the small one that a tap of the kernel makes meet: the sum
  /// that all three modes share. Pixels count through the samples, row by row; taps row by row.
  func forEachMeeting(_ samples: Int, _ body: (_ pixel: Int, _ outputPixel: Int, _ tap: Int) -> Void) {
    for n in 0..<samples {
      for i in 0..<outputHeight {
        for j in 0..<outputWidth {
          for u in 0..<kernelHeight {
            for v in 0..<kernelWidth {
              let row = i * strideHeight + u * dilationHeight - top
              let column = j * strideWidth + v * dilationWidth - left
              guard row >= 0, row < height, column >= 0, column < width else { continue }
              body((n * height + row) * width + column, (n * outputHeight + i) * outputWidth + j, u * kernelWidth + v)
            }
          }
        }
      }
    }
  }
}
