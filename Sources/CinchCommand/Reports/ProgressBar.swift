import Cinch
import FoundationEssentials
import Glibc

/// A line per epoch: drawn again and again on a terminal, written once where lines cannot be drawn again.
struct ProgressBar {
  private let terminal: Terminal

  init(_ terminal: Terminal) { self.terminal = terminal }

  func draw(_ progress: Cinch.TrainingProgress) {
    guard terminal.isInteractive else { return }
    let fraction = Double(progress.samples) / Double(max(progress.samplesPerEpoch, 1))
    let head = Self.head(progress.epoch, progress.epochs, layer: progress.layer)
    let percent = String(format: "%3.0f %%", (100 * fraction).rounded(.down))
    // A closed form knows no loss before its end.
    let isKnown = progress.loss.isFinite
    let parts = [
      isKnown ? "loss \(NumberText.short(progress.loss))" : "", isKnown ? progress.metrics.headline : "",
      NumberText.rate(progress.samplesPerSecond), "\(NumberText.duration(progress.secondsLeft)) left",
    ]
    // The last column stays free, or some terminals would begin a new line.
    var room = terminal.columns - 1 - head.count - percent.count - 4
    var shown: [String] = []
    // What matters most first: loss, time left, throughput, per element.
    for index in [0, 3, 2, 1] where !parts[index].isEmpty && parts[index].count + 3 <= room {
      room -= parts[index].count + 3
      shown.append(parts[index])
    }
    let ordered = parts.filter(shown.contains)
    let bar = room >= 4 ? Self.bar(fraction, width: min(room, 24)) : ""
    let painted = terminal.hasColor ? "\u{1B}[36m\(bar)\u{1B}[0m" : bar
    rewrite(([head + "  " + painted + "  " + percent] + ordered).joined(separator: "   "))
  }

  func finish(_ epoch: Epoch, of epochs: Int) {
    let parts = [
      Self.head(epoch.number, epochs, layer: epoch.layer), "loss \(NumberText.short(epoch.loss))",
      epoch.metrics.headline, epoch.validationMetrics.map { "validation \($0.headlineValue)" },
      NumberText.rate(epoch.samplesPerSecond),
    ].compactMap { $0 }
    var line = parts[0]
    let columns = terminal.isInteractive ? terminal.columns - 1 : Int.max
    for part in parts.dropFirst() where line.count + part.count + 3 <= columns { line += "   " + part }
    if terminal.isInteractive { rewrite(line + "\n") } else { Output.note(line) }
  }

  func clear() {
    if terminal.isInteractive { rewrite("") }
  }

  private func rewrite(_ line: String) { Output.note("\r\u{1B}[K" + line, terminator: "") }

  private static func head(_ epoch: Int, _ epochs: Int, layer: Int?) -> String {
    let width = String(epochs).count
    return (layer.map { "layer \($0)  " } ?? "")
      + "epoch  \(String(repeating: " ", count: max(width - String(epoch).count, 0)))\(epoch)/\(epochs)"
  }

  /// Eighths of a block, so that it moves smoothly.
  private static func bar(_ fraction: Double, width: Int) -> String {
    let eighths = Int((min(max(fraction, 0), 1) * Double(8 * width)).rounded(.down))
    let full = String(repeating: "█", count: eighths / 8)
    let part = eighths % 8 == 0 ? "" : String(["▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8 - 1])
    return (full + part).padding(toLength: width, withPad: " ", startingAt: 0)
  }
}
