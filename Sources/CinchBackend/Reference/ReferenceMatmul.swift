extension ReferenceBackend {
  public func matmul(
    _ a: Tensor<ReferenceBuffer>, transposeA: Bool, _ b: Tensor<ReferenceBuffer>, transposeB: Bool,
    into c: Tensor<ReferenceBuffer>, epilogue: Epilogue<ReferenceBuffer>
  ) throws {
    let (m, n, k) = try checkMatmul(
      a, transposeA: transposeA, b, transposeB: transposeB, into: c, epilogue: epilogue,
      partialCount: lossPartialCount)
    counters.launches += 1
    let left = try view(a), right = try view(b), result = try view(c)
    let finish = try ElementEpilogue(epilogue, on: self)
    // How far apart a row's elements lie in A, and a column's in B.
    let (alongA, alongB) = (transposeA ? m : 1, transposeB ? 1 : n)
    for i in 0..<m {
      for j in 0..<n {
        var sum = 0.0
        var (p, q) = (transposeA ? i : i * k, transposeB ? j * k : j)
        for _ in 0..<k {
          sum += left[p] * right[q]
          p += alongA
          q += alongB
        }
        let index = i * n + j
        result[index] = finish(sum, held: result[index], index: index, column: j, sample: i, features: n)
      }
    }
  }

  public func denseGradient(
    delta: Tensor<ReferenceBuffer>, input: Tensor<ReferenceBuffer>, weightGradient: Tensor<ReferenceBuffer>,
    biasGradient: Tensor<ReferenceBuffer>, scale: Double, accumulate: Bool, accumulateBias: Bool,
    rowPull: RowPull<ReferenceBuffer>?
  ) throws {
    let (samples, inputs, outputs) = try checkDenseGradient(
      delta: delta, input: input, weightGradient: weightGradient, biasGradient: biasGradient, rowPull: rowPull)
    counters.launches += 1
    let d = try view(delta), x = try view(input)
    let dW = try view(weightGradient), db = try view(biasGradient)
    let pull = try (rowPull?.scale).map(view), weight = try (rowPull?.weight).map(view)
    for j in 0..<outputs {
      var bias = 0.0
      for s in 0..<samples { bias += d[s * outputs + j] }
      db[j] = accumulateBias ? db[j] + scale * bias : scale * bias
      for i in 0..<inputs {
        var sum = 0.0
        for s in 0..<samples { sum += d[s * outputs + j] * x[s * inputs + i] }
        sum *= scale
        if let rowPull, let pull, let weight { sum += rowPull.factor * pull[j] * weight[j * inputs + i] }
        dW[j * inputs + i] = accumulate ? dW[j * inputs + i] + sum : sum
      }
    }
  }

  /// One partial sum per sample.
  public func lossPartialCount(rows: Int, columns: Int) -> Int { rows }
}

/// What an `Epilogue` does to one element of a product or a convolution.
struct ElementEpilogue {
  private enum Kind {
    case store, add
    case forward(UnsafeMutableBufferPointer<Double>?, Activation)
    case backward(ActivationGradientElement)
    case loss(FusedLossElement)
  }
  private let kind: Kind

  init(_ epilogue: Epilogue<ReferenceBuffer>, on backend: ReferenceBackend) throws {
    switch epilogue {
    case .none: kind = .store
    case .accumulate: kind = .add
    case .forward(let bias, let activation): kind = .forward(try bias.map(backend.view), activation)
    case .backward(let terms): kind = .backward(try ActivationGradientElement(terms, on: backend))
    case .loss(let loss): kind = .loss(try FusedLossElement(loss, on: backend))
    }
  }

  /// - Parameters:
  ///   - column: the unit or channel, for terms that all samples and pixels share.
  ///   - features: the elements of one sample.
  func callAsFunction(
    _ product: Double, held: Double, index: Int, column: Int, sample: Int, features: Int
  ) -> Double {
    switch kind {
    case .store: product
    case .add: held + product
    case .forward(let bias, let activation): activation.value(product + (bias?[column] ?? 0))
    case .backward(let terms): terms(product, index: index, column: column)
    case .loss(let loss):
      loss.gradient(product, index: index, column: column, sample: sample, features: features)
    }
  }
}
