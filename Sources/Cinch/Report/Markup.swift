/// HTML. What is put into a literal is escaped, unless it is markup itself.
struct Markup: Sendable, Hashable {
  var text: String

  init(text: String = "") { self.text = text }

  /// Text as HTML shows it, in elements and in quoted attributes. Characters that no page may hold are replaced.
  static func escape(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for character in text.unicodeScalars {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\n", "\t": result.unicodeScalars.append(character)
      case "\0"..<" ", "\u{7F}"..<"\u{A0}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  static func += (left: inout Markup, right: Markup) { left.text += right.text }
  static func + (left: Markup, right: Markup) -> Markup { Markup(text: left.text + right.text) }

  /// A table that scrolls by itself where it is wider than the page.
  ///
  /// - Parameter numbers: the columns that are aligned as numbers.
  static func table(_ header: [Markup], _ rows: [[Markup]], numbers: Set<Int> = []) -> Markup {
    func row(_ cells: [Markup], _ name: String) -> Markup {
      var text = "<tr>"
      for (index, cell) in cells.enumerated() {
        text += "<\(name)\(numbers.contains(index) ? " class=n" : "")>\(cell.text)</\(name)>"
      }
      return Markup(text: text + "</tr>\n")
    }
    let head: Markup = header.isEmpty ? "" : "<thead>\(row(header, "th"))</thead>"
    return "<div class=wide><table>\(head)<tbody>\n\(rows.map { row($0, "td") })</tbody></table></div>\n"
  }

  /// Pairs of a name and what there is to say of it.
  static func facts(_ facts: [(name: String, value: Markup)]) -> Markup {
    "<dl>\n\(facts.map { "<dt>\($0.name)</dt><dd>\($0.value)</dd>\n" as Markup })</dl>\n"
  }

  static func note(_ text: Markup) -> Markup { "<p class=note>\(text)</p>\n" }
}

extension Markup: ExpressibleByStringInterpolation {
  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(2 * literalCapacity) }

    mutating func appendLiteral(_ literal: String) { text += literal }
    mutating func appendInterpolation(_ value: String) { text += Markup.escape(value) }
    mutating func appendInterpolation(_ value: Int) { text += String(value) }
    mutating func appendInterpolation(_ markup: Markup) { text += markup.text }
    mutating func appendInterpolation(_ markup: [Markup]) { for part in markup { text += part.text } }
    /// A place or a length in a drawing, to a hundredth.
    mutating func appendInterpolation(_ value: Double) { text += Drawing.number(value) }
  }

  init(stringLiteral value: String) { text = value }
  init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }
}
