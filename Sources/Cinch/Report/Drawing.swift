/// A drawing with two axes, in its own units, about as many as pixels.
struct Drawing {
  let width: Double
  let height: Double
  let x: Axis
  let y: Axis
  private let left: Double
  private let top: Double
  private let bottom: Double
  private static let right = 14.0

  /// - Parameter top: free above the axes.
  init(width: Double = 420, height: Double = 250, x: Axis, y: Axis, top: Double = 12, hasLabels: Bool = true) {
    (self.width, self.height, self.x, self.y, self.top) = (width, height, x, y, top)
    // As wide as the longest number.
    let longest = y.texts.map(\.count).max() ?? 0
    left = hasLabels ? 16 + 7 * Double(longest) : Self.right
    bottom = hasLabels ? 42 : 14
  }

  /// Two colours or ways to draw differ in more than one property.
  static let colours = 7
  static let dashes = ["", "7 4", "2 3", "9 3 2 3", "14 4", "5 2 1 2", "1 4", "12 3 3 3 3 3"]
  /// Marks of points, 8 units wide, the name of each its place.
  static let marks = [
    "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0 -6.8 0z", "M-3 -3h6v6h-6z", "M0 -4l4 7h-8z",
    "M0 -4.4l4.4 4.4l-4.4 4.4l-4.4 -4.4z",
    "M0 4l4 -7h-8z", "M-4 -1.4h2.6v-2.6h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6z",
  ]

  static func number(_ value: Double) -> String {
    let hundredths = (value * 100).rounded()
    guard hundredths.isFinite, abs(hundredths) < 1e15 else { return "0" }
    return hundredths.truncatingRemainder(dividingBy: 100) == 0
      ? String(Int(hundredths / 100)) : String(hundredths / 100)
  }

  func px(_ value: Double) -> Double { left + x.place(value) * (width - left - Self.right) }
  func py(_ value: Double) -> Double { height - bottom - y.place(value) * (height - bottom - top) }

  /// The frame: lines at ticks, their numbers, and what axes are called.
  func frame(_ xName: String, hasVertical: Bool = false) -> Markup {
    var result: Markup = ""
    let (right, base) = (width - Self.right, height - bottom)
    for (tick, text) in zip(y.ticks, y.texts) {
      let place = py(tick)
      result +=
        #"<path class=grid d="M\#(left) \#(place)H\#(right)"/><text class=e x=\#(left - 6) y=\#(place + 4)>\#(text)</text>"#
    }
    for (tick, text) in zip(x.ticks, x.texts) {
      let place = px(tick)
      if hasVertical { result += #"<path class=grid d="M\#(place) \#(top)V\#(base)"/>"# }
      result +=
        #"<path class=axis d="M\#(place) \#(base)v4"/><text class=m x=\#(place) y=\#(base + 17)>\#(text)</text>"#
    }
    result += #"<path class=axis d="M\#(left) \#(top)V\#(base)H\#(right)"/>"#
    return result
      + "<text class=m x=\((left + right) / 2) y=\(height - 6)>\(xName)</text>\n"
  }

  /// The whole, with what it shows for who does not see it.
  func whole(_ label: String, _ content: Markup) -> Markup {
    #"<svg class=chart viewBox="0 0 \#(width) \#(height)" role=img aria-label="\#(label)">"# + "\n\(content)</svg>\n"
  }

  /// What legends show of a series: its line, and the mark of a point that stands alone.
  static func line(_ index: Int) -> Markup {
    #"<svg class=key viewBox="0 -5 46 10" aria-hidden=true><path class="line c\#(index % colours)" \#(dash(index))d="M1 0H31"/><path class="mark c\#(index % colours)" transform="translate(39)" d="\#(marks[index % marks.count])"/></svg>"#
  }

  static func mark(_ index: Int) -> Markup {
    #"<svg class=key viewBox="-6 -6 12 12" aria-hidden=true><path class="mark c\#(index % colours)" d="\#(marks[index % marks.count])"/></svg>"#
  }

  static func dash(_ index: Int) -> Markup {
    let pattern = dashes[index % dashes.count]
    return pattern.isEmpty ? "" : #"stroke-dasharray="\#(pattern)" "#
  }

  static func legend(_ entries: [(key: Markup, name: String)]) -> Markup {
    "<ul class=legend>\n\(entries.map { "<li>\($0.key)\($0.name)</li>\n" as Markup })</ul>\n"
  }
}
