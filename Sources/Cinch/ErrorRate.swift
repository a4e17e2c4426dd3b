/// The fraction of samples whose class was told wrong, with its interval of 95 %: e ± 1.96·√(e(1 − e)/n).
public struct ErrorRate: Sendable, Hashable {
  /// e, between 0 and 1.
  public var error: Double
  /// n.
  public var samples: Int

  public init(error: Double, samples: Int) {
    self.error = error
    self.samples = samples
  }

  /// Half of the interval's width; 0 where rounding takes e out of [0, 1].
  public var interval: Double { 1.96 * (max(0, error * (1 - error)) / Double(samples)).squareRoot() }
}
