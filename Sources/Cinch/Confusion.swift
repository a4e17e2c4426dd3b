import CinchData

/// How often which label was told as which class.
package struct Confusion: Sendable, Hashable {
  /// By label, then class.
  package let counts: [[Int]]
  /// Of the classes.
  package let names: [String]

  /// Nil without labels.
  ///
  /// - Parameter rows: where the samples stand in the data, from 0; nil where these are all of them.
  /// - Throws: `CinchError.badData` where a label is none of the classes.
  package init?(labels: [Int]?, classes: [Int], names: [String], rows: [Int]? = nil) throws {
    guard let labels else { return nil }
    self.names = names
    let count = names.count
    var counts = [[Int]](repeating: [Int](repeating: 0, count: count), count: count)
    for (place, (label, value)) in zip(labels, classes).enumerated() {
      guard (0..<count).contains(label) else {
        throw CinchError.badData(
          "Row \((rows?[place] ?? place) + 1) has the label \(label), but the model knows the classes 0 to \(count - 1): correct the label."
        )
      }
      counts[label][value] += 1
    }
    self.counts = counts
  }

  package var rate: ErrorRate {
    let samples = counts.joined().reduce(0, +)
    let right = counts.indices.reduce(0) { $0 + counts[$1][$1] }
    return ErrorRate(error: 1 - Double(right) / Double(samples), samples: samples)
  }
}
