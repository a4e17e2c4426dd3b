import Glibc

extension ReferenceBackend: MixedOps {
  public func mixedOutput(
    _ a: Tensor<ReferenceBuffer>, _ columns: OutputColumns<ReferenceBuffer>, into output: Tensor<ReferenceBuffer>
  ) throws {
    try checkMixed("mixedOutput", a, columns, [("the output", output)])
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
    try checkMixed(
      "mixedLoss", a, columns,
      [("the target", target), ("the gradient", gradient), ("the tensor of losses", losses)]
        + (weight.map { [("the weight", $0)] } ?? []))
    counters.launches += 1
    let a = try view(a), x = try view(target), w = try weight.map(view)
    let result = try view(gradient), loss = try view(losses)
    Self.forEachColumn(columns.kinds, of: a.count) { kind, place in
      let logits = place.map { a[$0] }
      let output = kind.output(logits)
      var total = 1.0
      if case .category = kind { total = place.reduce(0) { $0 + x[$1] } }
      for (index, place) in place.enumerated() {
        let weight = w?[place] ?? 1
        let value = kind.loss(logits, index, x[place])
        loss[place] = weight == 0 ? 0 : weight * value
        result[place] = weight == 0 ? 0 : weight * (output[index] * total - x[place]) * gradientScale
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
      let powers = a.map { exp($0 - Self.largest(a)) }
      let sum = powers.reduce(0, +)
      return powers.map { $0 / sum }
    }
  }

  /// The loss at one output, x being its target.
  fileprivate func loss(_ a: [Double], _ index: Int, _ x: Double) -> Double {
    let own = a[index]
    switch self {
    case .number: return (own - x) * (own - x) / 2
    case .binary: return max(own, 0) - own * x + log1p(exp(-abs(own)))
    case .category:
      let largest = Self.largest(a)
      return x == 0 ? 0 : x * (log(a.reduce(0) { $0 + exp($1 - largest) }) - (own - largest))
    }
  }

  /// Taken away first, so that exp cannot overflow; the quotient is the same. A NaN spreads to all.
  private static func largest(_ a: [Double]) -> Double { a.contains { $0.isNaN } ? .nan : a.max() ?? 0 }
}
