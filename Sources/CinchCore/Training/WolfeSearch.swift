/// Finds how far to go along a direction of descent, so that the strong Wolfe conditions hold:
///
///     φ(α) ≤ φ(0) + c₁ α φ′(0)     |φ′(α)| ≤ c₂ |φ′(0)|
///
/// φ(α) being the objective at x + αd. Steps grow until an interval is known to hold such an α, which is then narrowed
/// down (Nocedal & Wright, "Numerical Optimization", 2nd ed., algorithms 3.5 and 3.6); either way the next step is the
/// minimiser of the cubic through the last two values and slopes, kept within bounds.
struct WolfeSearch: Sendable {
  /// α, φ(α) and φ′(α).
  struct Point: Sendable, Hashable {
    var step: Double
    var value: Double
    var slope: Double

    var isFinite: Bool { value.isFinite && slope.isFinite }
  }

  /// c₁.
  var decrease = 1e-4
  /// c₂.
  var curvature = 0.9
  var mostTrials = 25

  /// - Parameters:
  ///   - start: φ(0), whose slope is below 0.
  ///   - first: the step that is tried first.
  ///   - trial: the point of a step. One that is not finite counts as too far.
  /// - Returns: where both conditions hold; where no trial has come to that, the lowest point with the first one; nil where
  ///   there is none.
  func run(from start: Point, first: Double, _ trial: (Double) throws -> Point) rethrows -> Point? {
    var trials = mostTrials
    var last = start
    var step = first
    while trials > 0 {
      trials -= 1
      let point = try trial(step)
      guard isLower(point, start), last.step == 0 || point.value < last.value else {
        return try narrow(from: last, to: point, start, &trials, trial)
      }
      if isFlat(point, start) { return point }
      if point.slope >= 0 { return try narrow(from: point, to: last, start, &trials, trial) }
      // Two to ten times as far from the last point.
      let stride = point.step - last.step
      let cubic = Self.minimiser(last, point) ?? .infinity
      step = min(max(cubic, point.step + stride), point.step + 9 * stride)
      last = point
    }
    return last.step > 0 ? last : nil
  }

  /// - Parameters:
  ///   - low: the lowest point so far with sufficient decrease, or the start; its slope points to `high`.
  ///   - high: the other end of an interval that holds a step with both conditions.
  private func narrow(
    from low: Point, to high: Point, _ start: Point, _ trials: inout Int, _ trial: (Double) throws -> Point
  ) rethrows -> Point? {
    var (low, high) = (low, high)
    while trials > 0 {
      trials -= 1
      let (near, far) = (min(low.step, high.step), max(low.step, high.step))
      // At least a tenth of the interval away from its ends, so that it shrinks.
      let margin = 0.1 * (far - near)
      guard margin > 0, near + margin > near, far - margin < far else { break }
      let cubic = high.isFinite ? Self.minimiser(low, high) : nil
      let point = try trial(min(max(cubic ?? (near + far) / 2, near + margin), far - margin))
      guard isLower(point, start), point.value < low.value else {
        high = point
        continue
      }
      if isFlat(point, start) { return point }
      if point.slope * (high.step - low.step) >= 0 { high = low }
      low = point
    }
    return low.step > 0 ? low : nil
  }

  /// Whether the first condition holds.
  private func isLower(_ point: Point, _ start: Point) -> Bool {
    // Below in itself, where the condition's last summand is lost to rounding.
    point.isFinite && point.value < start.value
      && point.value <= start.value + decrease * point.step * start.slope
  }

  /// Whether the second condition holds.
  private func isFlat(_ point: Point, _ start: Point) -> Bool { abs(point.slope) <= -curvature * start.slope }

  /// Where the cubic through two points has its minimum (Nocedal & Wright, equation 3.59); nil where it has none.
  private static func minimiser(_ a: Point, _ b: Point) -> Double? {
    let d = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step)
    let square = d * d - a.slope * b.slope
    guard square >= 0 else { return nil }
    let root = b.step > a.step ? square.squareRoot() : -square.squareRoot()
    let step = b.step - (b.step - a.step) * (b.slope + root - d) / (b.slope - a.slope + 2 * root)
    return step.isFinite ? step : nil
  }
}
