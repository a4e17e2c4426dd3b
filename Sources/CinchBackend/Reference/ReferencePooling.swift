extension ReferenceBackend: PoolingOps {
  public func maxPool(
    _ x: Tensor<ReferenceBuffer>, _ geometry: PoolingGeometry, into y: Tensor<ReferenceBuffer>,
    switches: Tensor<ReferenceBuffer>
  ) throws {
    let samples = try checkPooling("maxPool", large: x, small: y, switches: switches, geometry, result: .small)
    counters.launches += 1
    let large = try view(x), small = try view(y), chosen = try view(switches)
    geometry.forEachWindow(samples) { window, pixels in
      var best = 0
      for i in 1..<pixels.count {
        let value = large[pixels[i].index], largest = large[pixels[best].index]
        // Nothing follows the first NaN, and only a larger value replaces one that came before.
        if !largest.isNaN && (value.isNaN || value > largest) { best = i }
      }
      small[window] = large[pixels[best].index]
      chosen[window] = Double(pixels[best].place)
    }
  }

  public func unpool(
    _ y: Tensor<ReferenceBuffer>, switches: Tensor<ReferenceBuffer>, _ geometry: PoolingGeometry,
    into x: Tensor<ReferenceBuffer>, below: ActivationGradient<ReferenceBuffer>?
  ) throws {
    let samples = try checkPooling(
      "unpool", large: x, small: y, switches: switches, geometry, below: below, result: .large)
    counters.launches += 1
    let small = try view(y), chosen = try view(switches)
    var sums = [Double](repeating: 0, count: x.count)
    geometry.forEachWindow(samples) { window, pixels in
      for pixel in pixels where Double(pixel.place) == chosen[window] { sums[pixel.index] += small[window] }
    }
    try finish(sums, channels: geometry.channels, into: x, below)
  }

  public func pickSwitches(
    _ x: Tensor<ReferenceBuffer>, switches: Tensor<ReferenceBuffer>, _ geometry: PoolingGeometry,
    into y: Tensor<ReferenceBuffer>, below: ActivationGradient<ReferenceBuffer>?
  ) throws {
    let samples = try checkPooling(
      "pickSwitches", large: x, small: y, switches: switches, geometry, below: below, result: .small)
    counters.launches += 1
    let large = try view(x), chosen = try view(switches)
    var picked = [Double](repeating: 0, count: y.count)
    geometry.forEachWindow(samples) { window, pixels in
      for pixel in pixels where Double(pixel.place) == chosen[window] { picked[window] = large[pixel.index] }
    }
    try finish(picked, channels: geometry.channels, into: y, below)
  }

  public func poolSum(
    _ x: Tensor<ReferenceBuffer>, _ geometry: PoolingGeometry, mean: Bool, into y: Tensor<ReferenceBuffer>,
    below: ActivationGradient<ReferenceBuffer>?
  ) throws {
    let samples = try checkPooling("poolSum", large: x, small: y, geometry, below: below, result: .small)
    counters.launches += 1
    let large = try view(x)
    var sums = [Double](repeating: 0, count: y.count)
    geometry.forEachWindow(samples) { window, pixels in
      for pixel in pixels { sums[window] += large[pixel.index] }
      if mean { sums[window] /= Double(pixels.count) }
    }
    try finish(sums, channels: geometry.channels, into: y, below)
  }

  public func poolSpread(
    _ y: Tensor<ReferenceBuffer>, _ geometry: PoolingGeometry, mean: Bool, into x: Tensor<ReferenceBuffer>,
    below: ActivationGradient<ReferenceBuffer>?
  ) throws {
    let samples = try checkPooling("poolSpread", large: x, small: y, geometry, below: below, result: .large)
    counters.launches += 1
    let small = try view(y)
    var sums = [Double](repeating: 0, count: x.count)
    geometry.forEachWindow(samples) { window, pixels in
      let share = mean ? small[window] / Double(pixels.count) : small[window]
      for pixel in pixels { sums[pixel.index] += share }
    }
    try finish(sums, channels: geometry.channels, into: x, below)
  }

  private func finish(
    _ values: [Double], channels: Int, into image: Tensor<ReferenceBuffer>,
    _ below: ActivationGradient<ReferenceBuffer>?
  ) throws {
    let result = try view(image), element = try below.map { try ActivationGradientElement($0, on: self) }
    for i in 0..<result.count {
      result[i] = element?(values[i], index: i, column: i % channels) ?? values[i]
    }
  }
}

extension PoolingGeometry {
  /// Every element of the small image with the elements of the large one in its window, row by row, each with its
  /// place in the window, u·kernelWidth + v.
  func forEachWindow(_ samples: Int, _ body: (_ window: Int, _ pixels: [(index: Int, place: Int)]) -> Void) {
    for n in 0..<samples {
      for i in 0..<outputHeight {
        for j in 0..<outputWidth {
          for c in 0..<channels {
            var pixels: [(index: Int, place: Int)] = []
            for u in 0..<kernelHeight {
              for v in 0..<kernelWidth {
                let row = i * strideHeight - top + u, column = j * strideWidth - left + v
                guard row >= 0, row < height, column >= 0, column < width else { continue }
                pixels.append((((n * height + row) * width + column) * channels + c, u * kernelWidth + v))
              }
            }
            body(((n * outputHeight + i) * outputWidth + j) * channels + c, pixels)
          }
        }
      }
    }
  }
}
