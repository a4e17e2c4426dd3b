/// Numbers for people.
package enum NumberText {
  /// 60,000
  package static func grouped(_ value: Int) -> String {
    var digits = String(value.magnitude)
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
  }

  /// 1 epoch, 2,000 epochs
  package static func counted(_ value: Int, _ noun: String) -> String {
    "\(grouped(value)) \(noun)\(value == 1 ? "" : "s")"
  }

  /// Four significant digits: 14.02, 474.0, 0.01788, 1.300e-06.
  package static func short(_ value: Double) -> String {
    switch abs(value) {
    case 0: "0"
    // By what they round to: 999.97 is 1000, and no 1000. with a bare point.
    case 999.95..<9_999_999.5: String(printf: "%.0f", [value])
    default: String(printf: "%#.4g", [value])
    }
  }

  /// 24.3 dB
  package static func decibels(_ value: Double) -> String { String(printf: "%.1f dB", [value]) }

  /// An option's value as it would be typed: 0.05, 3, 0.001.
  package static func plain(_ value: Double) -> String { String(printf: "%g", [value]) }

  /// 2.1 M samples/s
  package static func rate(_ value: Double) -> String {
    switch value {
    case ..<1000: String(printf: "%.0f samples/s", [value])
    case ..<1e6: String(printf: "%.1f k samples/s", [value / 1e3])
    default: String(printf: "%.1f M samples/s", [value / 1e6])
    }
  }

  /// 55 % of 515; – where there is no peak to compare with.
  package static func share(_ fraction: Double?, of peak: Double?) -> String {
    guard let fraction, let peak else { return "–" }
    return String(printf: "%.0f %% of %.0f", [100 * fraction, peak])
  }

  /// 00:04, 12:30, 1:02:03; --:-- where it is negative, too long or no number.
  package static func duration(_ seconds: Double) -> String {
    let whole = seconds.rounded(.up)
    guard (0..<1e8).contains(whole) else { return "--:--" }
    let total = Int(whole)
    let (minutes, rest) = (total / 60 % 60, total % 60)
    return total < 3600
      ? String(printf: "%02d:%02d", [minutes, rest]) : String(printf: "%d:%02d:%02d", [total / 3600, minutes, rest])
  }

  /// 1.5 GB
  package static func bytes(_ count: Int) -> String {
    count < 1_000_000_000
      ? String(printf: "%.0f MB", [Double(count) / 1e6]) : String(printf: "%.1f GB", [Double(count) / 1e9])
  }
}
