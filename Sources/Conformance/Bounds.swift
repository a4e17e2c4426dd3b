import CinchBackend
import Glibc

/// How far a result may lie from the reference's: the one place where tolerances are made.
///
/// A bound comes from running error analysis (Higham, "Accuracy and Stability of Numerical Algorithms", §3.3), to
/// first order: the case repeats an op's formula on estimates, and every operation adds its own rounding to what
/// it inherits. Errors are counted in multiples of ε, the distance from 1 to the next scalar:
///
/// - A correctly rounded operation errs by at most ε/2 of its result; a full ε is allowed, so that a formula may be
///   reordered, fused, or use a reciprocal. Division and √ get 3ε: OpenCL allows 2.5 and 3 ulp.
/// - A sum of K terms errs by at most K·ε/2·Σ|terms| in any order, and by λ√K·ε/2·Σ|terms| with probability
///   1 − 2exp(−λ²/2) (Higham & Mary, SIAM J. Sci. Comput. 41, 2019). λ = 4 gives 2√K·ε·Σ|terms|; an order in which
///   no partial sum reaches Σ|terms| stays far below.
/// - A reduction adds up at most 1024 terms plainly. What rounding takes from the sum of such stretches must be added up
///   beside it (TwoSum: ε/2, and terms of ε²), so no more than 2√1024·ε·Σ|terms| is allowed, however many rows there are.
/// - A product adds up at most 2048 terms plainly, and then such sums: 2(√2048 + √(K/2048))·ε·Σ|terms|.
/// - exp, log and their kin get what OpenCL's full profile allows: 3 ulp for exp, log and expm1, 2 for log1p.
///   sigmoid = 1/(1 + e⁻ᵃ) then errs by 3 + 1 + 2.5 < 8 ulp. tanh gets 8 ulp and softplus 8 (exp and log1p, and a
///   sum), both plus 2ε absolutely: the usual formulas pass through a number near 1.
/// - Constants given as Double are rounded once: ε.
/// - Masks, copies, permutations and Bernoulli draws are exact.
struct Estimate {
  var value: Double
  /// In multiples of ε.
  var error: Double

  init(_ value: Double, error: Double) {
    self.value = value
    self.error = error
  }

  /// A scalar on the device.
  static func exact(_ value: Double) -> Estimate { Estimate(value, error: 0) }
  /// A Double that the device rounds.
  static func rounded(_ value: Double) -> Estimate { Estimate(value, error: abs(value)) }

  static func + (a: Estimate, b: Estimate) -> Estimate {
    Estimate(a.value + b.value, error: a.error + b.error + abs(a.value + b.value))
  }
  static func - (a: Estimate, b: Estimate) -> Estimate { a + Estimate(-b.value, error: b.error) }
  static func * (a: Estimate, b: Estimate) -> Estimate {
    let product = a.value * b.value
    return Estimate(product, error: abs(a.value) * b.error + abs(b.value) * a.error + abs(product))
  }
  static func / (a: Estimate, b: Estimate) -> Estimate {
    let quotient = a.value / b.value
    return Estimate(quotient, error: (a.error + abs(quotient) * b.error) / abs(b.value) + 3 * abs(quotient))
  }

  /// A function of known slope at this value, with `ulps` of its own and `absolute` on top.
  func mapped(_ value: Double, slope: Double, ulps: Double, absolute: Double = 0) -> Estimate {
    Estimate(value, error: abs(slope) * error + ulps * abs(value) + absolute)
  }

  var exponential: Estimate { mapped(exp(value), slope: exp(value), ulps: 3) }
  var logarithm: Estimate { mapped(log(value), slope: 1 / value, ulps: 3) }
  var root: Estimate { mapped(value.squareRoot(), slope: value > 0 ? 0.5 / value.squareRoot() : 0, ulps: 3) }

  /// The sum, in any order of which no stretch is long.
  static func sum(_ terms: [Estimate]) -> Estimate {
    var value = 0.0
    var inherited = 0.0
    var magnitude = 0.0
    for term in terms {
      value += term.value
      inherited += term.error
      magnitude += abs(term.value)
    }
    return Estimate(value, error: inherited + Bounds.reduction(terms.count, magnitude: magnitude))
  }
}

enum Bounds {
  /// Twice the smallest normal Float: what a device may lose that flushes smaller results to zero, or that bounds
  /// exp's argument so as not to meet them.
  static let underflow = 0x1p-125

  /// Of a reduction of `terms` terms whose magnitudes add up to `magnitude`.
  static func reduction(_ terms: Int, magnitude: Double) -> Double {
    2 * Double(min(terms, 1024)).squareRoot() * magnitude
  }

  /// Of an element of a product, likewise.
  static func summation(_ terms: Int, magnitude: Double) -> Double {
    let stretch = 2048.0, terms = Double(terms)
    let roots = terms <= stretch ? terms.squareRoot() : stretch.squareRoot() + (terms / stretch).squareRoot()
    return 2 * roots * magnitude
  }

  /// Op(A)·op(B), each element with its bound.
  static func product(
    _ a: [Double], transposeA: Bool, _ b: [Double], transposeB: Bool, m: Int, n: Int, k: Int
  ) -> [Estimate] {
    let (alongA, alongB) = (transposeA ? m : 1, transposeB ? 1 : n)
    var result: [Estimate] = []
    for i in 0..<m {
      for j in 0..<n {
        var sum = 0.0
        var magnitude = 0.0
        var (p, q) = (transposeA ? i : i * k, transposeB ? j * k : j)
        for _ in 0..<k {
          let term = a[p] * b[q]
          sum += term
          magnitude += term.magnitude
          p += alongA
          q += alongB
        }
        result.append(Estimate(sum, error: summation(k, magnitude: magnitude)))
      }
    }
    return result
  }
}

extension Activation {
  /// f(a).
  func estimate(_ a: Estimate) -> Estimate {
    let output = value(a.value)
    let slope = abs(a.value) < 700 ? slope(output: output) : 1
    return switch self {
    case .linear: a
    case .sigmoid: a.mapped(output, slope: slope, ulps: 8)
    // Continuous, so a sign that rounding flips costs no more than the rounding.
    case .relu: a.mapped(output, slope: 1, ulps: 0)
    case .leakyReLU: a.mapped(output, slope: 1, ulps: 2)
    case .tanh, .softplus: a.mapped(output, slope: slope, ulps: 8, absolute: 2)
    }
  }

  /// f′(a), from h.
  func slopeEstimate(_ h: Estimate) -> Estimate {
    let one = Estimate.exact(1)
    switch self {
    case .linear: return one
    case .sigmoid: return h * (one - h)
    case .tanh: return one - h * h
    case .softplus: return one - Estimate(-h.value, error: h.error).exponential
    case .relu, .leakyReLU:
      // Where rounding decides on which side of the kink h lies, either slope is right.
      let undecided = h.error > 0 && abs(h.value) <= h.error * 0x1p-23
      return Estimate(slope(output: h.value), error: undecided ? 0x1p23 : self == .relu ? 0 : 0.01)
    }
  }

  /// f″(a), from h.
  func curvatureEstimate(_ h: Estimate) -> Estimate {
    switch self {
    case .linear, .relu, .leakyReLU: return .exact(0)
    case .sigmoid: return h * (.exact(1) - h) * (.exact(1) - .exact(2) * h)
    case .tanh: return .exact(-2) * h * (.exact(1) - h * h)
    case .softplus:
      let e = Estimate(-h.value, error: h.error).exponential
      return e * (.exact(1) - e)
    }
  }
}

extension ReconstructionLoss {
  /// One element's loss and its derivative by a, times its weight if it has one.
  func estimate(
    _ a: Estimate, target: Double, _ activation: Activation, columns: Int, logVariance: Double?, weight: Double?
  ) -> (loss: Estimate, gradient: Estimate) {
    if weight == 0 { return (.exact(0), .exact(0)) }
    let element = estimate(a, target: target, activation, columns: columns, logVariance: logVariance)
    guard let weight else { return element }
    return (element.loss * .exact(weight), element.gradient * .exact(weight))
  }

  private func estimate(
    _ a: Estimate, target: Double, _ activation: Activation, columns: Int, logVariance: Double?
  ) -> (loss: Estimate, gradient: Estimate) {
    let output = activation.estimate(a), difference = output - .exact(target)
    let slope = activation.slopeEstimate(output)
    switch self {
    case .sse: return (.exact(0.5) * difference * difference, difference * slope)
    case .mse:
      let share = Estimate.rounded(1 / Double(columns))
      return (difference * difference * share, .exact(2) * difference * slope * share)
    case .bce:
      let positive = Activation.relu.estimate(a)
      let tail = Activation.softplus.estimate(Estimate(-abs(a.value), error: a.error))
      return (positive - a * .exact(target) + tail, difference)
    case .gaussian:
      let s = Estimate.exact(logVariance ?? 0), precision = (.exact(0) - s).exponential
      let normaliser = Estimate.rounded(log(2 * Double.pi)) + s
      return (
        .exact(0.5) * (difference * difference * precision) + .exact(0.5) * normaliser, difference * slope * precision
      )
    }
  }
}
