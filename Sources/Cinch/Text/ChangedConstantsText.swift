import CinchData

extension ChangedConstants {
  /// Columns that are told by name.
  private static let mostNames = 4

  /// What there is to know of scores, as a clause; nil where no sample has another value.
  ///
  /// - Parameter data: whose they are.
  package func note(on data: Dataset) -> String? {
    let samples = samples
    guard samples > 0 else { return nil }
    let verb = samples == 1 ? "differs" : "differ"
    let (what, scaling) =
      features.count == 1
      ? ("\(place(features[0], in: data)), which was constant in training", "its scaling makes 0 of whatever it holds")
      : ("\(places(in: data)), which were constant in training", "their scaling makes 0 of whatever they hold")
    return
      "\(NumberText.grouped(samples)) of \(NumberText.counted(data.count, "sample")) \(verb) in \(what): \(scaling), so "
      + "scores do not show it"
  }

  private func place(_ feature: Int, in data: Dataset) -> String {
    data.columnNames.map { "the column '\($0[feature])'" } ?? "feature \(feature + 1)"
  }

  private func places(in data: Dataset) -> String {
    guard let names = data.columnNames else { return NumberText.counted(features.count, "feature") }
    let told = features.prefix(Self.mostNames).map { "'\(names[$0])'" }.joined(separator: ", ")
    return features.count > Self.mostNames
      ? "\(NumberText.grouped(features.count)) columns, such as \(told)" : "the columns \(told)"
  }
}
