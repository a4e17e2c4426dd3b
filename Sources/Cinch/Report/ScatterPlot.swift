/// Samples as points of a plane, in the colour and shape of their class; each shows what it is where it is pointed at.
struct ScatterPlot {
  var title: String
  var x: [Double]
  var y: [Double]
  /// What axes are called; nil where their numbers say nothing, as those of `y` alone where points lie on a line.
  var names: (x: String, y: String?)?
  /// What each point is.
  var labels: [String]
  /// The class of each, a place in the legend; nil where there are none.
  var classes: [Int]?
  /// The samples' own pictures, in the same order.
  var pictures: PictureSheet?

  /// Room for a picture above the axes.
  private static let pictureSide = 64.0

  var markup: Markup {
    let top = (pictures == nil ? 12 : Self.pictureSide + 20) + (names?.y == nil ? 0 : 14)
    let vertical = Axis(y, wanted: 5)
    let drawing = Drawing(
      width: 460, height: 420 + top, x: Axis(x, wanted: 5), y: names?.y == nil ? vertical.withoutTicks : vertical,
      top: top, hasLabels: names != nil)
    var content: Markup = names.map { drawing.frame($0.x, hasVertical: true) } ?? ""
    if let name = names?.y { content += "<text class=s x=8 y=\(top - 12)>\(name)</text>\n" }
    if pictures != nil {
      content += "<text class=s x=8 y=20>Point at a sample to see it</text>\n"
    }
    for index in x.indices {
      let style = classes?[index] ?? 0
      content +=
        "<g class=p><use href=\"#m\(style % Drawing.marks.count)\" class=c\(style % Drawing.colours) x=\(drawing.px(x[index])) y=\(drawing.py(y[index]))></use>"
      content += "<title>\(labels[index])</title>"
      if let pictures {
        content += pictures.picture(
          index, x: drawing.width - Self.pictureSide - 8, y: 6, side: Self.pictureSide, of: labels[index])
      }
      content += "</g>\n"
    }
    return
      "<figure class=map><figcaption>\(title)</figcaption>\(drawing.whole(title, content))</figure>\n"
  }

  /// The shapes that points refer to.
  static var definitions: Markup {
    let marks = Drawing.marks.enumerated().map { index, path -> Markup in
      #"<path id=m\#(index) class=mark d="\#(path)"/>"#
    }
    return "<svg class=hidden width=0 height=0 aria-hidden=true><defs>\(marks)</defs></svg>\n"
  }
}
