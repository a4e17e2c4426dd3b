/// Curves over epochs. Where a value is missing, or no finite number, a curve has a gap.
struct LineChart: Sendable {
  struct Series: Sendable {
    var name: String
    /// Which colour and dashes it has.
    var style: Int
    var points: [(x: Double, y: Double?)]
  }

  var title: String
  var series: [Series]

  /// More points than this are thinned out.
  static let mostPoints = 400

  private func values(_ series: Series) -> [(x: Double, y: Double)] {
    series.points.compactMap { point in point.y.flatMap { $0.isFinite ? (point.x, $0) : nil } }
  }

  /// Nil where there is nothing to draw.
  var markup: Markup? {
    let all = series.flatMap(values)
    guard !all.isEmpty else { return nil }
    let drawing = Drawing(
      x: Axis(all.map(\.x), isWhole: true, wanted: 6), y: Axis(all.map(\.y), mayBeLogarithmic: true))
    var content = drawing.frame("epoch")
    for one in series { content += curve(one, drawing) }
    let title = title + (drawing.y.isLogarithmic ? ", logarithmic scale" : "")
    return "<figure><figcaption>\(title)</figcaption>\(drawing.whole("\(title) by epoch", content))</figure>\n"
  }

  private func curve(_ series: Series, _ drawing: Drawing) -> Markup {
    var result: Markup = ""
    let colour = series.style % Drawing.colours
    let last = values(series).last.map { ", last \(NumberText.short($0.y))" } ?? ""
    for run in Self.runs(series.points) {
      if run.count == 1, let point = run.first {
        result +=
          #"<path class="mark c\#(colour)" transform="translate(\#(drawing.px(point.x)) \#(drawing.py(point.y)))" d="\#(Drawing.marks[series.style % Drawing.marks.count])"><title>\#(series.name)\#(last)</title></path>"#
        continue
      }
      let places = Self.thinned(run).map { "\(Drawing.number(drawing.px($0.x))) \(Drawing.number(drawing.py($0.y)))" }
      result +=
        #"<path class="line c\#(colour)" \#(Drawing.dash(series.style))d="M\#(places.joined(separator: "L"))"><title>\#(series.name)\#(last)</title></path>"#
        + "\n"
    }
    return result
  }

  /// Points without a gap between them.
  static func runs(_ points: [(x: Double, y: Double?)]) -> [[(x: Double, y: Double)]] {
    var runs: [[(x: Double, y: Double)]] = [[]]
    for point in points {
      if let y = point.y, y.isFinite {
        runs[runs.count - 1].append((point.x, y))
      } else if runs.last?.isEmpty == false {
        runs.append([])
      }
    }
    return runs.filter { !$0.isEmpty }
  }

  /// Of each of equal parts the least and the largest value, in their order, with the first and the last point: no peak is lost.
  static func thinned(_ run: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    guard run.count > mostPoints else { return run }
    let parts = mostPoints / 2
    var places: Set = [0, run.count - 1]
    for part in 0..<parts {
      let range = part * run.count / parts..<(part + 1) * run.count / parts
      places.formUnion([range.min { run[$0].y < run[$1].y }, range.max { run[$0].y < run[$1].y }].compactMap(\.self))
    }
    return places.sorted().map { run[$0] }
  }
}
