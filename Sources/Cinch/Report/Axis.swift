import Glibc

/// A range of values along a side of a drawing.
struct Axis: Sendable, Hashable {
  let low: Double
  let high: Double
  /// Whether equal lengths are equal ratios.
  let isLogarithmic: Bool
  /// Round numbers inside, in ascending order.
  private(set) var ticks: [Double]

  /// An axis that holds values; 0 to 1 where there are none.
  ///
  /// - Parameters:
  ///   - values: those that are no numbers do not count.
  ///   - mayBeLogarithmic: whether it is where all values are positive and span more than two decades.
  ///   - isWhole: whether ticks are whole numbers.
  ///   - wanted: about so many ticks.
  ///   - margin: what is left free beyond the values, as a share of their range.
  init(
    _ values: some Sequence<Double>, mayBeLogarithmic: Bool = false, isWhole: Bool = false, wanted: Int = 5,
    margin: Double = 0.04
  ) {
    var (least, most) = (Double.infinity, -Double.infinity)
    // So large a range can still be counted.
    for value in values.lazy.map({ min(max($0, -1e300), 1e300) }) where value.isFinite {
      (least, most) = (min(least, value), max(most, value))
    }
    if least > most { (least, most) = (0, 1) }
    // Beyond what such numbers can say, no room is left around them.
    let room = least > 0 ? pow(most / least, margin) : 1
    isLogarithmic =
      mayBeLogarithmic && least > 0 && most > 100 * least && (most * room).isFinite
      && least / room >= .leastNormalMagnitude
    if isLogarithmic {
      (low, high) = (least / room, most * room)
      ticks = Self.powers(low, high, wanted: wanted)
    } else {
      let range = most - least
      // Of equal values the place is the middle.
      let margins =
        range > 1e-12 * max(abs(least), abs(most)) ? margin * range : most == 0 ? 1 : max(abs(most) * 0.1, 1e-12)
      (low, high) = (least - margins, most + margins)
      ticks = Self.round(low, high, wanted: wanted).filter { !isWhole || $0 == $0.rounded() }
    }
  }

  /// The same without ticks, where places along it say nothing.
  var withoutTicks: Axis {
    var axis = self
    axis.ticks = []
    return axis
  }

  /// Where a value lies between 0 and 1.
  func place(_ value: Double) -> Double {
    isLogarithmic ? log(value / low) / log(high / low) : (value - low) / (high - low)
  }

  /// Multiples of 1, 2 or 5 times a power of ten.
  static func round(_ low: Double, _ high: Double, wanted: Int) -> [Double] {
    guard high > low, (high - low).isFinite else { return [] }
    let rough = (high - low) / Double(max(wanted, 1))
    let power = pow(10, floor(log10(rough)))
    let step = ([1, 2, 5, 10].first { $0 * power >= 0.75 * rough } ?? 10) * power
    guard step > 0, step.isFinite else { return [] }
    let (first, last) = (ceil(low / step), floor(high / step))
    guard last - first < 100 else { return [] }
    return stride(from: first, through: last, by: 1).map { index in
      // 0.3, and not 0.30000000000000004; 0, and not -0.
      (step >= 1 ? index * step : index / (1 / step).rounded()) + 0
    }
  }

  /// Powers of ten, some left out where there are many; with 2 and 5 between where there are few.
  private static func powers(_ low: Double, _ high: Double, wanted: Int) -> [Double] {
    let (first, last) = (Int(ceil(log10(low) - 1e-9)), Int(floor(log10(high) + 1e-9)))
    guard first <= last else { return [] }
    let step = max((last - first + wanted) / max(wanted, 1), 1)
    let factors: [Double] = last - first < 3 ? [1, 2, 5] : [1]
    return stride(from: first - (factors.count > 1 ? 1 : 0), through: last, by: step).flatMap { exponent in
      factors.map { $0 * pow(10, Double(exponent)) }
    }.filter { $0 >= low && $0 <= high }
  }

  /// The ticks as text.
  var texts: [String] {
    let step = ticks.count > 1 ? ticks[1] - ticks[0] : (high - low) / 10
    return ticks.map { Self.text($0, step: isLogarithmic ? nil : step) }
  }

  /// A tick as text, with the digits that tell it from the next, `step` away.
  ///
  /// - Parameter step: nil where ticks are powers of ten and such, which a few digits tell apart.
  static func text(_ value: Double, step: Double?) -> String {
    guard value != 0 else { return "0" }
    let size = abs(value)
    // What differences of ticks lack by rounding is no digit more.
    let digits = step.map { floor(log10(size)) - floor(log10($0) + 1e-6) + 1 } ?? 1
    let precision = min(max(digits.isFinite ? Int(digits) : 1, 1), 15)
    func plain(_ precision: Int) -> String { String(printf: "%.\(precision)g", [value]) }
    if size >= 1e-4, size < 1e5 { return plain(max(precision, 6)) }
    // 100020, and not 1.0002e5.
    if precision > 4, size >= 1e5, size < 1e15 { return plain(15) }
    // 2e-05 as 2e-5.
    let parts = plain(max(precision, 4)).split(separator: "e")
    guard parts.count == 2, let exponent = Int(parts[1]) else { return plain(6) }
    return "\(parts[0])e\(exponent)"
  }
}
