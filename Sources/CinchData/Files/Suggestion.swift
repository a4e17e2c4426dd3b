/// What somebody who wrote a name that does not exist may have meant.
package enum Suggestion {
  /// ` (did you mean 'sparse'?)`, or nothing where no name is close.
  package static func text(for written: String, among names: some Sequence<String>) -> String {
    nearest(to: written, among: names).map { " (did you mean '\($0)'?)" } ?? ""
  }

  /// The name that takes the fewest changes; of equals the first. No more than one for every three characters, or one where
  /// there are fewer, and never all of them.
  package static func nearest(to written: String, among names: some Sequence<String>) -> String? {
    let limit = min(max(1, written.count / 3), written.count - 1)
    var best: (name: String, changes: Int)?
    // Nobody misspells what is as long as this, and every comparison takes the product of two lengths.
    for name in names where written.count <= 64 && name.count <= 64 && name != written {
      let changes = changes(from: written.lowercased(), to: name.lowercased())
      if changes <= limit, changes < best?.changes ?? .max { best = (name, changes) }
    }
    return best?.name
  }

  /// How many characters must be added, left out, replaced or swapped with the next one, each place once: the optimal
  /// string alignment distance.
  static func changes(from: String, to: String) -> Int {
    let (a, b) = (Array(from), Array(to))
    var rows = [Array(0...b.count)]
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, rows[i - 1][j - 1] + 1) }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
