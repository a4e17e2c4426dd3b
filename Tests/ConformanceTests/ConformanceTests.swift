import CinchBackend
import Foundation
import Testing

@testable import Conformance

@Suite("The op table itself") struct ConformanceTests {
  @Test("The reference agrees with itself", arguments: Conformance.ops)
  func reference(op: String) throws {
    let report = try #require(Conformance.run(ReferenceBackend(), ops: [op], small: true).first)
    #expect(report.failures == [])
    #expect(report.cases > 0 && report.worstError == 0)
  }

  @Test("The reference rounded to Float passes", arguments: Conformance.ops)
  func rounded(op: String) throws {
    let report = try #require(Conformance.run(SaboteurBackend(), ops: [op]).first)
    #expect(report.failures == [])
    #expect(report.cases > 0 && report.failed == 0)
  }

  @Test("Every fault is seen in every op", arguments: SaboteurBackend.Fault.allCases, sabotaged)
  func fault(_ fault: SaboteurBackend.Fault, op: String) {
    // Draws, copies and bytes have no case with a NaN.
    guard fault != .lostNaN || !["bernoulli", "copy", "gatherBytes"].contains(op) else { return }
    let backend = SaboteurBackend(fault), reference = ReferenceBackend()
    // From the end, where the cases with a NaN are.
    let seen = Conformance.cases.filter { $0.op == op }.reversed().contains { row in
      // An error thrown is a fault seen, as it is for `Conformance.run`.
      (try? row.run(on: backend, against: reference).passed) != true
    }
    #expect(seen)
  }

  /// Transfers are the harness's own means and cannot be harmed alone.
  static let sabotaged = Conformance.ops.filter { !["write", "read", "fill", "allocate"].contains($0) }

  @Test("Every case has a name of its own")
  func names() {
    let names = Conformance.cases.map { "\($0.op) \($0.name)" }
    #expect(Set(names).count == names.count)
  }

  @Test("A timing tells how long a call takes and what it does")
  func timing() throws {
    var timings: [OpTiming] = []
    try Conformance.time(ReferenceBackend(), ops: ["columnSums", "klSparsity"], repeats: 3, least: .zero) {
      timings.append($0)
    }
    #expect(timings.map(\.op) == ["columnSums", "columnSums", "klSparsity"])
    #expect(timings.allSatisfy { $0.seconds > 0 })
    // 256 × 1024 doubles are read, and 1024 written.
    #expect(timings[0].work == .bytes(8 * (256 * 1024 + 1024)))
  }

  @Test("Every convolution of the convolutional workloads is timed in its three modes")
  func timedConvolutions() throws {
    let convolutions = try Conformance.timedCases().filter { $0.name.hasPrefix("conv") }
    // Four layers of conv and five of conv-pool; the first of each has no input gradient.
    #expect(convolutions.count == 3 * (4 + 5) - 2)
    #expect(convolutions[0].name == "conv encoder.0, forward")
    // 14 × 14 pixels of 16 channels, each from 9 taps of one.
    #expect(convolutions[0].row.work(for: ReferenceBackend()) == .operations(2 * 128 * 14 * 14 * 16 * 9))
    #expect(convolutions.allSatisfy { $0.row.work(for: ReferenceBackend()).operations != nil })
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

  @Test("A report is JSON with the error's own name")
  func report() throws {
    let report = try #require(Conformance.run(SaboteurBackend(.notANumber), ops: ["copy"]).first)
    let text = String(decoding: try JSONEncoder().encode(report), as: UTF8.self)
    #expect(text.contains("\"worst_error\":1000000000"))
    #expect(try JSONDecoder().decode(OpReport.self, from: Data(text.utf8)) == report)
  }
}
