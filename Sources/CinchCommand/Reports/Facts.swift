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
