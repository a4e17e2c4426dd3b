/// Bars from 0, each with a whisker where it has one.
struct BarChart: Sendable {
  struct Bar: Sendable {
    var value: Double
    /// Half of the whisker's length.
    var spread: Double?
    /// What it is told by.
    var name: String
  }

  var title: String
  var xName: String
  /// What the first bar's left and the last bar's right stand for.
  var range: ClosedRange<Double>
  /// Whether what bars stand for are whole numbers, such as units, with nothing between them.
  var hasWholeX = false
  var bars: [Bar]

  var markup: Markup {
    let ends = bars.flatMap { [$0.value - ($0.spread ?? 0), $0.value + ($0.spread ?? 0)] }
    let drawing = Drawing(
      x: Axis([range.lowerBound, range.upperBound], isWhole: hasWholeX, wanted: 6, margin: 0),
      y: Axis(ends + [0], wanted: 4))
    var content = drawing.frame(xName)
    let width = (range.upperBound - range.lowerBound) / Double(max(bars.count, 1))
    for (index, bar) in bars.enumerated() {
      let left = range.lowerBound + Double(index) * width
      let (x, end) = (drawing.px(left + 0.1 * width), drawing.px(left + 0.9 * width))
      let (top, base) = (drawing.py(max(bar.value, 0)), drawing.py(min(bar.value, 0)))
      content +=
        "<g><rect class=bar x=\(x) y=\(top) width=\(max(end - x, 0.5)) height=\(max(base - top, 0.5))></rect>"
      if let spread = bar.spread, spread > 0 {
        content +=
          #"<path class=whisker d="M\#((x + end) / 2) \#(drawing.py(bar.value - spread))V\#(drawing.py(bar.value + spread))"/>"#
      }
      content += "<title>\(bar.name)</title></g>\n"
    }
    return "<figure><figcaption>\(title)</figcaption>\(drawing.whole(title, content))</figure>\n"
  }

  /// How many of the values lie in each of some equal parts of their range.
  static func histogram(_ values: [Double], title: String, xName: String, parts: Int = 24) -> BarChart {
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    let range = high > low ? low...high : low - max(abs(low) * 0.1, 1e-6)...low + max(abs(low) * 0.1, 1e-6)
    var counts = [Int](repeating: 0, count: parts)
    let width = (range.upperBound - range.lowerBound) / Double(parts)
    for value in values { counts[min(max(Int((value - range.lowerBound) / width), 0), parts - 1)] += 1 }
    let bars = counts.enumerated().map { index, count in
      let start = range.lowerBound + Double(index) * width
      return Bar(
        value: Double(count), spread: nil,
        name: "\(NumberText.short(start)) to \(NumberText.short(start + width)): \(NumberText.counted(count, "unit"))")
    }
    return BarChart(title: title, xName: xName, range: range, bars: bars)
  }
}
