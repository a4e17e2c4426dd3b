import CinchBackend
import Conformance
import Testing

@Suite("The op table of images itself") struct ImageConformanceTests {
  static let ops = Conformance.ops(of: Conformance.imageCases)

  @Test("The reference agrees with itself", arguments: ops)
  func reference(op: String) throws {
    let report = try #require(Conformance.run(ReferenceBackend(), table: Conformance.imageCases, ops: [op]).first)
    #expect(report.failures == [])
    #expect(report.worstError == 0)
  }

  @Test("The reference rounded to Float passes", arguments: ops)
  func rounded(op: String) throws {
    let report = try #require(Conformance.run(SaboteurBackend(), table: Conformance.imageCases, ops: [op]).first)
    #expect(report.failures == [])
    #expect(report.cases > 0 && report.failed == 0)
  }

  @Test("Every fault is seen in every op", arguments: SaboteurBackend.Fault.allCases, ops)
  func fault(_ fault: SaboteurBackend.Fault, op: String) {
    let backend = SaboteurBackend(fault), reference = ReferenceBackend()
    // From the end, where the cases with a NaN are.
    let seen = Conformance.imageCases.filter { $0.op == op }.reversed().contains { row in
      (try? row.run(on: backend, against: reference).passed) != true
    }
    #expect(seen)
  }

  @Test("Every case has a name of its own")
  func names() {
    let names = Conformance.imageCases.map { "\($0.op) \($0.name)" }
    #expect(Set(names).count == names.count)
  }

  @Test("Every op of images is in the table")
  func coverage() {
    #expect(
      Set(Self.ops) == [
        "convolve", "convolveTransposed", "convolutionGradient", "maxPool", "unpool", "pickSwitches", "poolSum",
        "poolSpread",
      ])
  }

  @Test("Every kernel meets every stride, dilation and padding; every channel count every other")
  func pairs() {
    let met = Set(ConvolutionFactors.rows.flatMap(\.pairs)), counts = ConvolutionFactors.counts
    for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (1, 4), (2, 3), (3, 4), (3, 5), (3, 6), (5, 6)] {
      let wanted = (0..<counts[a]).flatMap { i in (0..<counts[b]).map { j in ((a * 8 + b) * 8 + i) * 8 + j } }
      let missing = wanted.filter { !met.contains($0) }.map { [a, $0 / 8 % 8, b, $0 % 8] }
      #expect(missing == [])
    }
    #expect(Conformance.convolutions.count > 50)
  }
}
