import CinchBackend
import CinchCore
import CinchData

/// The codes of some samples, and what their units do.
struct CodeStudy {
  let codes: Dataset
  /// Places in the study's samples.
  let places: [Int]
  let usage: CodeUsage
  /// Mean and standard deviation of each unit, or of each channel of a code that is an image.
  let means: [Double]
  let deviations: [Double]

  /// With more units than this, how often which mean occurs is shown.
  private static let mostBars = 64

  /// - Parameter wanted: samples that a map is to show.
  init(_ study: SampleStudy, wanted: Int) throws {
    let shape = study.model.network.codeShape
    places = SampleStudy.spread(study.samples.count, most: Self.mostSamples(wanted: wanted, values: shape.count))
    codes = try study.model.encode(study.samples.gather(places[...]))
    usage = CodeUsage(codes, units: shape.units)
    let (units, pixels) = (shape.units, shape.count / shape.units)
    var sums = [Double](repeating: 0, count: units)
    var squares = sums
    let count = Double(codes.count * pixels)
    codes.values.withUnsafeBufferPointer { values in
      for start in stride(from: 0, to: values.count, by: pixels) {
        for place in start..<start + pixels { sums[start / pixels % units] += Double(values[place]) }
      }
      let means = sums.map { $0 / count }
      for start in stride(from: 0, to: values.count, by: pixels) {
        let unit = start / pixels % units
        for place in start..<start + pixels {
          let d = Double(values[place]) - means[unit]
          squares[unit] += d * d
        }
      }
    }
    means = sums.map { $0 / count }
    deviations = squares.map { ($0 / count).squareRoot() }
  }

  /// So many codes are looked at, and more where a map is to show more, as far as memory goes.
  ///
  /// - Parameter values: of a code.
  static func mostSamples(wanted: Int, values: Int) -> Int {
    min(max(CodeUsage.mostSamples, wanted), max(2, CodeUsage.mostValues / values))
  }

  func markup(_ study: SampleStudy) -> Markup {
    let name = codes.sampleShape.dimensions.count > 1 ? "channel" : "unit"
    let mean = means.reduce(0, +) / Double(means.count)
    var charts: Markup = ""
    if means.count <= Self.mostBars {
      let bars = means.indices.map { unit in
        BarChart.Bar(
          value: means[unit], spread: deviations[unit],
          name: "\(name) \(unit): \(NumberText.short(means[unit])) ± \(NumberText.short(deviations[unit]))")
      }
      charts =
        BarChart(
          title: "Mean activation of each \(name), ± its standard deviation", xName: "\(name), from 0",
          range: -0.5...Double(bars.count) - 0.5, hasWholeX: true, bars: bars
        ).markup
    } else {
      charts =
        BarChart.histogram(means, title: "How many \(name)s have which mean activation", xName: "mean activation")
        .markup
        + BarChart.histogram(
          deviations, title: "How many \(name)s have which spread", xName: "standard deviation"
        ).markup
    }
    let dead = usage.dead == 0 ? "none" : NumberText.grouped(usage.dead)
    let constant = usage.constant == 0 ? "none" : NumberText.grouped(usage.constant)
    return "<h3>Code</h3>\n"
      + Markup.facts([
        ("code", "\(codes.sampleShape.description), \(NumberText.counted(usage.units, name))"),
        ("mean activation", "\(NumberText.short(mean))"),
        ("dead", "\(dead) (0 for every sample)"),
        ("constant", "\(constant) (the same for every sample, dead ones included)"),
        ("looked at", "\(study.text(codes.count))"),
      ])
      + "<div class=charts>\n\(charts)</div>\n"
  }
}
