import CinchBackend
import CinchCore
import CinchData
import FoundationEssentials
import Glibc

/// Numbers for people.
enum Numbers {
  /// 60,000
  static func grouped(_ value: Int) -> String {
    var digits = String(value.magnitude)
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
  }

  /// 1 epoch, 2,000 epochs
  static func counted(_ value: Int, _ noun: String) -> String { "\(grouped(value)) \(noun)\(value == 1 ? "" : "s")" }

  /// Four significant digits: 14.02, 474.0, 0.01788, 1.300e-06.
  static func short(_ value: Double) -> String {
    switch abs(value) {
    case 0: "0"
    case 1e3..<1e7: String(format: "%.0f", value)
    default: String(format: "%#.4g", value)
    }
  }

  /// An option's value as it would be typed: 0.05, 3, 0.001.
  static func plain(_ value: Double) -> String { String(format: "%g", value) }

  /// 2.1 M samples/s
  static func rate(_ value: Double) -> String {
    switch value {
    case ..<1000: String(format: "%.0f samples/s", value)
    case ..<1e6: String(format: "%.1f k samples/s", value / 1e3)
    default: String(format: "%.1f M samples/s", value / 1e6)
    }
  }

  /// 55 % of 515; – where there is no peak to compare with.
  static func share(_ fraction: Double?, of peak: Double?) -> String {
    guard let fraction, let peak else { return "–" }
    return String(format: "%.0f %% of %.0f", 100 * fraction, peak)
  }

  /// 00:04, 12:30, 1:02:03
  static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e8 else { return "--:--" }
    let total = Int(seconds.rounded(.up))
    let (minutes, rest) = (total / 60 % 60, total % 60)
    return total < 3600
      ? String(format: "%02d:%02d", minutes, rest) : String(format: "%d:%02d:%02d", total / 3600, minutes, rest)
  }

  /// 1.5 GB
  static func bytes(_ count: Int) -> String {
    count < 1_000_000_000
      ? String(format: "%.0f MB", Double(count) / 1e6) : String(format: "%.1f GB", Double(count) / 1e9)
  }
}

extension Metrics {
  /// What one line of a report has room for: the error per element, or else what comes first.
  var headlineValue: Double { self[Reconstruction.perElementName] ?? first { _ in true }?.value ?? .nan }

  /// per element 0.01788; cross entropy 0.4513
  var headline: String {
    let name = self[Reconstruction.perElementName] == nil ? names.first ?? "" : "per element"
    return "\(name.replacing("_", with: " ")) \(Numbers.short(headlineValue))"
  }
}

extension Recipe {
  /// 784 → 196 → 784, or 1×28×28 → 16×14×14 → 1×28×28
  func layersText() throws -> String { try resolved().shapes.map(\.description).joined(separator: " → ") }

  /// The activations in use, each once: `relu, sigmoid`.
  var activationsText: String {
    var seen: [String] = []
    for layer in encoder + decoder where layer.hasParameters && !seen.contains(layer.activation.rawValue) {
      seen.append(layer.activation.rawValue)
    }
    return seen.joined(separator: ", ")
  }

  /// sse + KL(ρ 0.05, β 3) + weight decay 0.001
  var objectiveText: String {
    var terms = [loss.rawValue + (sigma.map { "(σ \(Numbers.plain($0)))" } ?? "")]
    if let kl = penalties.kl { terms.append("KL(ρ \(Numbers.plain(kl.rho)), β \(Numbers.plain(kl.beta)))") }
    if penalties.weightDecay > 0 { terms.append("weight decay \(Numbers.plain(penalties.weightDecay))") }
    if penalties.l1 > 0 { terms.append("L1 \(Numbers.plain(penalties.l1))") }
    if penalties.contraction > 0 { terms.append("contraction \(Numbers.plain(penalties.contraction))") }
    return terms.joined(separator: " + ")
  }

  /// adam, learning rate 0.001, batch 256
  var trainingText: String {
    var parts = ["\(optimizer.rule.rawValue) \(Numbers.plain(optimizer.learningRate))"]
    if schedule.kind != .constant { parts.append("\(schedule.kind.rawValue) schedule") }
    if let gradientClip { parts.append("clip \(Numbers.plain(gradientClip))") }
    parts.append("batch \(Numbers.grouped(batchSize))")
    parts.append(Numbers.counted(epochs, "epoch"))
    parts.append("seed \(seed)")
    return parts.joined(separator: ", ")
  }

  var corruptionText: String? {
    corruption.map { "\($0.kind.rawValue) \(Numbers.plain($0.level))" }
  }
}

/// Pairs of a name and what there is to say of it, the names in one column.
struct Facts {
  private var lines: [(String, String)] = []

  mutating func add(_ name: String, _ text: String?) {
    if let text { lines.append((name, text)) }
  }

  var text: String { text(width: max(10, (lines.map(\.0.count).max() ?? 0) + 2)) }

  func text(width: Int) -> String {
    lines.map { $0.padding(toLength: width, withPad: " ", startingAt: 0) + $1 }.joined(separator: "\n")
  }
}
