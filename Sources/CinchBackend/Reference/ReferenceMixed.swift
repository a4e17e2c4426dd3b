import Glibc

extension ReferenceBackend: MixedOps {
  public func mixedOutput(
    _ a: Tensor<ReferenceBuffer>, _ columns: OutputColumns<ReferenceBuffer>, into output: Tensor<ReferenceBuffer>
  ) throws {
    try checkMixedOutput(a, columns, into: output)
    counters.launches += 1
    let a = try view(a), result = try view(output)
    Self.forEachColumn(columns.kinds, of: a.count) { kind, place in
      for (index, value) in zip(place, kind.output(place.map { a[$0] })) { result[index] = value }
    }
  }

  public func mixedLoss(
    _ a: Tensor<ReferenceBuffer>, _ columns: OutputColumns<ReferenceBuffer>, target: Tensor<ReferenceBuffer>,
    weight: Tensor<ReferenceBuffer>?, gradientScale: Double, gradient: Tensor<ReferenceBuffer>,
    losses: Tensor<ReferenceBuffer>
  ) throws {
    try checkMixedLoss(a, columns, target: target, weight: weight, gradient: gradient, losses: losses)
    counters.launches += 1
    let a = try view(a), x = try view(target), w = try weight.map(view)
    let result = try view(gradient), loss = try view(losses)
    Self.forEachColumn(columns.kinds, of: a.count) { kind, place in
      let logits = place.map { a[$0] }, target = place.map { x[$0] }
      let output = kind.output(logits), values = kind.losses(logits, target)
      var total = 1.0
      if case .category = kind { total = target.reduce(0, +) }
      for (index, place) in place.enumerated() {
        let weight = w?[place] ?? 1
        loss[place] = weight == 0 ? 0 : weight * values[index]
        result[place] = weight == 0 ? 0 : weight * (output[index] * total - target[index]) * gradientScale
      }
    }
  }

  /// The places of each column's outputs, row by row.
  private static func forEachColumn(_ kinds: [OutputColumn], of count: Int, _ body: (OutputColumn, Range<Int>) -> Void)
  {
    var start = 0
    while start < count {
      for kind in kinds {
        body(kind, start..<start + kind.width)
        start += kind.width
      }
    }
  }
}

extension OutputColumn {
  /// x̂.
  fileprivate func output(_ a: [Double]) -> [Double] {
    switch self {
    case .number: return a
    case .binary: return a.map { Activation.sigmoid.value($0) }
    case .category:
      let largest = Self.largest(a)
      let powers = a.map { exp($0 - largest) }
      let sum = powers.reduce(0, +)
      return powers.map { $0 / sum }
    }
  }

  /// The loss at each output, x being the targets.
  fileprivate func losses(_ a: [Double], _ x: [Double]) -> [Double] {
    switch self {
    case .number: return zip(a, x).map { ($0 - $1) * ($0 - $1) / 2 }
    case .binary: return zip(a, x).map { max($0, 0) - $0 * $1 + log1p(exp(-abs($0))) }
    case .category:
      let largest = Self.largest(a)
      let logSum = log(a.reduce(0) { $0 + exp($1 - largest) })
      return zip(a, x).map { $1 == 0 ? 0 : $1 * (logSum - ($0 - largest)) }
    }
  }

  /// Taken away first, so that exp cannot overflow; the quotient is the same. A NaN spreads to all.
  private static func largest(_ a: [Double]) -> Double { a.contains { $0.isNaN } ? .nan : a.max() ?? 0 }
}
