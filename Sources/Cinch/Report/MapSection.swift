import CinchBackend
import CinchCore
import CinchData

/// Codes as points of a plane: by their first two principal components, and by t-SNE.
struct CodeMap {
  let study: SampleStudy
  let codes: CodeStudy
  let options: RunReport.Options
  /// Tells the pictures of one run from those of others.
  let name: String
  /// Samples that are shown, and bytes of their pictures before they are compressed.
  let mostSamples: Int
  let mostBytes: Int
  let wording: (CinchError.Message) -> String

  /// More classes are not told apart.
  private static let mostClasses = Drawing.colours * Drawing.marks.count

  func markup(_ note: (CinchError.Message) -> Void) throws -> Markup {
    let chosen = SampleStudy.spread(codes.codes.count, most: mostSamples)
    let shown = codes.codes.gather(chosen[...])
    let places = chosen.map { codes.places[$0] }
    var legend: Markup = ""
    var classes: [Int]?
    if let labels = study.samples.classLabels {
      let own = places.map { labels.values[$0] }
      let distinct = Set(own).sorted()
      if distinct.count <= Self.mostClasses {
        let place = Dictionary(uniqueKeysWithValues: zip(distinct, distinct.indices))
        classes = own.map { place[$0] ?? 0 }
        legend = Drawing.legend(
          distinct.enumerated().map { index, value in
            (Drawing.mark(index), study.config.classes == nil ? labels.text(value) : study.config.className(value))
          })
      } else {
        legend = Markup.note("\(distinct.count) different labels are too many for colours.")
      }
    }
    let sheet = try study.sheet(places, name: name, most: mostBytes)
    func plot(_ title: String, _ points: NeighbourEmbedding.Points, _ names: (x: String, y: String?)?) -> Markup {
      ScatterPlot(
        title: title, x: points.x, y: points.y, names: names, labels: places.map(study.label), classes: classes,
        pictures: sheet
      ).markup
    }
    var plots: Markup = ""
    do {
      let (points, title, names) = try plane(shown)
      plots = plot(title, points, names)
      if options.tsne, shown.features > 2, shown.count >= NeighbourEmbedding.fewestSamples {
        let points = try NeighbourEmbedding(shown.values, count: shown.count).embed(from: points)
        plots += plot("t-SNE", points, nil)
      }
    } catch let error as CinchError {
      if plots.text.isEmpty { return Markup.note("There is no map of the codes: \(wording(error.message))") }
      note("There is no t-SNE: \(error.message)")
    }
    var short: Markup = ""
    if let wanted = options.samples, shown.count < min(wanted, study.all) {
      short = Markup.note(
        "Of samples and codes this large the map has \(NumberText.grouped(shown.count)), not the \(NumberText.grouped(wanted)) that were asked for: more would take too much memory."
      )
    }
    return
      "<h3>Map of the codes</h3>\n<p>\(study.text(shown.count)).</p>\n\(short)\(sheet?.definition ?? "")\(legend)<div class=maps>\n\(plots)</div>\n"
  }

  /// Codes of two units as they are, and others by PCA of what is shown.
  private func plane(
    _ shown: Dataset
  ) throws -> (points: NeighbourEmbedding.Points, title: String, names: (x: String, y: String?)) {
    let values = shown.values.map(Double.init)
    guard shown.features > 2 else {
      let width = shown.features
      let x = (0..<shown.count).map { values[$0 * width] }
      let y = width == 2 ? (0..<shown.count).map { values[$0 * width + 1] } : x.map { _ in 0 }
      return (.init(x: x, y: y), "The codes themselves", ("unit 0", width == 2 ? "unit 1" : nil))
    }
    let flat = try Dataset(values: shown.values, count: shown.count, features: shown.features, name: "codes")
    guard flat.count > 1 else {
      throw CinchError.badData("A single code has no principal components: name data with more samples.")
    }
    guard !flat.isConstant else {
      throw CinchError.badData("All codes are the same, so no map tells them apart: train for longer, or otherwise.")
    }
    let trainer = try Trainer(.pca(layers: [flat.features, 2]), on: try study.model.device.device)
    try trainer.prepare(flat)
    _ = try trainer.trainEpoch(epochs: 1)
    let found = try trainer.model.encode(flat).values.map(Double.init)
    let points = NeighbourEmbedding.Points(
      x: stride(from: 0, to: found.count, by: 2).map { found[$0] },
      y: stride(from: 1, to: found.count, by: 2).map { found[$0] })
    let total = (0..<flat.features).reduce(0.0) { sum, feature in
      sum + Self.variance((0..<flat.count).map { values[$0 * flat.features + feature] })
    }
    func share(_ values: [Double]) -> String {
      total > 0 ? ", \(String(printf: "%.1f", [100 * Self.variance(values) / total])) % of the variance" : ""
    }
    return (points, "Principal components", ("component 1\(share(points.x))", "component 2\(share(points.y))"))
  }

  private static func variance(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
  }
}
