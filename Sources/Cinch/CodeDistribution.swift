import CinchBackend
import CinchData
import Glibc

/// A distribution of codes, from which new ones are drawn: the prior of a variational autoencoder, or what is fitted to the
/// codes of any other model, a mixture of K normal distributions (Ghosh et al., "From variational to deterministic
/// autoencoders", ICLR 2020, fit theirs so after training).
public struct CodeDistribution: Sendable {
  /// One normal distribution of the mixture: N(`mean`, L·Lᵀ).
  struct Component: Sendable {
    var weight: Double
    var mean: [Double]
    /// L, lower triangular `[units, units]`, row-major.
    var factor: [Double]
  }

  /// Of one code.
  public let units: Int
  /// None for N(0, I).
  let components: [Component]

  /// The most codes that are looked at.
  public static let mostCodes = 10_000
  private static let mostComponents = 1000

  /// N(0, I).
  public static func standardNormal(units: Int) -> CodeDistribution { CodeDistribution(units: units, components: []) }

  private init(units: Int, components: [Component]) {
    self.units = units
    self.components = components
  }

  /// A mixture of normal distributions with full covariances, fitted to the first 10,000 codes by expectation and
  /// maximisation until a round gains less than 10⁻⁴ nats a code, or 100 rounds. A thousandth of the codes' mean variance
  /// is added to every variance, so that units that do not vary are possible.
  ///
  /// - Parameters:
  ///   - codes: as `Autoencoder.encode` gives them.
  ///   - count: K; one takes the codes' own mean and covariance.
  ///   - seed: chooses the codes that the components begin at.
  /// - Throws: `CinchError.usage` where K is less than 1, or more than there are codes.
  public static func fitted(to codes: Dataset, components count: Int = 1, seed: UInt64 = 0) throws -> CodeDistribution {
    let codes = try codes.prefix(mostCodes)
    guard (1...min(mostComponents, codes.count)).contains(count) else {
      throw CinchError.usage(
        "A mixture of \(count) cannot be fitted to \(codes.count) codes: choose 1 to "
          + "\(min(mostComponents, codes.count)).")
    }
    let values = codes.values.map { Double($0) }
    return CodeDistribution(
      units: codes.features, components: MixtureFit(values, units: codes.features).run(count, seed: seed))
  }

  /// Codes drawn from it; the first of more are the same. Normal numbers are Philox's, by code and unit.
  /// - Throws: `CinchError.usage` where `count` or `units` is less than 1.
  func draw(_ count: Int, seed: UInt64) throws -> Dataset {
    guard (1...Permutation.largestCount).contains(count) else {
      throw CinchError.usage("\(count) codes cannot be drawn: choose 1 to \(Permutation.largestCount).")
    }
    guard units >= 1 else { throw CinchError.usage("Codes of \(units) units cannot be drawn: give them 1 or more.") }
    // Floats, and one code in Double; a shape's count is Int.max where it does not fit.
    try HostMemory.require(Shape([count + 2, units, 4]).count, for: "\(count) codes of \(units) units")
    let philox = Philox(seed: seed, stream: .sampling)
    let choice = Philox(seed: seed, stream: .sampling, site: 1)
    var values = [Float](repeating: 0, count: count * units)
    for row in 0..<count {
      let component = component(at: Double(Philox.uniform(choice.word(element: row, step: 0))))
      let normal = (0..<units).map { philox.gaussian(element: row * units + $0, step: 0) }
      for unit in 0..<units {
        var value = component?.mean[unit] ?? 0
        if let factor = component?.factor {
          for other in 0...unit { value += factor[unit * units + other] * normal[other] }
        } else {
          value += normal[unit]
        }
        values[row * units + unit] = Float(value)
      }
    }
    return try Dataset(values: values, count: count, sampleShape: [units], name: "drawn codes")
  }

  /// Each unit's mean and standard deviation.
  var moments: (mean: [Double], deviation: [Double]) {
    if components.isEmpty { return ([Double](repeating: 0, count: units), [Double](repeating: 1, count: units)) }
    let mean = (0..<units).map { unit in components.reduce(0) { $0 + $1.weight * $1.mean[unit] } }
    let deviation = (0..<units).map { unit in
      components.reduce(0) { sum, component in
        let factor = component.factor
        let variance = (0...unit).reduce(0) { $0 + factor[unit * units + $1] * factor[unit * units + $1] }
        let offset = component.mean[unit] - mean[unit]
        return sum + component.weight * (variance + offset * offset)
      }.squareRoot()
    }
    return (mean, deviation)
  }

  /// The component that a number in [0, 1) falls to; nil for N(0, I).
  private func component(at place: Double) -> Component? {
    var sum = 0.0
    for component in components {
      sum += component.weight
      if place < sum { return component }
    }
    return components.last
  }
}

/// Expectation and maximisation.
private struct MixtureFit {
  let values: [Double]
  let units: Int
  let count: Int
  /// What is added to every variance.
  let ridge: Double
  private static let mostRounds = 100

  init(_ values: [Double], units: Int) {
    self.values = values
    self.units = units
    count = values.count / units
    let means = (0..<units).map { unit in
      stride(from: unit, to: values.count, by: units).reduce(0) { $0 + values[$1] } / Double(values.count / units)
    }
    let total = values.indices.reduce(0) { sum, place in
      let d = values[place] - means[place % units]
      return sum + d * d
    }
    ridge = max(1e-3 * total / Double(values.count), 1e-12)
  }

  func run(_ components: Int, seed: UInt64) -> [CodeDistribution.Component] {
    let all = [Double](repeating: 1, count: count)
    guard components > 1 else { return [fit(all)] }
    // Each begins at a code, with the covariance of all of them.
    let order = Permutation(count: count, philox: Philox(seed: seed, stream: .sampling, site: 2), step: 0)
    let factor = fit(all).factor
    var mixture = (0..<components).map { index in
      let start = order(index) * units
      return CodeDistribution.Component(
        weight: 1 / Double(components), mean: Array(values[start..<start + units]), factor: factor)
    }
    var last = -Double.infinity
    for _ in 0..<Self.mostRounds {
      let (shares, logLikelihood) = expectation(mixture)
      mixture = mixture.indices.compactMap { index in
        // One that no code belongs to is given up.
        shares[index].reduce(0, +) < 1e-6 * Double(count) ? nil : fit(shares[index])
      }
      guard logLikelihood - last > 1e-4 else { break }
      last = logLikelihood
    }
    return mixture
  }

  /// Each code's share in each component, and the mean log-likelihood.
  private func expectation(_ mixture: [CodeDistribution.Component]) -> (shares: [[Double]], logLikelihood: Double) {
    var logs = mixture.map { logDensities($0) }
    var total = 0.0
    for row in 0..<count {
      let largest = logs.map { $0[row] }.max() ?? 0
      let sum = logs.reduce(0) { $0 + exp($1[row] - largest) }
      total += largest + log(sum)
      for index in logs.indices { logs[index][row] = exp(logs[index][row] - largest) / sum }
    }
    return (logs, total / Double(count))
  }

  /// log weight + log N(code; mean, L·Lᵀ) of every code, by forward substitution.
  private func logDensities(_ component: CodeDistribution.Component) -> [Double] {
    let factor = component.factor
    let constant =
      log(component.weight) - 0.5 * Double(units) * log(2 * Double.pi)
      - (0..<units).reduce(0) { $0 + log(factor[$1 * units + $1]) }
    var z = [Double](repeating: 0, count: units)
    return (0..<count).map { row in
      var squares = 0.0
      for unit in 0..<units {
        var d = values[row * units + unit] - component.mean[unit]
        for other in 0..<unit { d -= factor[unit * units + other] * z[other] }
        z[unit] = d / factor[unit * units + unit]
        squares += z[unit] * z[unit]
      }
      return constant - 0.5 * squares
    }
  }

  /// The mean and covariance of the codes, each counted by its share.
  private func fit(_ shares: [Double]) -> CodeDistribution.Component {
    let total = shares.reduce(0, +)
    var mean = [Double](repeating: 0, count: units)
    for row in 0..<count {
      for unit in 0..<units { mean[unit] += shares[row] / total * values[row * units + unit] }
    }
    var covariance = [Double](repeating: 0, count: units * units)
    var d = mean
    d.withUnsafeMutableBufferPointer { d in
      covariance.withUnsafeMutableBufferPointer { covariance in
        for row in 0..<count where shares[row] > 0 {
          for unit in 0..<units { d[unit] = values[row * units + unit] - mean[unit] }
          for unit in 0..<units {
            let scaled = shares[row] / total * d[unit]
            let sums = covariance.baseAddress! + unit * units
            for other in 0...unit { sums[other] += scaled * d[other] }
          }
        }
      }
    }
    for unit in 0..<units { covariance[unit * units + unit] += ridge }
    return CodeDistribution.Component(weight: total / Double(count), mean: mean, factor: Self.root(covariance, units))
  }

  /// L of a covariance L·Lᵀ (Cholesky).
  private static func root(_ covariance: [Double], _ units: Int) -> [Double] {
    var factor = [Double](repeating: 0, count: units * units)
    for row in 0..<units {
      for column in 0...row {
        var sum = covariance[row * units + column]
        for other in 0..<column { sum -= factor[row * units + other] * factor[column * units + other] }
        factor[row * units + column] =
          row == column ? max(sum, 1e-300).squareRoot() : sum / factor[column * units + column]
      }
    }
    return factor
  }
}
