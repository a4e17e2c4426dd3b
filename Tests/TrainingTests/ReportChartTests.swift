import CinchData
import Foundation
import Testing

@testable import Cinch

/// Axes, curves and text of a report's page.
@Suite struct ReportChartTests {
  @Test func ticksAreRoundNumbers() {
    for (low, high, expected) in [
      (0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]), (0, 0.31, ["0", "0.1", "0.2", "0.3"]),
      (-3, 7, ["-2", "0", "2", "4", "6"]), (1e-6, 5e-6, ["1e-6", "2e-6", "3e-6", "4e-6", "5e-6"]),
      (120_000, 900_000, ["2e5", "4e5", "6e5", "8e5"]), (2.4531, 2.4539, ["2.4532", "2.4534", "2.4536", "2.4538"]),
      (100_000, 100_100, ["100000", "100020", "100040", "100060", "100080", "100100"]),
      (123_456.1, 123_456.9, ["123456.2", "123456.4", "123456.6", "123456.8"]),
      (1e-5, 1.0001e-5, ["1e-5", "1.00002e-5", "1.00004e-5", "1.00006e-5", "1.00008e-5", "1.0001e-5"]),
      (-2e6, 1e6, ["-2e6", "-1.5e6", "-1e6", "-5e5", "0", "5e5", "1e6"]),
    ] {
      let axis = Axis([low, high])
      #expect(axis.texts == expected, "\(low) to \(high): \(axis.ticks)")
      #expect(axis.low < low && axis.high > high && !axis.isLogarithmic)
      #expect(axis.ticks.allSatisfy { (0...1).contains(axis.place($0)) })
    }
    #expect(Axis([1, 4], isWhole: true).ticks == [1, 2, 3, 4])
  }

  /// As damaged files have them.
  @Test(arguments: [
    [1, 1e308], [.leastNonzeroMagnitude * 2000, 1], [-1e308, 1e308], [.leastNonzeroMagnitude, .leastNonzeroMagnitude],
    [.infinity, 1], [1.7e308, .nan],
  ])
  func extremeValuesHaveAnAxis(values: [Double]) {
    let axis = Axis(values, mayBeLogarithmic: true)
    #expect(axis.low.isFinite && axis.high.isFinite && axis.low < axis.high)
    #expect(axis.ticks.allSatisfy { $0.isFinite && axis.place($0).isFinite } && axis.ticks.count < 20)
  }

  /// As damaged files have them.
  @Test func everyNumberOfSecondsHasAText() {
    for seconds in [-1e300, -1e19, -1, 1e8, 1e300, .infinity, .nan] {
      #expect(NumberText.duration(seconds) == "--:--", "\(seconds)")
    }
    #expect([-0.5, 3.2, 750, 3723].map(NumberText.duration) == ["00:00", "00:04", "12:30", "1:02:03"])
  }

  /// Also where rounding takes them to another number of digits.
  @Test func shortNumbersHaveFourDigits() {
    for (value, text) in [
      (14.02, "14.02"), (474, "474.0"), (1.3e-6, "1.300e-06"), (999.94, "999.9"), (999.96, "1000"), (999.97, "1000"),
      (-999.97, "-1000"), (1000, "1000"), (9_999_999.4, "9999999"), (9_999_999.6, "1.000e+07"), (0, "0"),
    ] {
      #expect(NumberText.short(value) == text, "\(value)")
    }
  }

  @Test func whatSpansDecadesIsLogarithmic() {
    #expect(Axis([1, 99], mayBeLogarithmic: true).isLogarithmic == false)
    #expect(Axis([0, 1000], mayBeLogarithmic: true).isLogarithmic == false)
    #expect(Axis([-1, 1000], mayBeLogarithmic: true).isLogarithmic == false)
    let axis = Axis([0.01, 100], mayBeLogarithmic: true)
    #expect(axis.isLogarithmic && axis.texts == ["0.01", "0.1", "1", "10", "100"])
    #expect(abs(axis.place(1) - 0.5) < 1e-12)
    #expect(Axis([1e-12, 1e12], mayBeLogarithmic: true).ticks.count <= 7)
    #expect(Axis([0.9, 95], mayBeLogarithmic: true).texts == ["1", "2", "5", "10", "20", "50", "100"])
  }

  /// Nothing, one value, values that are the same, and what is no number.
  @Test func everyValueHasAPlace() {
    for values in [[], [5], [3, 3, 3], [.nan, 2, .infinity], [0], [-1e300, 1e300], [.leastNonzeroMagnitude]]
      as [[Double]]
    {
      let axis = Axis(values)
      #expect(axis.low < axis.high && axis.ticks.allSatisfy { $0.isFinite })
      for value in values where value.isFinite { #expect((0...1).contains(axis.place(value)), "\(values)") }
    }
  }

  /// Zeros alone say nothing of how large values are, and places across a line say nothing at all.
  @Test func zerosHaveAPlainAxis() {
    #expect(Axis([0, 0]).low == -1 && Axis([0, 0]).texts == ["-1", "-0.5", "0", "0.5", "1"])
    func map(_ y: String?) -> String {
      ScatterPlot(title: "t", x: [1, 2], y: [0, 0], names: (x: "unit 0", y: y), labels: ["a", "b"]).markup.text
    }
    #expect(map("unit 1").contains("<text class=e") && map("unit 1").contains(">unit 1</text>"))
    #expect(!map(nil).contains("<text class=e") && map(nil).contains(">unit 0</text>"))
  }

  @Test func gapsBreakCurves() throws {
    func chart(_ values: [Double?]) -> Markup? {
      LineChart(
        title: "loss <&>",
        series: [.init(name: "a\"b", style: 1, points: values.enumerated().map { (Double($0.offset + 1), $0.element) })]
      ).markup
    }
    #expect(chart([]) == nil && chart([nil, .nan, .infinity]) == nil)
    let curve = try #require(chart([1, 2, nil, 3, 4, .nan, 5])).text
    #expect(curve.matches(of: /class="line c1"/).count == 2 && curve.matches(of: /class="mark c1"/).count == 1)
    #expect(curve.contains(#"stroke-dasharray="7 4""#) && curve.contains("loss &lt;&amp;&gt;"))
    #expect(curve.contains("a&quot;b") && !curve.contains("nan") && !curve.contains("inf"))
    // An epoch alone is a point.
    let point = try #require(chart([0.5])).text
    #expect(point.contains(#"class="mark"#) && !point.contains(#"class="line"#))
    let long = try #require(chart((0..<5000).map { Double($0) })).text
    #expect(long.utf8.count < 20_000)
  }

  /// A value that stands alone among thousands is drawn, in its place.
  @Test func thinnedCurvesKeepTheirPeaks() {
    var values = (0..<5000).map { Double($0 % 10) }
    (values[1234], values[1235], values[3001]) = (90, -80, 70)
    let drawn = LineChart.thinned(values.enumerated().map { (Double($0.offset), $0.element) })
    #expect(drawn.count <= LineChart.mostPoints + 2 && drawn.map(\.x) == drawn.map(\.x).sorted())
    #expect(drawn.first?.x == 0 && drawn.last?.x == 4999)
    for place in [1234, 1235, 3001] {
      #expect(drawn.contains { $0.x == Double(place) && $0.y == values[place] }, "\(place)")
    }
    #expect(LineChart.thinned([(1, 2), (3, 4)]).count == 2)
  }

  /// Colour and dashes together are another for each of fifty runs.
  @Test func fiftySeriesDiffer() {
    let ways = (0..<50).map { "\($0 % Drawing.colours) \(Drawing.dashes[$0 % Drawing.dashes.count])" }
    #expect(Set(ways).count == 50)
    let marks = (0..<40).map { "\($0 % Drawing.colours) \($0 % Drawing.marks.count)" }
    #expect(Set(marks).count == 40)
  }

  @Test func barsHoldEveryValue() {
    let chart = BarChart.histogram([0, 1, 1, 2.5, .zero], title: "t", xName: "x", parts: 5)
    #expect(chart.bars.map(\.value) == [2, 0, 2, 0, 1])
    #expect(BarChart.histogram([4, 4], title: "t", xName: "x").bars.map(\.value).reduce(0, +) == 2)
    let drawn = BarChart(title: "t", xName: "x", range: 0...2, bars: [.init(value: -1, spread: 2, name: "<i>")]).markup
    #expect(drawn.text.contains("&lt;i&gt;") && !drawn.text.contains("height=-"))
  }

  /// There is no unit 0.5.
  @Test func unitsAreWhole() {
    let bars = [10.0, 20, 30].map { BarChart.Bar(value: $0, spread: nil, name: "unit") }
    for isWhole in [false, true] {
      let chart = BarChart(title: "t", xName: "unit", range: -0.5...2.5, hasWholeX: isWhole, bars: bars).markup.text
      #expect(chart.contains(".5</text>") != isWhole && chart.contains(">2</text>"))
    }
  }

  @Test func textIsEscaped() {
    let text = "<script>\"&'\u{1}\u{0}\u{85}é\n"
    #expect(Markup.escape(text) == "&lt;script&gt;&quot;&amp;&#39;\u{FFFD}\u{FFFD}\u{FFFD}é\n")
    let markup: Markup = "<b>\(text)</b>\("<i>" as Markup)"
    #expect(markup.text.hasPrefix("<b>&lt;script&gt;") && markup.text.hasSuffix("</b><i>"))
    #expect(Drawing.number(1 / 3) == "0.33" && Drawing.number(2) == "2" && Drawing.number(.nan) == "0")
  }

  @Test func sheetsAreMadeSmaller() throws {
    let tiles = try (0..<9).map { try RasterImage(width: 28, height: 28, filledWith: UInt8(20 * $0)) }
    let whole = try #require(try PictureSheet(tiles, name: "s", most: 1 << 20))
    #expect(whole.definition.text.contains("width=84 height=84"))
    #expect(whole.picture(4, x: 1, y: 2, side: 64, of: "a<b").text.contains(#"viewBox="28 28 28 28""#))
    let small = try #require(try PictureSheet(tiles, name: "s", most: 9 * 100))
    #expect(small.definition.text.contains("width=30 height=30"))
    #expect(try PictureSheet([], name: "s", most: 1) == nil)
    let picture = try RasterImage(width: 3, height: 1, filledWith: 9).reduced(by: 2)
    #expect(picture.width == 2 && picture.height == 1 && picture.pixels == [9, 9])
  }

  /// As many codes as a map is to show, as far as memory goes.
  @Test(arguments: [(300, 32, 4096), (5000, 32, 5000), (5000, 4096, 1024), (5000, 1 << 30, 2)])
  func codesAreEnoughForAMap(wanted: Int, values: Int, expected: Int) {
    #expect(CodeStudy.mostSamples(wanted: wanted, values: values) == expected)
  }

  @Test func samplesAreSpreadEvenly() {
    #expect(SampleStudy.spread(3, most: 10) == [0, 1, 2])
    #expect(SampleStudy.spread(10, most: 4) == [0, 2, 5, 7])
  }
}
