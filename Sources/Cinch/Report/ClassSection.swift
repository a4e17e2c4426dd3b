import CinchCore
import CinchData

// What a report says of a classifier.
extension SampleStudy {
  private static let mostClasses = 30

  /// The error and the confusion matrix.
  func classes() throws -> Markup {
    var told: [Int] = []
    try inBatches { _, batch in told += try model.classify(batch) }
    let names = (0..<(config.recipe.classifier?.classes ?? 0)).map(config.className)
    guard let confusion = try Confusion(labels: samples.labels, classes: told, names: names, rows: numbers)
    else {
      return Markup.note("The samples have no labels to compare classes with.")
    }
    let rate = confusion.rate
    let percent = { (share: Double) in String(printf: "%.2f", [100 * share]) }
    var result: Markup =
      "<h3>Classes</h3>\n<p>Error \(percent(rate.error)) % ± \(percent(rate.interval)) % (95 %), of \(text(samples.count)).</p>\n"
    if names.count <= Self.mostClasses {
      let rows = zip(names, confusion.counts).map { name, counts -> [Markup] in
        let total = max(counts.reduce(0, +), 1)
        return ["\(name)"]
          + counts.map { "<span class=h\(($0 * 5 + total - 1) / total)>\(NumberText.grouped($0))</span>" }
      }
      result +=
        "<p>A row for each label, a column for each class that was told.</p>\n"
        + Markup.table(["label"] + names.map { "\($0)" }, rows, numbers: Set(1...max(names.count, 1)))
    } else {
      result += Markup.note(
        "There is no confusion matrix: \(names.count) classes are more than the \(Self.mostClasses) that the page has room for."
      )
    }
    let labels = samples.labels ?? []
    return result + (try mistakes(told.indices.filter { labels[$0] != told[$0] }, told: told))
  }
}
