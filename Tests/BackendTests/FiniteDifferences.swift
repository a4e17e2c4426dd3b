import CinchBackend
import Testing

/// A function of several numbers with the gradient that Cinch's ops claim for it.
struct GradientCase: Sendable, CustomTestStringConvertible {
  typealias Evaluation = (value: Double, gradient: [Double])

  let name: String
  let start: [Double]
  let evaluate: @Sendable (ReferenceBackend, [Double]) throws -> Evaluation

  var testDescription: String { name }

  /// The largest difference between the claimed gradient and central differences, relative to the largest
  /// component.
  ///
  /// With steps of 2⁻¹⁶ the differences err by about step²·f‴ ≈ 2e-10 and by ulp(f)/step ≈ 1e-11, so 1e-6 leaves
  /// room for neither a wrong factor nor a missing term.
  func relativeError() throws -> Double {
    let backend = ReferenceBackend()
    let claimed = try evaluate(backend, start).gradient
    try #require(claimed.count == start.count)
    let step = 0x1p-16
    var worst = 0.0
    var largest = 0.0
    for i in start.indices {
      var ahead = start, behind = start
      ahead[i] += step
      behind[i] -= step
      let difference = try (evaluate(backend, ahead).value - evaluate(backend, behind).value) / (2 * step)
      // `max` would let a NaN pass.
      try #require(difference.isFinite && claimed[i].isFinite)
      worst = max(worst, abs(difference - claimed[i]))
      largest = max(largest, abs(difference), abs(claimed[i]))
    }
    try #require(largest > 1e-3, "a gradient of zero proves nothing")
    return worst / largest
  }
}

/// `count` numbers in [−bound, bound), none closer to zero than a tenth of it: kinks lie there.
func numbers(_ count: Int, bound: Double = 1, step: UInt64) -> [Double] {
  let philox = Philox(seed: 11, stream: .test)
  return (0..<count).map { element in
    let signed = 2 * Double(Philox.uniform(philox.word(element: element, step: step))) - 1
    return bound * (signed < 0 ? signed * 0.9 - 0.1 : signed * 0.9 + 0.1)
  }
}

func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
